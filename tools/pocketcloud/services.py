# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""The services of the cloud: how each is started, and what it needs."""

import functools
import pathlib
import shutil
import subprocess

from pocketcloud import catalog
from pocketcloud import config
from pocketcloud import database
from pocketcloud import layout
from pocketcloud import network
from pocketcloud import process
from pocketcloud import second_host_network
from pocketcloud.service import Service

HERE = pathlib.Path(__file__).parent
LIBVIRT_NAMESPACE = HERE / 'libvirt-namespace.sh'
LIBVIRT_HOOK = HERE / 'libvirt-hook.sh'
# What the product has libvirt ask.
PRODUCT_HOOK = HERE.parents[1] / 'etc/libvirt/hooks/qemu.d/temporality'
NOVA_CONF = config.FILES['nova.conf']
NOVA_DB_CONF = config.FILES['nova-db.conf']
NEUTRON_CONF = config.FILES['neutron.conf']
ML2_INI = config.FILES['ml2.ini']
DHCP_INI = config.FILES['dhcp.ini']
TEMPORALITY_CONF = config.FILES['temporality.conf']
# The installation writes it when the project's code has changed.
PROJECT = layout.STAMPS / 'project'


def with_files(command, *files):
    """A command line with --config-file for each of the files."""
    line = [layout.BIN / command]
    for path in files:
        line += ['--config-file', path]
    return line


def uwsgi(name, module, needs, files, finish=None, **env):
    """An API, run by one uwsgi."""
    return Service(
        name, 'controller', needs=needs, port=name, http=True, files=files,
        finish=finish, env=env, command=[
            layout.BIN / 'uwsgi', '--virtualenv', layout.VENV,
            '--http-socket', '%s:%d' % (layout.ADDRESS, layout.PORTS[name]),
            '--module', module + ':application', '--processes', '1',
            '--threads', '4', '--enable-threads', '--buffer-size', '65535',
            # glanceclient sends parts of 1 MiB, which, with what frames them,
            # are more than the default.
            '--chunked-input-limit', '2097152',
            '--add-header', 'Connection: close', '--die-on-term',
            '--need-app', '--disable-logging'])


def mariadb():
    data = database.DATA
    return Service(
        'mariadb', 'controller', port='mariadb', patience=30,
        prepare=database.create_data_directory,
        finish=database.create_databases,
        # The cloud may be lost with the machine: speed before durability.
        command=['/usr/sbin/mariadbd', '--no-defaults', '--user=root',
                 '--datadir=%s' % data, '--socket=%s' % database.SOCKET,
                 '--pid-file=%s' % data.with_suffix('.pid'),
                 '--bind-address=' + layout.ADDRESS,
                 '--port=%d' % layout.PORTS['mariadb'],
                 '--skip-name-resolve', '--skip-log-bin',
                 '--innodb-flush-log-at-trx-commit=0',
                 '--innodb-doublewrite=0', '--innodb-buffer-pool-size=64M',
                 '--performance-schema=off', '--max-connections=300',
                 '--character-set-server=utf8mb4'])


def rabbitmq():
    home = layout.CONTROLLER / 'rabbitmq'
    configuration = config.FILES['rabbitmq.conf']
    plugins = home / 'plugins'
    binaries = sorted(pathlib.Path('/usr/lib/rabbitmq/lib').glob(
        'rabbitmq_server-*/sbin/rabbitmq-server'))

    def prepare():
        (home / 'mnesia').mkdir(parents=True, exist_ok=True)
        plugins.write_text('[].\n')

    return Service(
        'rabbitmq', 'controller', port='rabbitmq', files=(configuration,),
        patience=30, prepare=prepare,
        command=[binaries[-1] if binaries else '/nowhere'],
        env={
            'HOME': str(home),
            'ERL_EPMD_ADDRESS': layout.ADDRESS,
            'ERL_EPMD_PORT': str(layout.PORTS['epmd']),
            'RABBITMQ_CONF_ENV_FILE': '/dev/null',
            'RABBITMQ_NODENAME': 'pocket@localhost',
            'RABBITMQ_DIST_PORT': str(layout.PORTS['rabbitmq-dist']),
            'RABBITMQ_MNESIA_BASE': str(home / 'mnesia'),
            'RABBITMQ_LOG_BASE': str(layout.LOG),
            'RABBITMQ_LOGS': '-',
            'RABBITMQ_ENABLED_PLUGINS_FILE': str(plugins),
            'RABBITMQ_CONFIG_FILE': str(configuration),
            'RABBITMQ_PID_FILE': str(home / 'pid'),
            'RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS':
                '-kernel inet_dist_use_interface {127,0,0,1} '
                '+S 1:1 +sbwt none +A 16',
        })


