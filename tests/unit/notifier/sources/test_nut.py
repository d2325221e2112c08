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

"""What upsd answers, and what that means."""

import socket
import threading

import pytest

from nova_temporality.notifier import power
from nova_temporality.notifier.sources import nut
from tests.framework import pod_sources

pytestmark = pytest.mark.native_threads


@pytest.mark.parametrize('status, level', [
    ('OL', power.GOOD), ('OL CHRG', power.GOOD), ('OL LB', power.GOOD),
    ('OB', power.WARN), ('OB DISCHRG', power.WARN),
    ('OB LB', power.COMMIT), ('OB DISCHRG LB', power.COMMIT),
    ('FSD OL', power.COMMIT), ('FSD OB LB', power.COMMIT),
    ('', power.LOST), ('WAIT', power.LOST), ('OFF', power.LOST)])
def test_nut_status(status, level):
    assert nut.level(status) == level


class Upsd:
    """Gives one answer to each of a list of connections, or says nothing."""

    def __init__(self, *answers):
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.port = self.listener.getsockname()[1]
        self._answers = answers
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        for answer in self._answers:
            client, _address = self.listener.accept()
            with client:
                client.recv(1000)
                client.sendall(answer)
        self.listener.close()


def ask(*answers):
    upsd = Upsd(*answers)
    return nut.NutSource(pod_sources.make_conf(
        nut_port=upsd.port, nut_ups='rack', nut_poll_interval_ms=10))


class TestNut:

    @pytest.mark.parametrize('answer', [
        b'', b'\n', b'OK\n', b'ERR DATA-STALE\n', b'VAR rack ups.status\n',
        b'VAR other ups.status "OB LB"\n', b'VAR rack ups.status "FSD\n',
        b'\xff' * 5000, b'VAR rack ups.status "FSD"'])
    def test_what_is_no_answer_is_no_failure(self, answer):
        news, = pod_sources.receive(ask(answer), 1)
        assert news.level == power.LOST
        assert '127.0.0.1' in news.detail

    def test_only_changes_are_told(self):
        good = b'VAR rack ups.status "OL"\n'
        source = ask(b'ERR DATA-STALE\n', b'', good,
                     b'VAR rack ups.status "FSD"\n')
        # Every connection ends after its answer.
        assert [news.level for news in pod_sources.receive(source, 4)] == [
            power.LOST, power.GOOD, power.LOST, power.COMMIT]

    def test_silent_upsd(self, monkeypatch):
        monkeypatch.setattr(nut, '_PATIENCE', 0.05)
        silent = socket.create_server(('127.0.0.1', 0))
        source = nut.NutSource(pod_sources.make_conf(
            nut_port=silent.getsockname()[1], nut_ups='rack'))
        assert pod_sources.receive(source, 1)[0].level == power.LOST
        silent.close()
