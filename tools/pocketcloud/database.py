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

"""MariaDB's data directory and the schemas of the services."""

import subprocess

from pocketcloud import config
from pocketcloud import layout

DATA = layout.CONTROLLER / 'mariadb'
SOCKET = layout.CONTROLLER / 'mariadb.sock'


class CommandFailed(Exception):
    """A command failed; the message says where its output is."""


def run(name, *command, text=''):
    """Run a command with its output in a log of its own.

    :param text: what it finds on its standard input
    """
    log = layout.LOG / ('%s.log' % name)
    with log.open('wb') as output:
        done = subprocess.run([str(word) for word in command],
                              input=text.encode(), stdout=output,
                              stderr=output, env=layout.environment())
    if done.returncode:
        raise CommandFailed('%s failed, see %s' % (command[0], log))


def stamp(name):
    """The file that says that something was done once."""
    return layout.STAMPS / ('cloud-' + name)


def once(name, function):
    """Return a task that calls the function if it never succeeded before."""
    def task():
        if stamp(name).exists():
            return 'done before'
        function()
        stamp(name).touch()
        return 'done'
    return task


def create_data_directory():
    if (DATA / 'mysql').exists():
        return
    DATA.mkdir(parents=True, exist_ok=True)
    run('mariadb-install', 'mariadb-install-db', '--no-defaults',
        '--user=root', '--datadir=%s' % DATA, '--skip-test-db',
        '--auth-root-authentication-method=normal')


def create_databases():
    """Create the databases and the one user that services connect as."""
    sql = ["CREATE OR REPLACE USER root@%s IDENTIFIED BY '%s';"
           % (repr(layout.ADDRESS), layout.secret()),
           'GRANT ALL ON *.* TO root@%s WITH GRANT OPTION;'
           % repr(layout.ADDRESS)]
    for name in config.DATABASES:
        sql.append('CREATE DATABASE IF NOT EXISTS %s CHARACTER SET utf8mb3;'
                   % name)
    run('mariadb-create', 'mariadb', '--no-defaults', '-uroot',
        '-S', SOCKET, text='\n'.join(sql))


def forget_report(host):
    """Have a compute host be dark for an hour, as far as Nova knows.

    :param host: its name
    """
    run('forget-report', 'mariadb', '--no-defaults', '-uroot', '-S', SOCKET,
        'nova_cell1', text='UPDATE services SET last_seen_up = last_seen_up '
        "- INTERVAL 1 HOUR WHERE host = '%s';" % host)


def sync_keystone():
    conf = config.FILES['keystone.conf']
    manage = layout.BIN / 'keystone-manage', '--config-file', conf
    user = '--keystone-user', 'root', '--keystone-group', 'root'
    for keys in 'fernet', 'credential':
        path = layout.CONTROLLER / 'keystone' / keys
        path.mkdir(parents=True, exist_ok=True)
        run('keystone-' + keys, *manage, keys + '_setup', *user)
    run('keystone-db', *manage, 'db_sync')
    arguments = ['--bootstrap-password', layout.secret(),
                 '--bootstrap-region-id', layout.REGION]
    for interface in 'admin', 'internal', 'public':
        arguments += ['--bootstrap-%s-url' % interface,
                      layout.url('keystone', '/v3')]
    run('keystone-bootstrap', *manage, 'bootstrap', *arguments)


def sync_placement():
    run('placement-db', layout.BIN / 'placement-manage', '--config-file',
        config.FILES['placement.conf'], 'db', 'sync')


def sync_glance():
    run('glance-db', layout.BIN / 'glance-manage', '--config-file',
        config.FILES['glance-api.conf'], 'db_sync')


def nova_manage(name, *arguments):
    run(name, layout.BIN / 'nova-manage', '--config-file',
        config.FILES['nova.conf'], '--config-file',
        config.FILES['nova-db.conf'], *arguments)


def sync_nova_api():
    nova_manage('nova-api-db', 'api_db', 'sync')
    nova_manage('nova-cell0', 'cell_v2', 'map_cell0',
                '--database_connection', layout.database_url('nova_cell0'))


def create_cell1():
    nova_manage('nova-cell1', 'cell_v2', 'create_cell', '--name', 'cell1')


def sync_nova_cells():
    """Create the schema of cell1, and copy it to cell0, which is faster."""
    nova_manage('nova-db', 'db', 'sync', '--local_cell')
    client = '--no-defaults', '-uroot', '-S', str(SOCKET)
    dump = subprocess.run(['mariadb-dump', *client, 'nova_cell1'],
                          check=True, stdout=subprocess.PIPE).stdout
    subprocess.run(['mariadb', *client, 'nova_cell0'], check=True,
                   input=dump)


def sync_neutron():
    run('neutron-db', layout.BIN / 'neutron-db-manage', '--config-file',
        config.FILES['neutron.conf'], 'upgrade', 'heads')


def map_host():
    nova_manage('nova-discover-hosts', 'cell_v2', 'discover_hosts')


def tasks():
    """The schemas, as tasks for the graph."""
    return {
        'keystone-db': (('mariadb',), once('keystone-db', sync_keystone)),
        'placement-db': (('mariadb',), once('placement-db', sync_placement)),
        'glance-db': (('mariadb',), once('glance-db', sync_glance)),
        'nova-api-db': (('mariadb',),
                        once('nova-api-db', sync_nova_api)),
        'nova-cells-db': (('mariadb',),
                          once('nova-cells-db', sync_nova_cells)),
        'neutron-db': (('mariadb',), once('neutron-db', sync_neutron)),
        'nova-cell1': (('nova-api-db',), once('nova-cell1', create_cell1)),
        'host-mapping': (('nova-compute', 'nova-cell1'),
                         once('host-mapping', map_host)),
    }
