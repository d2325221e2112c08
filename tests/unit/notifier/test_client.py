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

"""A client of a notifier that many others want something of."""

import contextlib
import os
import socket
import threading
import time
import types

import pytest

from nova_temporality.host import paths
from nova_temporality.notifier import client

pytestmark = pytest.mark.native_threads


@pytest.fixture
def listener(tmp_path):
    """Nobody is accepted, and no more can wait for that."""
    path = paths.control_socket(str(tmp_path))
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with contextlib.ExitStack() as stack:
        made = stack.enter_context(socket.socket(socket.AF_UNIX))
        made.bind(path)
        made.listen(0)
        with pytest.raises(BlockingIOError):
            while True:
                other = stack.enter_context(socket.socket(socket.AF_UNIX))
                other.setblocking(False)
                other.connect(path)
        yield made


def answer(accepted):
    with accepted:
        if accepted.recv(100):
            accepted.sendall(b'{"ok": true, "result": "done"}\n')


def answer_all(listener):
    with contextlib.suppress(OSError):
        while True:
            accepted, _address = listener.accept()
            threading.Thread(target=answer, args=(accepted,),
                             daemon=True).start()


def test_it_waits_for_its_turn(tmp_path, listener, monkeypatch):
    def sleep(seconds):
        if not threads:
            threads.append(threading.Thread(target=answer_all,
                                            args=(listener,), daemon=True))
            threads[0].start()
        time.sleep(seconds)

    threads = []
    monkeypatch.setattr(client, 'time', types.SimpleNamespace(
        monotonic=time.monotonic, sleep=sleep))
    assert client.call(str(tmp_path), 'status', 60) == 'done'
    assert threads


def test_it_does_not_wait_for_ever(tmp_path, listener):
    with pytest.raises(client.NotifierError, match='too many clients wait'):
        client.call(str(tmp_path), 'status', 0.05)
