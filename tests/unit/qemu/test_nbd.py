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

"""What a QEMU that is not trusted may say by NBD; others really read."""

import contextlib
import socket
import struct
import threading
import time

import pytest

from nova_temporality.qemu import nbd

GREETING = b'NBDMAGIC' + b'IHAVEOPT' + b'\0\3'
EXPORT = struct.pack('>QH', 1 << 20, 1)


def reply(error=0, handle=1, data=b''):
    return struct.pack('>IIQ', 0x67446698, error, handle) + data


@pytest.fixture
def serve(tmp_path):
    """Have somebody say something; return the path of his socket."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket(socket.AF_UNIX))
        path = str(tmp_path / 'nbd')
        listener.bind(path)
        listener.listen(1)

        def serve(said, closes=True):
            def speak():
                peer = stack.enter_context(listener.accept()[0])
                peer.sendall(said)
                if closes:
                    peer.shutdown(socket.SHUT_WR)
            thread = threading.Thread(target=speak, daemon=True)
            thread.start()
            stack.callback(thread.join)
            return path
        yield serve


def client(path, seconds=30.0):
    return nbd.NbdClient(path, 'export', time.monotonic() + seconds)


def test_read(serve):
    with client(serve(GREETING + EXPORT + reply(data=b'x' * 8))) as opened:
        assert opened.size == 1 << 20
        assert opened.read(0, 8) == b'x' * 8


def test_end_of_the_export(serve):
    with client(serve(GREETING + EXPORT + reply(data=b'x' * 8))) as opened:
        assert opened.read((1 << 20) - 8, 4096) == b'x' * 8
        assert opened.read(1 << 20, 4096) == b''


@pytest.mark.parametrize('said, words', [
    (b'x' * 18, 'does not speak NBD'),
    (GREETING, 'closed'),  # there is no such export
])
def test_no_export(serve, said, words):
    with pytest.raises(nbd.NbdError, match=words):
        client(serve(said))


@pytest.mark.parametrize('said, words', [
    (reply(error=5), 'error 5 at byte 4096'),
    (reply(handle=2), 'another question'),
    (b'x' * 16, 'another question'),
    (reply(data=b'x' * 7), 'closed'),
])
def test_no_data(serve, said, words):
    with client(serve(GREETING + EXPORT + said)) as opened:
        with pytest.raises(nbd.NbdError, match=words):
            opened.read(4096, 8)


def test_nobody_listens(tmp_path):
    with pytest.raises(nbd.NbdError, match='no connection'):
        client(str(tmp_path / 'nbd'))


@pytest.mark.parametrize('said', [b'', GREETING])
def test_no_answer(serve, said):
    with pytest.raises(nbd.NbdTimeout):
        client(serve(said, closes=False), 0.1)


def test_no_answer_to_a_read(serve):
    path = serve(GREETING + EXPORT + reply(data=b'x' * 7), closes=False)
    with pytest.raises(nbd.NbdTimeout):
        with client(path, 0.5) as opened:
            opened.read(0, 8)
