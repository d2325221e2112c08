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

"""A blocking client of the QEMU Machine Protocol over a unix socket.

One client belongs to one thread at a time. It needs nothing but sockets, so
it works in native threads and under eventlet alike.

The protocol: QEMU's docs/interop/qmp-spec.rst.
"""

import array
from collections import abc
import json
import os
import socket
import stat
import struct
import time
from typing import Any

from nova_temporality.qemu import words

# QEMU is not trusted: a reply without an end must not fill our memory. The
# longest regular one, query-qmp-schema, has some hundred KiB.
_MAX_LINE = 4 << 20
_RECV_SIZE = 64 << 10
# Messages before the greeting, at most. QEMU sends there what it could not say
# on an earlier connection: the answer to what it was at work on, and events.
_LEFT_OVER = 64


class QmpError(Exception):
    """Base of everything that goes wrong on a QMP connection."""


class QmpCommandError(QmpError):
    """QEMU refused a command; the connection stays usable.

    :ivar command: the command's name
    :ivar error_class: QEMU's class, mostly "GenericError"
    :ivar desc: QEMU's own words, made printable
    """

    def __init__(self, command: str, error_class: str | None,
                 desc: str | None) -> None:
        self.command = command
        self.error_class = error_class and words.printable(error_class)
        self.desc = desc and words.printable(desc)
        super().__init__('QEMU refuses %s: %s (%s)' % (
            command, self.desc, self.error_class))


class QmpConnectionError(QmpError):
    """There is no connection, it broke, or what came is not QMP."""


class QmpRefused(QmpConnectionError):
    """Nobody listens: the QEMU that made the socket has ended."""


class QmpWrongPeer(QmpConnectionError):
    """Somebody else serves the socket; nothing was said to him.

    :ivar uid: his user id
    """

    def __init__(self, path: str, uid: int) -> None:
        super().__init__('%s is served by user id %d' % (path, uid))
        self.uid = uid


class QmpTimeout(QmpConnectionError):
    """No answer in time; whether the command took effect is unknown.

    The connection is closed, because a late answer could be mistaken for
    that of a later command.
    """


