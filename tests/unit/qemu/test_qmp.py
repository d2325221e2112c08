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


import contextlib
import json
import os
import select
import socket
import threading

import pytest

from nova_temporality.qemu import qmp
from tests.framework import descriptors

GREETING = {'QMP': {'version': {'qemu': {'major': 10, 'minor': 0,
                                         'micro': 2}}, 'capabilities': []}}


class FakeQemu:
    """Serves one connection, from a script.

    :param answers: for each command, what to send: a function of the
                    request that returns bytes, or None to close
    """

    def __init__(self, path, answers, greeting=None):
        self.path = path
        self.requests = []
        self.fds = []
        self._answers = answers
        self._greeting = greeting or line(GREETING)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(path)
        self._listener.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        connection, _address = self._listener.accept()
        connection.sendall(self._greeting)
        for answer in [ok] + self._answers:
            # recvmsg(2) does not wait under eventlet
            select.select([connection], [], [])
            data, fds, _flags, _from = socket.recv_fds(connection, 65536, 4)
            if not data:
                break
            self.fds += fds
            self.requests.append(json.loads(data))
            reply = answer(self.requests[-1])
            if reply is None:
                break
            with contextlib.suppress(BrokenPipeError):
                connection.sendall(reply)
        else:
            connection.recv(1)
        connection.close()


def line(message):
    return json.dumps(message).encode() + b'\r\n'


def ok(request):
    return line({'return': {}, 'id': request['id']})


def nothing(request):
    return b''


def close(request):
    return None


@pytest.fixture
def qemu(tmp_path):
    def make(*answers, **kwargs):
        return FakeQemu(str(tmp_path / 'qmp.sock'), list(answers), **kwargs)
    return make


def connect(fake, timeout=10):
    return qmp.QmpClient(fake.path, timeout)


def test_handshake(qemu):
    fake = qemu()
    client = connect(fake)
    assert client.version == '10.0.2'
    assert client.pid == os.getpid()
    assert client.uid == os.getuid()
    assert client.connected
    assert fake.requests[0]['execute'] == 'qmp_capabilities'


def test_command(qemu):
    fake = qemu(lambda request: line({'return': {'status': 'running'},
                                      'id': request['id']}))
    client = connect(fake)
    assert client.command('query-status', {'a': 1}) == {'status': 'running'}
    assert fake.requests[1]['execute'] == 'query-status'
    assert fake.requests[1]['arguments'] == {'a': 1}


def test_events_around_a_reply(qemu):
    event = line({'event': 'STOP', 'timestamp': {}})
    client = connect(qemu(lambda request: event * 3 + ok(request) + event,
                          ok))
    assert client.command('stop') == {}
    assert client.command('cont') == {}


def test_reply_in_pieces(qemu):
    client = connect(qemu(lambda request: line({
        'return': 'x' * 300000, 'id': request['id']})))
    assert client.command('query-qmp-schema') == 'x' * 300000


def test_refused_command_leaves_connection_usable(qemu):
    client = connect(qemu(lambda request: line({
        'error': {'class': 'GenericError', 'desc': 'no way'},
        'id': request['id']}), ok))
    with pytest.raises(qmp.QmpCommandError) as e:
        client.command('migrate')
    assert (e.value.command, e.value.error_class, e.value.desc) == (
        'migrate', 'GenericError', 'no way')
    assert client.command('cont') == {}


def test_timeout_ends_connection(qemu):
    client = connect(qemu(nothing))
    with pytest.raises(qmp.QmpTimeout) as e:
        client.command('stop', timeout=0.05)
    assert 'stop' in str(e.value)
    # A late answer must not be taken for that of another command.
    assert not client.connected
    with pytest.raises(qmp.QmpConnectionError):
        client.command('cont')


def test_flood_of_events_is_no_answer(qemu):
    event = line({'event': 'RTC_CHANGE'})
    client = connect(qemu(lambda request: event * 500000))
    with pytest.raises(qmp.QmpTimeout):
        client.command('stop', timeout=0.05)


def test_qemu_ends(qemu):
    client = connect(qemu(close))
    with pytest.raises(qmp.QmpConnectionError) as e:
        client.command('stop')
    assert not isinstance(e.value, qmp.QmpTimeout)
    assert not client.connected


@pytest.mark.parametrize('reply', [
    b'{"return": {}, "id": 99}\r\n', b'{"return": {}}\r\n', b'oops\r\n',
    b'[]\r\n', b'{"error": "oops"}\r\n', b'\xff\r\n',
    b'[' * 100000 + b'\r\n', b'x' * (5 << 20)])
def test_what_is_not_qmp_ends_connection(qemu, reply):
    client = connect(qemu(lambda request: reply))
    with pytest.raises(qmp.QmpConnectionError):
        client.command('stop')
    assert not client.connected