def controller():
    """The services of the controller."""
    nova_needs = 'nova-cell1', 'nova-cells-db', 'catalog', 'rabbitmq'
    return [
        mariadb(),
        rabbitmq(),
        uwsgi('keystone', 'keystone.wsgi.api', ('keystone-db',),
              (config.FILES['keystone.conf'],),
              OS_KEYSTONE_CONFIG_FILES=str(config.FILES['keystone.conf'])),
        uwsgi('placement', 'placement.wsgi.api', ('placement-db', 'catalog'),
              (config.FILES['placement.conf'],),
              OS_PLACEMENT_CONFIG_DIR=str(layout.ETC / 'placement')),
        uwsgi('glance', 'glance.wsgi.api', ('glance-db', 'catalog'),
              (config.FILES['glance-api.conf'],),
              OS_GLANCE_CONFIG_DIR=str(layout.ETC / 'glance')),
        uwsgi('nova-api', 'nova.wsgi.osapi_compute', nova_needs,
              (NOVA_CONF, NOVA_DB_CONF, PROJECT),
              OS_NOVA_CONFIG_DIR=str(layout.ETC / 'nova'),
              OS_NOVA_CONFIG_FILES='%s;nova.conf;nova-db.conf'
              % (layout.VENV / 'etc/nova/api-paste.ini')),
        Service('nova-conductor', 'controller', needs=nova_needs,
                command=with_files('nova-conductor', NOVA_CONF,
                                   NOVA_DB_CONF),
                files=(NOVA_CONF, NOVA_DB_CONF), queue='conductor'),
        Service('nova-scheduler', 'controller', needs=nova_needs,
                command=with_files('nova-scheduler', NOVA_CONF,
                                   NOVA_DB_CONF, TEMPORALITY_CONF),
                files=(NOVA_CONF, NOVA_DB_CONF, TEMPORALITY_CONF, PROJECT),
                queue='scheduler'),
        uwsgi('neutron-api', 'neutron.wsgi.api', ('neutron-db', 'catalog'),
              (NEUTRON_CONF, ML2_INI), catalog.wake_neutron,
              OS_NEUTRON_CONFIG_DIR=str(layout.ETC / 'neutron'),
              OS_NEUTRON_CONFIG_FILES='neutron.conf;ml2.ini'),
        Service('neutron-rpc', 'controller',
                needs=('neutron-db', 'catalog', 'rabbitmq'),
                command=with_files('neutron-rpc-server', NEUTRON_CONF,
                                   ML2_INI),
                files=(NEUTRON_CONF, ML2_INI), queue='q-plugin'),
    ]


def create_ovs_database(which):
    """Create the database, on the host's disk; sockets are in its run."""
    which.openvswitch_run.mkdir(parents=True, exist_ok=True)
    path = which.openvswitch_database
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        subprocess.run(['ovsdb-tool', 'create', path,
                        '/usr/share/openvswitch/vswitch.ovsschema'],
                       check=True)
    # A stale socket makes ovsdb-server fail.
    (which.openvswitch_run / 'db.sock').unlink(missing_ok=True)


def ovs_vsctl(which, *arguments):
    subprocess.run(['ovs-vsctl', '--timeout=20', *arguments], check=True,
                   env=layout.environment(**which.environment))


def prepare_network():
    """Remove the devices that an Open vSwitch which was killed has left."""
    network.remove()
    network.claim()


