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

"""Engine and notifier on a host that has no pool yet."""

import os
import signal
import socket
import sys

import pytest

from nova_temporality.notifier import client
from tests.framework import machine


@pytest.fixture
def start(host, spawn, monkeypatch):
    """Start a daemon as systemd does; return its process and what it tells."""
    monkeypatch.setenv('PYTHONPATH', os.pathsep.join(sys.path))
    opened = []

    def started(name):
        address = os.path.join(os.path.dirname(host.run_dir), name)
        systemd = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        opened.append(systemd)
        systemd.bind(address)
        systemd.settimeout(machine.PATIENCE)
        process = spawn(
            [sys.executable, '-m', 'nova_temporality.cmd.%s' % name,
             '--config-file', str(host.config_file)],
            env=dict(os.environ, NOTIFY_SOCKET=address))
        return process, systemd
    yield started
    for one in opened:
        one.close()


def test_daemons_protect_as_soon_as_there_is_a_pool(host, start):
    away = host.pool.path + '.away'
    os.rename(host.pool.path, away)
    told = {}
    for name in ('engine', 'notifier'):
        process, told[name] = start(name)
        assert process.poll() is None
        first = told[name].recv(1000).decode()
        # libvirt may start; systemd does not take the daemon for hung.
        assert first.startswith('READY=1\nSTATUS=')
        assert '"temporality pool create"' in first
        assert host.pool.path in first
        assert told[name].recv(1000) == b'WATCHDOG=1'
    with pytest.raises(client.NotifierDown):
        client.call(host.run_dir, 'status', machine.PATIENCE)

    os.rename(away, host.pool.path)

    for name in told:
        while told[name].recv(1000) != b'READY=1':
            pass
    guest = host.booted()
    machine.wait_for(
        lambda: [one['state'] for one in client.call(
            host.run_dir, 'status', machine.PATIENCE)['pvms']] == ['armed'],
        'the guest is armed')
    assert not guest.proven()


@pytest.mark.parametrize('name', ['engine', 'notifier'])
def test_waiting_daemon_ends_when_it_is_stopped(host, start, name):
    os.rename(host.pool.path, host.pool.path + '.away')
    process, systemd = start(name)
    systemd.recv(1000)
    process.terminate()
    assert process.wait(machine.PATIENCE) == -signal.SIGTERM
