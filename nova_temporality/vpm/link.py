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

"""The connection to the engine's process, temporality-engine.

native/include/protocol.h describes what is said.
"""

from collections import abc
import dataclasses
import os
import queue
import socket
import threading
from typing import Any
from typing import NoReturn

from oslo_log import log as logging

from nova_temporality.vpm import errors
from nova_temporality.vpm import handles

LOG = logging.getLogger(__name__)

_ffi = handles.ffi
_lib = handles.lib

_ANSWER_SIZE = _ffi.sizeof('struct vpm_answer')

# Seconds for an answer. It takes some milliseconds at most.
_PATIENCE = 5.0
# What would do something else if it was asked for a second time.
_ONCE = (_lib.VPM_REQUEST_ARM, _lib.VPM_REQUEST_RECORD,
         _lib.VPM_REQUEST_SIGNAL)
# Seconds until a connection is tried again.
_AGAIN = 0.1

_REMEDY = ('start it ("systemctl start temporality-engine"), or see why it '
           'does not run ("journalctl -u temporality-engine")')


@dataclasses.dataclass(frozen=True)
class Answer:
    """What the engine says to a request.

    :ivar said: struct vpm_answer
    :ivar fd: file descriptor that came with it, the caller's now; or None
    """

    said: Any
    fd: int | None

    def drop_fd(self) -> None:
        """Close the file descriptor, if there is one."""
        if self.fd is not None:
            os.close(self.fd)


@dataclasses.dataclass(frozen=True)
class Request:
    """What is asked for.

    :ivar kind: a VPM_REQUEST_ constant
    :ivar fds: file descriptors that go with it
    :ivar fields: of struct vpm_request
    """

    kind: int
    fds: tuple[int, ...] = ()
    fields: abc.Mapping[str, Any] = dataclasses.field(default_factory=dict)


# What a request waits in: an Answer, or None when the connection has ended.
_Box = queue.SimpleQueue[Answer | None]


class Link:
    """Keeps connected to the engine, in a thread of its own.

    :param run_dir: [temporality] run_dir
    :param greeting: returns what every connection begins with
    :param on_greeted: called with the answers to that
    :param on_news: called with each struct vpm_answer that is news
    :param on_lost: called when a connection has ended
    :ivar problem: why there is no connection, in words; None if there is one
    :ivar generation: changes with every connection
    """

    def __init__(self, run_dir: str,
                 greeting: abc.Callable[[], list[Request]],
                 on_greeted: abc.Callable[[list[Answer]], object],
                 on_news: abc.Callable[[Any], object],
                 on_lost: abc.Callable[[], object]) -> None:
        self.problem: str | None = 'it was not connected to yet'
        self.generation = 0
        self._path = _path(run_dir)
        self._greeting = greeting
        self._on_greeted = on_greeted
        self._on_news = on_news
        self._on_lost = on_lost
        self._socket: socket.socket | None = None
        self._gone = False
        self._last_id = 0
        self._boxes: dict[int, _Box] = {}
        # Of all above; notified when there is, or cannot be, a connection.
        self._changed = threading.Condition()
        threading.Thread(target=self._run, daemon=True, name='engine').start()

    def wait_connected(self, timeout: float) -> bool:
        """Wait until the engine is there; return whether it is.

        :param timeout: seconds
        """
        with self._changed:
            return self._changed.wait_for(
                lambda: self._socket is not None, timeout)

    def ask(self, request: Request) -> Answer:
        """Send a request and wait for its answer.

        If the engine ends meanwhile, the next one is asked.

        :raises: EngineAway; VpmError if the answer is one
        """
        answer = self._try(request)
        if answer is None and request.kind not in _ONCE:
            answer = self._try(request)
        if answer is None:
            raise self._away()
        return check(answer)

    def _try(self, request: Request) -> Answer | None:
        """Ask; return None if the engine ends meanwhile.

        :raises: EngineAway
        """
        box: _Box = queue.SimpleQueue()
        with self._changed:
            # Between two engines this takes no time worth mentioning.
            self._changed.wait_for(
                lambda: self._gone or self._socket is not None, _PATIENCE)
            if self._socket is None:
                raise self._away()
            self._last_id += 1
            number = self._last_id
            self._boxes[number] = box
            try:
                _send(self._socket, number, request)
            except OSError:
                # The thread is about to see it, too.
                pass
        try:
            return box.get(timeout=_PATIENCE)
        except queue.Empty:
            raise self._away()
        finally:
            with self._changed:
                self._boxes.pop(number, None)

    def _away(self) -> errors.EngineAway:
        return errors.EngineAway(
            'the engine does not answer (%s): %s' % (
                self.problem or 'it is busy', _REMEDY), self._gone)

    # For its own thread.

    def _run(self) -> None:
        again = threading.Event()
        while True:
            self._note_problem(*self._use())
            again.wait(_AGAIN)

    def _use(self) -> tuple[str, bool]:
        """Connect, and serve the connection to its end.

        :returns: why it ended, or did not begin; whether there is no engine
        """
        try:
            connected = self._connect()
            try:
                self._serve(connected)
            finally:
                self._lose(connected)
        except (FileNotFoundError, ConnectionRefusedError) as e:
            return e.strerror or str(e), True
        except (OSError, errors.VpmError) as e:
            return str(e), False
        except Exception as e:
            LOG.exception('The connection to the engine failed')
            return str(e), False

    def _connect(self) -> socket.socket:
        connected = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            connected.settimeout(_PATIENCE)
            connected.connect(self._path)
            answers = []
            for number, request in enumerate(self._greeting(), 1):
                _send(connected, number, request)
                answers.append(check(_receive(connected)))
            self._on_greeted(answers)
        except BaseException:
            connected.close()
            raise
        with self._changed:
            self._socket = connected
            self._gone = False
            self.problem = None
            self.generation += 1
            self._changed.notify_all()
        return connected

    def _serve(self, connected: socket.socket) -> NoReturn:
        while True:
            try:
                answer = _receive(connected)
            except TimeoutError:
                continue
            number = answer.said.id
            if number == 0:
                check(answer)
                self._on_news(answer.said)
                continue
            box = self._boxes.get(number)
            if box is None:
                answer.drop_fd()  # nobody waits for it any more
            else:
                box.put(answer)

    def _lose(self, connected: socket.socket) -> None:
        with self._changed:
            self._socket = None
            self.problem = 'it has just ended'
            connected.close()
            for box in self._boxes.values():
                box.put(None)
            self._boxes.clear()
        self._on_lost()

    def _note_problem(self, problem: str, gone: bool) -> None:
        with self._changed:
            if self.problem != problem:
                LOG.error('The engine is away, and pVMs may be unprotected: '
                          '%s; %s', problem, _REMEDY)
            self.problem = problem
            self._gone = gone
            self._changed.notify_all()


