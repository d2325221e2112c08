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


"""The daemon as a process: start, end, pool, control socket."""

import json
import os
import pathlib
import socket
import subprocess

import pytest

from nova_temporality.host import paths
from nova_temporality import vpm
from tests.framework import machine


def ask(run_dir, data, shut=False):
    """Send bytes to the control socket; return the reply."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(machine.PATIENCE)
        sock.connect(paths.control_socket(run_dir))
        try:
            sock.sendall(data)
            if shut:
                sock.shutdown(socket.SHUT_WR)
        except BrokenPipeError:
            pass  # it has heard enough
        return json.loads(sock.makefile('rb').readline())


def log(capfd):
    return ''.join(capfd.readouterr())


@pytest.mark.parametrize('request_line', [
    b'\n', b'garbage\n', b'[]\n', b'7\n', b'{}\n', b'{"op": "reboot"}\n',
    b'{"op": {"a": 1}}\n', b'{"op": null}\n', b'\xff\xfe\n',
    b'[' * 4000 + b'\n'])
def test_garbage_is_refused_with_words(host, request_line):
    notifier = host.notifier()
    notifier.start()

    reply = ask(host.run_dir, request_line)

    assert reply['ok'] is False
    assert 'status' in reply['error']
    assert ask(host.run_dir, b'{"op": "status"}\n')['ok'] is True


def test_request_without_end_is_refused(host):
    notifier = host.notifier()
    notifier.start()
    assert 'longer' in ask(host.run_dir, b'x' * 5000)['error']
    assert 'newline' in ask(host.run_dir, b'{"op"', shut=True)['error']


def test_silent_clients_keep_nobody_from_fixation(host):
    guest = host.booted()
    notifier = host.notifier()
    notifier.protect(guest)
    idle = []
    for _ in range(16):
        idle.append(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        idle[-1].connect(paths.control_socket(host.run_dir))

    notifier.process.send_signal(44)

    machine.wait_for(guest.proven, 'fixated')
    for one in idle:
        one.close()
    assert notifier.call('status')['pvms']


def test_control_socket_is_closed_to_others(host):
    notifier = host.notifier()
    notifier.start()
    path = paths.control_socket(host.run_dir)
    assert os.stat(path).st_mode & 0o777 == 0o600

    # Even if somebody opens it by mistake.
    os.chmod(path, 0o666)
    script = ('import socket\n'
              's = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)\n'
              's.connect(%r)\n'
              's.sendall(b\'{"op": "fixate"}\\n\')\n'
              'print(s.recv(1000).decode())\n' % path)
    reply = subprocess.run(['python3', '-c', script], user=65534, group=65534,
                           extra_groups=[], stdout=subprocess.PIPE,
                           check=True)
    assert json.loads(reply.stdout)['ok'] is False
    assert notifier.call('status')['last_outage'] is None


def test_second_instance_is_refused(host, capfd):
    first, second = host.notifier(), host.notifier()
    first.start()
    second.launch()
    assert second.process.wait(machine.PATIENCE) == 1
    assert 'another notifier runs already' in log(capfd)
    assert first.call('status')


def test_notifier_replaces_one_that_was_killed(host):
    notifier = host.notifier()
    notifier.start()
    notifier.kill()
    assert os.path.exists(paths.control_socket(host.run_dir))
    notifier.start()
    assert notifier.call('status')


def test_file_that_is_no_pool_is_an_error(host, capfd):
    pathlib.Path(host.pool.path, 'pool').write_bytes(bytes(1 << 20))
    notifier = host.notifier()
    notifier.launch()
    assert notifier.process.wait(machine.PATIENCE) == 1
    error = log(capfd)
    assert host.pool.path in error
    assert 'Traceback' not in error


def test_run_dir_that_cannot_be_made_is_an_error(host, capfd):
    with open(host.run_dir, 'w'):
        pass
    notifier = host.notifier()
    notifier.launch()
    assert notifier.process.wait(machine.PATIENCE) == 1
    error = log(capfd)
    assert 'run_dir' in error
    assert 'Traceback' not in error


def test_regions_come_and_go(host):
    notifier = host.notifier()
    notifier.start()
    assert notifier.call('status')['pvms'] == []

    guest = host.booted()
    machine.wait_for(lambda: notifier.call('status')['pvms'], 'it is found')
    machine.wait_for(lambda: notifier.pvm(guest.name)['state'] == 'armed',
                     'it is armed')

    guest.kill()
    host.pool.free(guest.name)
    machine.wait_for(lambda: not notifier.call('status')['pvms'],
                     'it is forgotten')


def test_region_allocated_anew(nvram, make_host):
    """It has the same name and id, but may have another user id."""
    with vpm.Pool.create(nvram + '/pool', total_size=128 << 20,
                         state_size=4 << 20, descriptors=4,
                         uid_base=1987654000) as pool:
        host = make_host(pool)
        guest = host.guest()
        host.configure(scan_ms=60000)
        notifier = host.notifier()
        notifier.start()
        host.pool.free(guest.name)
        host.guest()  # takes its descriptor
        again = host.guest(name=guest.name)
        assert again.region.id == guest.region.id
        assert again.region.uid != guest.region.uid
        again.boot(user=again.region.uid)

        assert notifier.state(again) == 'armed'

        report = notifier.power_fails()
        assert machine.outcome(report, again)['result'] == 'fixated'
        assert again.proven()


def test_further_region_of_a_guest_is_not_its_memory(host):
    guest = host.booted()
    host.pool.alloc(guest.name, 1 << 20, sequence=7)
    notifier = host.notifier()
    notifier.protect(guest)
    report = notifier.power_fails()
    assert [one['result'] for one in report['pvms']] == ['fixated']
    assert guest.proven()


def test_systemd_is_told(host, nvram):
    path = os.path.join(nvram, 'notify')
    guest = host.booted()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(path)
        systemd.settimeout(machine.PATIENCE)
        notifier = host.notifier()
        notifier.launch(NOTIFY_SOCKET=path, WATCHDOG_USEC='100000')
        assert systemd.recv(1000) == b'READY=1'
        seen = {systemd.recv(1000) for _ in range(4)}
        assert seen == {b'WATCHDOG=1', b'STATUS=1 pVMs, 1 armed, 0 fixated'}
        notifier.process.send_signal(44)
        while b'1 fixated' not in systemd.recv(1000):
            pass
        assert guest.proven()
        assert notifier.end() == 0
        while systemd.recv(1000) != b'STOPPING=1':
            pass


def test_notifier_runs_without_eventlet(host):
    notifier = host.notifier(['-c', (
        'import sys\n'
        'from nova_temporality.cmd import notifier\n'
        'sys.exit("eventlet" in sys.modules or notifier.main())')])
    notifier.start()
    assert notifier.end() == 0


def test_broken_pool_keeps_known_guests_protected(host):
    guest = host.booted()
    notifier = host.notifier()
    notifier.protect(guest)
    with vpm.Pool(host.pool.path) as pool:
        path = os.path.join(pool.path, 'regions')
    os.rename(path, path + '.gone')
    try:
        status = notifier.call('refresh')
    finally:
        os.rename(path + '.gone', path)
    assert [one['name'] for one in status['pvms']] == [guest.name]
