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

import os
import pathlib
import secrets
import sys

MARKER = '.temporality-state'
STATE = pathlib.Path(os.environ.get('STATE', '/var/tmp/temporality'))
VENV = STATE / 'venv'
BIN = VENV / 'bin'

ADDRESS = '127.0.0.1'
REGION = 'RegionOne'
HOST = 'pocket'

# Below the ports that the kernel gives to outgoing connections.
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

# The compute host's files.  HOST_DISK is a file system of its own, on which
# a power cut loses what was not written; HOST_RUN is what a reboot loses;
# NVRAM is what survives.
HOST_DISK = STATE / 'host'
HOST_DISK_IMAGE = STATE / 'host-disk.img'
HOST_DISK_SIZE = '12G'
HOST_RUN = STATE / 'run'
NVRAM = STATE / 'nvram'
NVRAM_SIZE = os.environ.get('NVRAM_SIZE', '3g')
POOL = NVRAM / 'pool'

LIBVIRT_URI = ('qemu+unix:///system?socket=%s'
               % (HOST_RUN / 'libvirt' / 'libvirt-sock'))
OVSDB = 'unix:%s' % (HOST_RUN / 'openvswitch' / 'db.sock')

COMPUTE_DRIVER = os.environ.get('COMPUTE_DRIVER',
                                'temporality.TemporalityDriver')


def require_state():
    """Leave with an explanation unless STATE is a state directory of ours."""
    if not (STATE / MARKER).exists():
        sys.exit('%s is not a state directory of the pocket cloud '
                 '(run make install first)' % STATE)


def url(service, path=''):
    """The URL of an API."""
    return 'http://%s:%d%s' % (ADDRESS, PORTS[service], path)


def secret():
    """The password of everything in this cloud, made up once."""
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
    openvswitch = str(HOST_RUN / 'openvswitch')
    return dict({
        'PATH': '%s:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:'
                '/sbin:/bin' % BIN,
        'HOME': str(STATE),
        'LANG': 'C.UTF-8',
        'TEMPORALITY_STATE': str(STATE),
        'OVS_RUNDIR': openvswitch,
        'OVS_LOGDIR': str(LOG),
        'OVS_DBDIR': str(HOST_DISK / 'openvswitch'),
    }, **extra)