def ask_once(run_dir: str, request: Request) -> Answer:
    """Ask the engine something, beside the notifier.

    :param run_dir: [temporality] run_dir
    :raises: EngineAway; VpmError if the answer is one
    """
    try:
        with socket.socket(socket.AF_UNIX,
                           socket.SOCK_SEQPACKET) as connected:
            connected.settimeout(_PATIENCE)
            connected.connect(_path(run_dir))
            _send(connected, 1, request)
            answer = _receive(connected)
    except OSError as e:
        raise errors.EngineAway(
            'the engine does not answer (%s): %s' % (e, _REMEDY),
            isinstance(e, (FileNotFoundError, ConnectionRefusedError)))
    return check(answer)


def _path(run_dir: str) -> str:
    return os.path.join(run_dir,
                        _ffi.string(_lib.VPM_SOCKET_NAME).decode())


def check(answer: Answer) -> Answer:
    """Return an answer, unless it says that something failed.

    :raises: VpmError
    """
    if answer.said.code < 0:
        answer.drop_fd()
        handles.fail(answer.said)
    return answer


def _send(connected: socket.socket, number: int, request: Request) -> None:
    message = _ffi.new('struct vpm_request *', {
        'version': _lib.VPM_PROTOCOL_VERSION, 'kind': request.kind,
        'id': number, **request.fields})
    data = bytes(_ffi.buffer(message))
    if request.fds:
        socket.send_fds(connected, [data], request.fds)
    else:
        connected.send(data)


def _receive(connected: socket.socket) -> Answer:
    data, fds, _flags, _address = socket.recv_fds(
        connected, _ANSWER_SIZE, 1, socket.MSG_CMSG_CLOEXEC)
    if not data:
        raise ConnectionResetError('it has closed the connection')
    said = _ffi.new('struct vpm_answer *')
    if (len(data) != _ANSWER_SIZE or
            int.from_bytes(data[:4], 'little') != _lib.VPM_PROTOCOL_VERSION):
        raise errors.NewerVersion(
            'it speaks another version of the protocol; restart '
            'temporality-engine and temporality-notifier')
    _ffi.buffer(said)[:] = data
    return Answer(said, fds[0] if fds else None)
