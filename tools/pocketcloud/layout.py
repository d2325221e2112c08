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

"""Where everything is: paths, ports, names.  The only place to change them."""

import dataclasses
import os
import pathlib
import secrets
import sys

MARKER = '.temporality-state'
STATE = pathlib.Path(os.environ.get('STATE', '/var/tmp/temporality'))
VENV = STATE / 'venv'
BIN = VENV / 'bin'

SECOND_NAMESPACE = pathlib.Path(__file__).parent / 'second-namespace.sh'

ADDRESS = '127.0.0.1'
REGION = 'RegionOne'

# Smaller numbers than the kernel gives to outgoing connections.
PORTS = {
    'mariadb': 27306,
    'epmd': 27369,
    'rabbitmq': 27672,
    'rabbitmq-dist': 27673,
    'keystone': 27500,
    'placement': 27778,
    'glance': 27292,
    'nova-api': 27774,
    'neutron-api': 27696,
    'cinder-api': 27776,
    'openflow': 27633,
}

# The controller's files.
ETC = STATE / 'etc'
LOG = STATE / 'log'
PIDS = STATE / 'pids'
STAMPS = STATE / 'stamps'
CONTROLLER = STATE / 'controller'
# Entered by the servers' QEMUs, each to its own volumes.
VOLUMES = STATE / 'volumes'

# Storage that all compute hosts see and that no power cut concerns. The
# servers' disks are here while there are two hosts.
SHARED = STATE / 'shared'
# Where each host has its own disk, by a link: the path of a server's disk must
# be the same on the host that it is migrated to.
OWN = STATE / 'own'
# One host's libvirt finds that of another by these links, which are called
# like the hosts' addresses.
LIBVIRT_SOCKETS = STATE / 'libvirt-sockets'


@dataclasses.dataclass(frozen=True)
class Host:
    """The name and the files of a compute host.

    :param name: in Nova
    :param number: what ends the names of its services, tasks and files
    :param disk_size: for truncate
    :param nvram_size: for tmpfs
    :param uid_base: first user id of its servers; they are others on each host
    :param address: where its daemons listen that need a port
    :param netns: the network namespace that its daemons run in
    :param concurrency: nova-compute's [DEFAULT] concurrency_backend
    """

    name: str
    number: str
    disk_size: str
    nvram_size: str
    uid_base: int
    address: str = ADDRESS
    netns: str = None
    concurrency: str = 'auto'

    @property
    def group(self):
        """The group of its services."""
        return 'host' + self.number

    @property
    def etc(self):
        """Directory of its configuration files."""
        return ETC / self.group if self.number else ETC

    @property
    def disk(self):
        """A file system of its own; a power cut loses what is not written."""
        return STATE / ('host' + self.number)

    @property
    def disk_image(self):
        """The device with that file system."""
        return STATE / ('host%s-disk.img' % self.number)

    @property
    def run(self):
        """What a reboot loses."""
        return STATE / ('run' + self.number)

    @property
    def nvram(self):
        """The tmpfs of the servers' memory, see nvram.py."""
        return STATE / ('nvram' + self.number)

    @property
    def pool(self):
        """The pool, at another place on every host."""
        return self.nvram / ('pool' + self.number)

    @property
    def vault(self):
        """Where a pool in DRAM is written, on its disk."""
        return self.disk / 'vault'

    @property
    def libvirt_log(self):
        """Directory of the logs of libvirt's daemons and QEMUs."""
        return LOG / ('libvirt' + self.number)

    @property
    def libvirt_socket(self):
        """The socket of its libvirt."""
        return self.run / 'libvirt' / 'libvirt-sock'

    @property
    def openvswitch_run(self):
        """Directory of the sockets of its Open vSwitch."""
        return self.run / 'openvswitch'

    @property
    def openvswitch_database(self):
        """The configuration of its Open vSwitch."""
        return self.disk / 'openvswitch' / 'conf.db'

    @property
    def ovsdb(self):
        """Where its Open vSwitch is told what to do."""
        return 'unix:%s' % (self.openvswitch_run / 'db.sock')

    @property
    def environment(self):
        """Environment variables by which commands find its Open vSwitch."""
        return {'OVS_RUNDIR': str(self.openvswitch_run),
                'OVS_LOGDIR': str(LOG),
                'OVS_DBDIR': str(self.openvswitch_database.parent)}

    @property
    def own(self):
        """The directory that it has at OWN."""
        return OWN.with_name(OWN.name + self.number)

    @property
    def enter(self):
        """The beginning of its daemons' command lines."""
        return ['sh', SECOND_NAMESPACE, self.netns, self.own,
                OWN] if self.netns else []


FIRST = Host('pocket', '', '12G', os.environ.get('NVRAM_SIZE', '3g'),
             1900000000)
# For tests that need two hosts; it does not exist otherwise. The addresses are
# link-local, so that nobody routes them.
SECOND = Host('pocket2', '2', '4G', '2g', 1900100000, address='169.254.77.2',
              netns='temporality2', concurrency='eventlet')
# Where the second host finds the controller.
CONTROLLER_ADDRESS = '169.254.77.1'

# It is there if the first host's servers are in DRAM with a vault.
VAULTED = STAMPS / 'vaulted'
# Seconds for which its supply, a UPS, carries it.
VAULT_HOLD_UP = 60

# Those of the first host, which is the default everywhere.
HOST_DISK = FIRST.disk
HOST_RUN = FIRST.run
NVRAM = FIRST.nvram
POOL = FIRST.pool

# The bridge of a host's servers, and the one that leads out of the host.
INTEGRATION_BRIDGE = 'br-int'
PROVIDER_BRIDGE = 'br-provider'

COMPUTE_DRIVER = os.environ.get('COMPUTE_DRIVER',
                                'temporality.TemporalityDriver')


def require_state():
    """Exit with a message unless STATE is a state directory of ours."""
    if not (STATE / MARKER).exists():
        sys.exit('%s is not a state directory of the pocket cloud '
                 '(run make install first)' % STATE)


def url(service, path=''):
    """The URL of an API."""
    return 'http://%s:%d%s' % (ADDRESS, PORTS[service], path)


def secret():
    """The password of everything in this cloud, generated once."""
    path = STATE / 'secret'
    if not path.exists():
        path.touch(0o600)
        path.write_text(secrets.token_hex(12))
    return path.read_text()


def database_url(name):
    """The URL of one of MariaDB's databases."""
    return 'mysql+pymysql://root:%s@%s:%d/%s' % (
        secret(), ADDRESS, PORTS['mariadb'], name)


def environment(**extra):
    """The environment of every process of this cloud, and of no other.

    TEMPORALITY_STATE is inherited by whatever a daemon starts, and tells
    even a detached grandchild from a process of somebody else's.
    """
    return dict({
        'PATH': '%s:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:'
                '/sbin:/bin' % BIN,
        'HOME': str(STATE),
        'LANG': 'C.UTF-8',
        'TEMPORALITY_STATE': str(STATE),
        **FIRST.environment,
    }, **extra)