class QmpClient:
    """A connection to one QMP server socket.

    :ivar version: QEMU's version as "10.0.2"
    :ivar pid: process id of QEMU, as the kernel tells it
    :ivar uid: user id of QEMU, likewise
    """

    def __init__(self, path: str, timeout: float,
                 uid: int | None = None) -> None:
        """Connect and negotiate.

        A symbolic link in place of the socket is not followed: who owns its
        directory could have us speak to somebody else's.

        :param path: of the unix socket
        :param timeout: seconds for connection and handshake together
        :param uid: user id of who has to serve it; None for anybody
        :raises: QmpRefused, QmpTimeout, QmpWrongPeer, QmpConnectionError
        """
        self._path = path
        self._expected_uid = uid
        self._buffer = bytearray()
        self._last_id = 0
        # From then on each answer is one to us.
        self._is_negotiated = False
        deadline = time.monotonic() + timeout
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._sock: socket.socket | None = sock
        try:
            self._connect(sock, deadline)
        except BaseException:
            self.close()
            raise

    def _connect(self, sock: socket.socket, deadline: float) -> None:
        try:
            self._set_timeout(sock, deadline, 'the connection')
            self._reach(sock)
            credentials = sock.getsockopt(
                socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize('3i'))
        except (socket.timeout, BlockingIOError):
            # A unix socket whose backlog is full says EAGAIN.
            raise QmpTimeout('QEMU does not accept a connection to %s in time'
                             % self._path)
        except (FileNotFoundError, ConnectionRefusedError):
            raise QmpRefused('no QEMU listens on %s' % self._path)
        except OSError as e:
            raise QmpConnectionError('cannot connect to %s: %s'
                                     % (self._path, e.strerror or e))
        self.pid, self.uid, _gid = struct.unpack('3i', credentials)
        # Before a word is said, or taken.
        if self._expected_uid not in (None, self.uid):
            raise QmpWrongPeer(self._path, self.uid)
        greeting = self._receive_greeting(sock, deadline)
        try:
            version = greeting['QMP']['version']['qemu']
            self.version = '%d.%d.%d' % (version['major'], version['minor'],
                                         version['micro'])
        except (KeyError, TypeError):
            raise QmpConnectionError('%s does not speak QMP' % self._path)
        self.command('qmp_capabilities', timeout=deadline - time.monotonic())
        self._is_negotiated = True

    def _reach(self, sock: socket.socket) -> None:
        """Connect to what is at the path now, unless that is a link."""
        place = os.open(self._path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            if not stat.S_ISSOCK(os.fstat(place).st_mode):
                raise QmpConnectionError('%s is no socket' % self._path)
            sock.connect('/proc/self/fd/%d' % place)
        finally:
            os.close(place)

    @property
    def connected(self) -> bool:
        """Whether commands can be sent."""
        return self._sock is not None

    @property
    def unread(self) -> bool:
        """Whether something came that no command has taken note of."""
        return bool(self._buffer)

    def fileno(self) -> int:
        """File descriptor of the connection.

        :raises QmpConnectionError: it is closed
        """
        return self._open_socket().fileno()

    def close(self) -> None:
        """Close the connection; harmless when it is closed already."""
        if self._sock is not None:
            self._sock.close()
            self._sock = None

    def command(self, name: str, args: abc.Mapping[str, Any] | None = None,
                timeout: float = 10.0, fd: int | None = None) -> Any:
        """Execute a command and return what it returns.

        Events that arrive meanwhile are dropped, as are answers to an
        execute_all() that nobody waits for any more.

        :param name: of the command
        :param args: its arguments by name
        :param timeout: seconds until the connection is given up
        :param fd: file descriptor to pass along (for "getfd"); stays open
        :raises: QmpCommandError, QmpConnectionError, QmpTimeout
        """
        sock = self._open_socket()
        deadline = time.monotonic() + timeout
        self._last_id += 1
        request: dict[str, Any] = {'execute': name, 'id': self._last_id}
        if args:
            request['arguments'] = args
        try:
            self._send(sock, json.dumps(request).encode(), fd, deadline,
                       name)
            while True:
                reply = self._receive(sock, deadline, name)
                if 'event' in reply or isinstance(reply.get('id'), str):
                    continue
                if reply.get('id') == self._last_id:
                    break
                if self._is_negotiated:
                    raise QmpConnectionError(
                        '%s: unexpected reply to %s: %.200r'
                        % (self._path, name, reply))
        except BaseException:
            self.close()
            raise
        return _returned(name, reply)

    def execute_all(self, names: abc.Sequence[str], data: bytes, label: str,
                    timeout: float) -> tuple[bytes, list[Any]]:
        """Execute commands that are sent in one piece.

        :param names: of the commands
        :param data: the commands, whose ids are all *label*
        :param timeout: seconds until the connection is given up
        :returns: the answers, as they came, and what they return
        :raises: QmpCommandError, QmpConnectionError, QmpTimeout
        """
        sock = self._open_socket()
        deadline = time.monotonic() + timeout
        what = names[0]
        lines: list[bytes] = []
        replies: list[dict[str, Any]] = []
        try:
            self._send(sock, data, None, deadline, what)
            while len(replies) < len(names):
                line = self._receive_line(sock, deadline, what)
                reply = self._parse(line)
                if 'event' not in reply and reply.get('id') == label:
                    lines.append(line + b'\n')
                    replies.append(reply)
        except BaseException:
            self.close()
            raise
        return b''.join(lines), list(map(_returned, names, replies))

    def lend(self) -> socket.socket:
        """Return the socket, which waits for nothing; until the next command.

        :raises QmpConnectionError: it is closed
        """
        sock = self._open_socket()
        sock.setblocking(False)
        return sock

    def put_back(self, data: bytes) -> None:
        """Have the next command read what was read from the socket."""
        self._buffer += data

    def getfd(self, name: str, fd: int, timeout: float = 10.0) -> None:
        """Hand a file descriptor over to QEMU, to be used as "fd:<name>".

        :param fd: stays open here; close it so that end of file can be seen
        """
        self.command('getfd', {'fdname': name}, timeout=timeout, fd=fd)

    def _open_socket(self) -> socket.socket:
        if self._sock is None:
            raise QmpConnectionError('the connection to %s is closed'
                                     % self._path)
        return self._sock

    def _send(self, sock: socket.socket, data: bytes, fd: int | None,
              deadline: float, name: str) -> None:
        ancillary: list[tuple[int, int, Any]] = []
        if fd is not None:
            ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                          array.array('i', [fd]))]
        try:
            self._set_timeout(sock, deadline, name)
            sent = sock.sendmsg([data], ancillary)
            if sent < len(data):
                sock.sendall(data[sent:])
        except socket.timeout:
            raise self._timeout(name)
        except OSError as e:
            raise QmpConnectionError('%s: connection lost: %s'
                                     % (self._path, e.strerror or e))

    def _receive_greeting(self, sock: socket.socket,
                          deadline: float) -> dict[str, Any]:
        """Return the greeting, or what is there in its place."""
        for _ in range(_LEFT_OVER):
            message = self._receive(sock, deadline, 'its greeting')
            if not message.keys() & {'return', 'error', 'event'}:
                break
        return message

    def _receive(self, sock: socket.socket, deadline: float,
                 what: str) -> dict[str, Any]:
        """Return the next message."""
        return self._parse(self._receive_line(sock, deadline, what))

    def _receive_line(self, sock: socket.socket, deadline: float,
                      what: str) -> bytes:
        scanned = 0
        while True:
            end = self._buffer.find(b'\n', scanned)
            if end >= 0:
                line = bytes(self._buffer[:end])
                del self._buffer[:end + 1]
                return line
            scanned = len(self._buffer)
            if scanned > _MAX_LINE:
                raise QmpConnectionError('%s: a message longer than %d bytes'
                                         % (self._path, _MAX_LINE))
            try:
                self._set_timeout(sock, deadline, what)
                data = sock.recv(_RECV_SIZE)
            except socket.timeout:
                raise self._timeout(what)
            except OSError as e:
                raise QmpConnectionError('%s: connection lost: %s'
                                         % (self._path, e.strerror or e))
            if not data:
                raise QmpConnectionError('%s: QEMU closed the connection'
                                         % self._path)
            self._buffer += data

    def _parse(self, line: bytes) -> dict[str, Any]:
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            message = None
        if (not isinstance(message, dict) or
                not isinstance(message.get('error', {}), dict)):
            raise QmpConnectionError('%s does not speak QMP: %.200r'
                                     % (self._path, line))
        return message

    def _set_timeout(self, sock: socket.socket, deadline: float,
                     what: str) -> None:
        remaining = deadline - time.monotonic()
        # Also ends a flood of events, in which recv() never has to wait.
        if remaining <= 0:
            raise self._timeout(what)
        sock.settimeout(remaining)

    def _timeout(self, what: str) -> QmpTimeout:
        return QmpTimeout('QEMU does not answer %s on %s in time'
                          % (what, self._path))


def _returned(name: str, reply: dict[str, Any]) -> Any:
    """Return what a command returns.

    :raises: QmpCommandError
    """
    if 'error' in reply:
        error = reply['error']
        raise QmpCommandError(name, error.get('class'), error.get('desc'))
    return reply.get('return')
