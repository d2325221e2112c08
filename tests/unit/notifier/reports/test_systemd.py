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

"""What systemd is told."""

import socket

import pytest

from nova_temporality.notifier.reports import systemd


class TestSystemd:

    @pytest.mark.parametrize('prefix', ['', '@'])
    def test_notify(self, tmp_path, monkeypatch, prefix):
        address = prefix + str(tmp_path / 'notify')
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.bind(address.replace('@', '\0'))
            monkeypatch.setenv('NOTIFY_SOCKET', address)
            systemd.notify('READY=1')
            assert sock.recv(100) == b'READY=1'

    def test_nobody_listens(self, tmp_path, monkeypatch):
        monkeypatch.setenv('NOTIFY_SOCKET', str(tmp_path / 'nobody'))
        systemd.notify('READY=1')
        monkeypatch.delenv('NOTIFY_SOCKET')
        systemd.notify('READY=1')

    def test_watchdog_interval(self, monkeypatch):
        monkeypatch.delenv('WATCHDOG_USEC', raising=False)
        monkeypatch.delenv('WATCHDOG_PID', raising=False)
        assert systemd.watchdog_interval() is None
        monkeypatch.setenv('WATCHDOG_USEC', '3000000')
        assert systemd.watchdog_interval() == 1.5
        monkeypatch.setenv('WATCHDOG_PID', '1')
        assert systemd.watchdog_interval() is None