def create_bridges(which):
    """Create the bridges that Neutron's agent needs."""
    for bridge in layout.INTEGRATION_BRIDGE, layout.PROVIDER_BRIDGE:
        ovs_vsctl(which, '--may-exist', 'add-br', bridge, '--',
                  'set', 'bridge', bridge, 'datapath_type=netdev')
    if which == layout.SECOND:
        ovs_vsctl(which, '--may-exist', 'add-port', layout.PROVIDER_BRIDGE,
                  'provider')
    # After a power cut the port may be lost, or may be that of a veth pair
    # that is gone.
    disconnect_second()
    if network.link_exists(second_host_network.PROVIDER):
        ovs_vsctl(layout.FIRST, 'add-port', layout.PROVIDER_BRIDGE,
                  second_host_network.PROVIDER)


def disconnect_second():
    """Remove the second host's port from the first host's bridge."""
    ovs_vsctl(layout.FIRST, '--if-exists', 'del-port',
              layout.PROVIDER_BRIDGE, second_host_network.PROVIDER)


def make_libvirt_directories(which):
    """Make the directories that libvirt-namespace.sh mounts over libvirt's."""
    run = which.run / 'libvirt'
    for path in (run, which.disk / 'libvirt/lib', which.libvirt_log,
                 which.disk / 'libvirt/cache', layout.LIBVIRT_SOCKETS,
                 layout.SHARED):
        path.mkdir(parents=True, exist_ok=True)
    link = layout.LIBVIRT_SOCKETS / which.address
    link.unlink(missing_ok=True)
    link.symlink_to(which.libvirt_socket)
    etc = which.disk / 'libvirt/etc'
    if not etc.exists():
        shutil.copytree('/etc/libvirt', etc)
    for path in (which.etc / 'libvirt').iterdir():
        shutil.copy(path, etc)
    (etc / 'hooks').mkdir(exist_ok=True)
    shutil.copy(LIBVIRT_HOOK, etc / 'hooks' / 'qemu')
    (etc / 'hooks/qemu.d').mkdir(exist_ok=True)
    shutil.copy(PRODUCT_HOOK, etc / 'hooks/qemu.d')
    make_command(which)
    for path in 'boot', 'images':
        (which.disk / 'libvirt/lib' / path).mkdir(exist_ok=True)
    qemu = which.disk / 'libvirt/lib/qemu'
    if not qemu.exists():
        qemu.mkdir(0o750)
        shutil.chown(qemu, 'libvirt-qemu', 'libvirt-qemu')


def commands(which):
    """Directory of the commands that libvirt's hooks find first."""
    return which.disk / 'libvirt/bin'


def make_command(which):
    """Make the command temporality, as it is called without options."""
    commands(which).mkdir(exist_ok=True)
    command = commands(which) / 'temporality'
    command.write_text('#!/bin/sh\nexec %s/temporality --config-file %s "$@"\n'
                       % (layout.BIN,
                          config.host_files(which)['temporality.conf']))
    command.chmod(0o755)


def make_nova_directories(which):
    for path in (which.disk / 'nova' / 'instances',
                 layout.SHARED / 'instances'):
        path.mkdir(parents=True, exist_ok=True)
    # The servers' user ids must be able to enter it.
    (which.disk / 'swap').mkdir(0o711, exist_ok=True)


def libvirt_service(which, name, needs, socket):
    """A daemon of libvirt, in namespaces with a host's directories."""
    files = config.host_files(which)
    run = which.run / 'libvirt'
    return Service(
        name + which.number, which.group, needs=needs,
        prepare=functools.partial(make_libvirt_directories, which),
        command=['unshare', '--mount', '--uts', '--propagation', 'slave',
                 'sh', LIBVIRT_NAMESPACE, layout.STATE, which.number,
                 which.name, '/usr/sbin/' + name,
                 '--pid-file', run / (name + '.pid')],
        files=(files[name + '.conf'], files['qemu.conf'],
               LIBVIRT_NAMESPACE, LIBVIRT_HOOK, PRODUCT_HOOK),
        env={'PATH': '%s:%s' % (commands(which),
                                layout.environment()['PATH'])},
        socket=run / socket)


