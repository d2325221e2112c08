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


import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

import pytest

from nova_temporality.vault import creating
from nova_temporality import vpm
from tests.framework import hosts
from tests.framework import machine
from tests.framework import vault_machine


@pytest.fixture(params=['tcg', 'kvm'])
def accel(request):
    if request.param == 'kvm' and not os.access('/dev/kvm', os.R_OK | os.W_OK):
        pytest.skip('/dev/kvm cannot be opened')
    return request.param


@pytest.fixture
def nvram():
    """A directory on tmpfs, which emulates NVRAM."""
    path = tempfile.mkdtemp(prefix='temporality-test-', dir='/dev/shm')
    # QEMUs of other users enter it.
    os.chmod(path, 0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def pool(nvram):
    with vpm.Pool.create(os.path.join(nvram, 'pool'), total_size=512 << 20,
                         state_size=20 << 20, descriptors=16,
                         uid_base=0) as pool:
        yield pool


@pytest.fixture
def make_host(nvram):
    """Make a Host for a pool."""
    made = []

    def make(pool):
        # Not in tmp_path: QEMUs of other users could not enter it, and
        # paths of unix sockets have to be short.
        made.append(hosts.Host(pool, os.path.join(nvram, 'run'),
                               pathlib.Path(nvram)))
        return made[-1]
    yield make
    for host in made:
        host.power_cut()


@pytest.fixture
def host(pool, make_host):
    return make_host(pool)


@pytest.fixture
def disk():
    """A directory that a boot leaves as it is."""
    with tempfile.TemporaryDirectory(prefix='temporality-test-',
                                     dir='/var/tmp') as path:
        yield path


@pytest.fixture
def vaulted(nvram, disk, make_host):
    """A host whose pool has a vault."""
    vault = os.path.join(disk, 'vault')
    with creating.create(
            os.path.join(nvram, 'pool'), vault, total_size=256 << 20,
            state_size=4 << 20, page_size=4096, descriptors=4,
            uid_base=0) as pool:
        yield vault_machine.Vaulted(make_host(pool), vault)


@pytest.fixture
def users_host(nvram, make_host):
    """A Host on which every region has a user id of its own."""
    with vpm.Pool.create(os.path.join(nvram, 'pool'), total_size=64 << 20,
                         state_size=4 << 20, descriptors=2,
                         uid_base=1987654000) as pool:
        yield make_host(pool)


@pytest.fixture
def spawn():
    """Start daemons in process groups of their own; end them afterwards."""
    started = []

    def start(*args, **kwargs):
        started.append(subprocess.Popen(*args, start_new_session=True,
                                        **kwargs))
        return started[-1]
    yield start
    for process in reversed(started):
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()


@pytest.fixture
def bus_url(tmp_path, spawn):
    """URL of a RabbitMQ of the test's own."""
    servers = sorted(pathlib.Path('/usr/lib/rabbitmq/lib').glob(
        'rabbitmq_server-*/sbin/rabbitmq-server'))
    if not servers:
        pytest.skip('rabbitmq-server is not installed')
    home = tmp_path / 'rabbitmq'
    home.mkdir()
    port, epmd_port = machine.free_port(), str(machine.free_port())
    (home / 'plugins').write_text('[].\n')
    (home / 'rabbitmq.conf').write_text(
        'listeners.tcp.1 = 127.0.0.1:%d\ndefault_user = pod\n'
        'default_pass = secret\n' % port)
    server = spawn([servers[-1]], stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, cwd='/', env=dict(
        os.environ, HOME=str(home), ERL_EPMD_ADDRESS='127.0.0.1',
        ERL_EPMD_PORT=epmd_port,
        RABBITMQ_CONF_ENV_FILE='/dev/null',
        RABBITMQ_NODENAME='temporality-test-%d@localhost' % port,
        RABBITMQ_DIST_PORT=str(machine.free_port()),
        RABBITMQ_MNESIA_BASE=str(home / 'mnesia'),
        RABBITMQ_LOG_BASE=str(home), RABBITMQ_LOGS='-',
        RABBITMQ_ENABLED_PLUGINS_FILE=str(home / 'plugins'),
        RABBITMQ_CONFIG_FILE=str(home / 'rabbitmq.conf'),
        RABBITMQ_PID_FILE=str(home / 'pid'),
        RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS='-kernel '
        'inet_dist_use_interface {127,0,0,1} +S 1:1 +sbwt none'))
    machine.wait_for(lambda: machine.accepts(port), 'RabbitMQ')
    yield 'rabbit://pod:secret@127.0.0.1:%d/' % port
    os.killpg(server.pid, signal.SIGKILL)
    server.wait()
    # Its port mapper left for a session of its own.
    machine.wait_for(lambda: subprocess.run(
        ['epmd', '-port', epmd_port, '-kill'], stdout=subprocess.PIPE,
        check=False).stdout.startswith(b'Killed'), 'the end of epmd')
    shutil.rmtree(home, ignore_errors=True)
