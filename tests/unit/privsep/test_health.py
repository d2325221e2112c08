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


import datetime
import json
import socket
import threading

import pytest

from nova_temporality.host import paths
from nova_temporality.notifier import health as notifier_health
from nova_temporality.privsep import health
from tests.framework import status

pytestmark = pytest.mark.usefixtures('helper')

NOW = datetime.datetime.fromisoformat(status.DRILLED_AT)


@pytest.fixture
def listener(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(paths.control_socket(str(tmp_path)))
        listener.listen()
        yield listener


@pytest.fixture
def obstacles(tmp_path, listener):
    """What is in the way, as a notifier says that answers with a reply."""
    def obstacles(reply):
        def serve():
            client, _address = listener.accept()
            with client:
                client.recv(4096)
                client.sendall(json.dumps(reply).encode() + b'\n')
        thread = threading.Thread(target=serve)
        thread.start()
        found = health.obstacles(str(tmp_path))
        thread.join()
        return found
    return obstacles


def report(**changes):
    return {'ok': True, 'result': notifier_health.report(
        status.sound(**changes), {}, NOW)}


def test_sound(obstacles):
    assert obstacles(report()) == {}


def test_laboratory(obstacles):
    """Emulated NVRAM, a signal, and servers that are not armed."""
    assert obstacles(report(medium='tmpfs', pvms=[dict(
        status.ARMED, state='not armed')])) == {}


def test_deaf(obstacles):
    assert obstacles(report(sources=[])) == {
        'POWER_UNHEARD': 'pod_sources: no source is configured'}


def test_earlier_notifier(obstacles):
    found = obstacles({'ok': False, 'error': 'not a request'})
    assert list(found) == ['NOTIFIER_AWAY']
    assert 'not a request' in found['NOTIFIER_AWAY']


def test_none_there(tmp_path):
    found = health.obstacles(str(tmp_path))
    assert list(found) == ['NOTIFIER_AWAY']
    assert 'systemctl start' in found['NOTIFIER_AWAY']


def test_one_that_hangs(tmp_path, listener, monkeypatch):
    monkeypatch.setattr(health, '_PATIENCE', 0.01)
    assert list(health.obstacles(str(tmp_path))) == ['NOTIFIER_AWAY']