@pytest.mark.parametrize('greeting', [b'220 smtp\r\n', b'{}\r\n',
                                      b'{"QMP": 1}\r\n'])
def test_other_server(qemu, greeting):
    with pytest.raises(qmp.QmpConnectionError):
        connect(qemu(greeting=greeting))


@pytest.mark.parametrize('left', [b'{"return": {}, "id": 7}\r\n',
                                  b'{"error": {}, "id": "x"}\r\n' * 3,
                                  b'{"event": "STOP"}\r\n'])
def test_what_is_left_of_an_earlier_connection(qemu, left):
    """QEMU answers what it was at work on when that was closed."""
    client = connect(qemu(ok, greeting=left + line(GREETING) + left))
    assert client.version == '10.0.2'
    assert client.command('stop') == {}


def test_no_greeting_amid_what_is_left(qemu):
    with pytest.raises(qmp.QmpConnectionError, match='does not speak QMP'):
        connect(qemu(greeting=b'{"return": {}, "id": 7}\r\n' * 1000))


def test_server_without_greeting(qemu):
    with pytest.raises(qmp.QmpTimeout):
        connect(qemu(greeting=b'{"QMP'), timeout=0.05)


def test_nobody_listens(tmp_path, qemu):
    path = tmp_path / 'sock'
    with pytest.raises(qmp.QmpRefused):
        qmp.QmpClient(str(path), 1)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.bind(str(path))
    with pytest.raises(qmp.QmpRefused):
        qmp.QmpClient(str(path), 1)


def test_link_is_not_followed(tmp_path, qemu):
    """A socket of somebody else's is not even connected to."""
    fake = qemu()
    link = tmp_path / 'link'
    link.symlink_to(fake.path)
    with pytest.raises(qmp.QmpConnectionError) as e:
        qmp.QmpClient(str(link), 1)
    assert str(link) in str(e.value)
    assert connect(fake).connected
    assert len(fake.requests) == 1


def test_what_is_no_socket(tmp_path):
    path = tmp_path / 'file'
    path.write_text('')
    with pytest.raises(qmp.QmpConnectionError, match='no socket'):
        qmp.QmpClient(str(path), 1)


def test_wrong_peer_is_not_spoken_to(qemu):
    fake = qemu()
    with pytest.raises(qmp.QmpWrongPeer) as e:
        qmp.QmpClient(fake.path, 1, os.getuid() + 1)
    assert e.value.uid == os.getuid()
    assert fake.requests == []


def test_right_peer(qemu):
    assert qmp.QmpClient(qemu().path, 10, os.getuid()).connected


def test_no_descriptor_is_left(tmp_path, qemu):
    fake = qemu()
    client = connect(fake)
    for _ in range(3):
        with pytest.raises(qmp.QmpRefused):
            qmp.QmpClient(str(tmp_path / 'none'), 1)
    # That of the client is a socket.
    assert descriptors.open_below(tmp_path) == []
    client.close()


def test_words_of_an_error_are_printable(qemu):
    desc = 'no\n2026-01-01 INFO all is well \x1b[2J' + 'x' * (1 << 20)
    client = connect(qemu(lambda request: line(
        {'error': {'class': 'a\nb', 'desc': desc}, 'id': request['id']})))
    with pytest.raises(qmp.QmpCommandError) as e:
        client.command('stop')
    assert str(e.value).isprintable()
    assert 'no\\n2026' in str(e.value)
    assert len(str(e.value)) < 1000


def test_path_too_long():
    with pytest.raises(qmp.QmpConnectionError) as e:
        qmp.QmpClient('/tmp/' + 'x' * 200, 1)
    assert 'xxx' in str(e.value)


def test_server_that_does_not_accept(tmp_path):
    path = str(tmp_path / 'sock')
    with (socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener,
          socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as first):
        listener.bind(path)
        listener.listen(0)
        first.connect(path)  # fills the backlog
        with pytest.raises(qmp.QmpTimeout):
            qmp.QmpClient(path, 0.05)


def test_getfd(qemu):
    fake = qemu(ok)
    client = connect(fake)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        client.getfd('state', theirs.fileno())
        theirs.close()
        os.write(fake.fds[0], b'passed')
        assert ours.recv(10) == b'passed'
    os.close(fake.fds[0])
    assert fake.requests[1]['execute'] == 'getfd'
    assert fake.requests[1]['arguments'] == {'fdname': 'state'}


def test_close_twice(qemu):
    client = connect(qemu())
    client.close()
    client.close()
    assert not client.connected


def test_qmp_errors_are_told_apart():
    assert issubclass(qmp.QmpTimeout, qmp.QmpConnectionError)
    assert issubclass(qmp.QmpRefused, qmp.QmpConnectionError)
    assert not issubclass(qmp.QmpCommandError, qmp.QmpConnectionError)