def daemon(which, name, needs):
    """One of ours: the engine, which fixates servers, or the notifier.

    :param needs: a service of the host, without its number
    """
    configuration = config.host_files(which)['temporality.conf']
    return Service(name + which.number, which.group,
                   needs=(needs + which.number,),
                   command=with_files('temporality-' + name, configuration),
                   files=(configuration, PROJECT))


def nova_compute(which):
    own = config.host_files(which)
    files = NOVA_CONF, own['compute.conf'], own['temporality.conf']
    libvirtd = 'libvirtd' + which.number
    return Service('nova-compute' + which.number, which.group,
                   prepare=functools.partial(make_nova_directories, which),
                   needs=(libvirtd, 'nova-conductor', 'placement'),
                   command=with_files('nova-compute', *files),
                   # With the record of libvirtd: after a restart of libvirtd
                   # nova-compute takes no servers for half a minute, unless
                   # it is restarted too.
                   files=(*files, PROJECT, process.Record(libvirtd).path),
                   queue='compute.' + which.name)


def networking(which):
    """The services of a host's virtual network."""
    number = which.number
    run = which.openvswitch_run
    agent_ini = config.host_files(which)['agent.ini']
    needs = 'libvirtd' + number, 'neutron-rpc'
    found = [
        Service('ovsdb' + number, which.group, needs=('host-disk' + number,),
                prepare=functools.partial(create_ovs_database, which),
                finish=functools.partial(ovs_vsctl, which, '--no-wait',
                                         'init'),
                socket=run / 'db.sock', command=[
                    'ovsdb-server', which.openvswitch_database,
                    '--remote=p' + which.ovsdb, '--no-chdir',
                    '--pidfile', '--unixctl=%s' % (run / 'ovsdb.ctl')]),
        Service('ovs-vswitchd' + number, which.group,
                needs=('ovsdb' + number,),
                # The second host's are gone with its namespace.
                prepare=None if which.netns else prepare_network,
                finish=functools.partial(create_bridges, which),
                socket=run / 'vswitchd.ctl', command=[
                    'ovs-vswitchd', which.ovsdb, '--no-chdir', '--pidfile',
                    '--unixctl=%s' % (run / 'vswitchd.ctl')]),
        Service('neutron-agent' + number, which.group, needs=needs,
                command=with_files('neutron-openvswitch-agent', NEUTRON_CONF,
                                   ML2_INI, agent_ini),
                files=(NEUTRON_CONF, ML2_INI, agent_ini),
                ready_line='rpc_loop - iteration'),
    ]
    if which == layout.FIRST:
        found.append(
            Service('dhcp-agent', which.group, needs=needs,
                    command=with_files('neutron-dhcp-agent', NEUTRON_CONF,
                                       agent_ini, DHCP_INI),
                    # A new Open vSwitch has lost its devices.
                    files=(NEUTRON_CONF, agent_ini, DHCP_INI,
                           process.Record('ovs-vswitchd').path),
                    ready_line='DHCP agent started'))
    return found


def host(which=layout.FIRST):
    """The services of a compute host; those that others need come first."""
    number = which.number
    found = networking(which) + [
        daemon(which, 'engine', 'pool'),
        daemon(which, 'notifier', 'engine'),
        libvirt_service(which, 'virtlogd', ('host-disk' + number,),
                        'virtlogd-sock'),
        libvirt_service(which, 'libvirtd', tuple(
            name + number for name in ('virtlogd', 'notifier',
                                       'ovs-vswitchd')), 'libvirt-sock'),
        nova_compute(which),
    ]
    for one in found:
        one.command = which.enter + one.command
        one.env.update(which.environment)
    return found


def of_host(name, which=layout.FIRST):
    """One of a compute host's services.

    :param name: without the host's number
    """
    [found] = [one for one in host(which) if one.name == name + which.number]
    return found


def of_controller(name):
    """One of the controller's services."""
    [found] = [one for one in controller() if one.name == name]
    return found


def table():
    """All services."""
    return controller() + host()
