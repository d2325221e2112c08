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

"""The notifier's control socket.

A client connects, sends one line of JSON, gets one line back and is
disconnected::

    {"op": "status"}
    {"op": "suspend", "name": "..."}
    {"ok": true, "result": ...}
    {"ok": false, "error": "..."}

It never delays a fixation: clients have threads of their own, and limits on
their number, on what they may send and on the time that they may take. Each
operation has a limit of its own, so that no number of drills that wait keeps a
"fixate" from being answered; who comes beyond it is refused.
"""

from collections import abc
import functools
import inspect
import json
import os
import socket
import struct
import threading
import time
import types
from typing import Any

from oslo_log import log as logging

from nova_temporality.notifier import pulse as pulse_module

LOG = logging.getLogger(__name__)

_MAX_REQUEST = 4096
_RECV_SIZE = 64 << 10
# Clients that may be about to say what they want.
_MAX_CLIENTS = 16
# Clients for whom one operation may be at work.
_MAX_AT_WORK = 16
_CLIENT_SECONDS = 5.0


class RequestError(Exception):
    """A client sent something that is not a request."""


class ControlServer:
    """Serves operations on a unix socket, to root and to our own user.

    :param path: of the socket; the caller makes sure that no other process
                 serves it
    :param operations: functions by name; the request's other members are
                       their keyword arguments
    :param pulse: that is told that clients are served
    :param at_most: for how many clients an operation may be at work at a
                    time, by name; for the others there is a default
    """

    def __init__(self, path: str,
                 operations: abc.Mapping[str, abc.Callable[..., Any]],
                 pulse: pulse_module.Pulse,
                 at_most: abc.Mapping[str, int] = types.MappingProxyType({})
                 ) -> None:
        self._operations = operations
        self._at_work = {name: threading.BoundedSemaphore(
            at_most.get(name, _MAX_AT_WORK)) for name in operations}
        self._slots = threading.BoundedSemaphore(_MAX_CLIENTS)
        try:
            os.unlink(path)  # of a notifier that was killed
        except FileNotFoundError:
            pass
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(path)
        # Nobody can connect before listen().
        os.chmod(path, 0o600)
        self._listener.listen(_MAX_CLIENTS)
        self._listener.settimeout(pulse_module.INTERVAL)
        self._pulse = pulse
        self._pulse.beat('control')
        threading.Thread(target=self._accept, daemon=True,
                         name='control').start()

    def _accept(self) -> None:
        while True:
            self._pulse.beat('control')
            try:
                client, _address = self._listener.accept()
            except TimeoutError:
                continue
            except OSError as e:  # e.g. no file descriptors left
                LOG.error('Cannot accept a control connection: %s', e)
                time.sleep(1)
                continue
            # More clients than slots wait in the backlog.
            self._slots.acquire()
            threading.Thread(target=self._serve, args=(client,), daemon=True,
                             name='control-client').start()

    def _serve(self, client: socket.socket) -> None:
        try:
            with client:
                reply = self._reply(client)
                client.settimeout(_CLIENT_SECONDS)
                client.sendall(json.dumps(reply).encode() + b'\n')
        except OSError:
            pass  # the client has gone, or takes too long

    def _reply(self, client: socket.socket) -> dict[str, Any]:
        try:
            try:
                # Read first: a socket that is closed with unread data in it
                # drops the answer.
                line = _receive_line(client)
                _check_peer(client)
                name, function = self._operation(line)
            finally:
                self._slots.release()
            return {'ok': True, 'result': self._do(name, function)}
        except RequestError as e:
            return {'ok': False, 'error': str(e)}
        except Exception as e:
            LOG.exception('A control operation failed')
            return {'ok': False, 'error': str(e)}

    def _do(self, name: str, function: abc.Callable[[], Any]) -> Any:
        at_work = self._at_work[name]
        if not at_work.acquire(blocking=False):
            raise RequestError('too many clients wait for "%s" already; try '
                               'again when they have been answered' % name)
        try:
            return function()
        finally:
            at_work.release()

    def _operation(self, line: bytes
                   ) -> tuple[str, abc.Callable[[], Any]]:
        try:
            arguments = json.loads(line)
            name = arguments.pop('op')
            function = self._operations[name]
            inspect.signature(function).bind(**arguments)
        except (ValueError, RecursionError, KeyError, TypeError,
                AttributeError):
            raise RequestError('not a request: %.100r; expected {"op": ...} '
                               'with one of %s, and its arguments'
                               % (line, ', '.join(sorted(self._operations))))
        return name, functools.partial(function, **arguments)


def _check_peer(client: socket.socket) -> None:
    credentials = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED,
                                    struct.calcsize('3i'))
    _pid, uid, _gid = struct.unpack('3i', credentials)
    if uid not in (0, os.geteuid()):
        raise RequestError('user id %d may not control the notifier; be root'
                           % uid)


def _receive_line(client: socket.socket) -> bytes:
    deadline = time.monotonic() + _CLIENT_SECONDS
    received = b''
    while b'\n' not in received:
        left = deadline - time.monotonic()
        if left <= 0:
            raise RequestError('no request within %d seconds'
                               % _CLIENT_SECONDS)
        client.settimeout(left)
        try:
            data = client.recv(_RECV_SIZE)
        except socket.timeout:
            continue
        if not data:
            raise RequestError('the request is not ended by a newline')
        received += data
        if len(received) > _MAX_REQUEST:
            raise RequestError('the request is longer than %d bytes'
                               % _MAX_REQUEST)
    return received.split(b'\n', 1)[0]
