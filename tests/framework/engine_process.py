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

"""The engine's program alone, spoken to byte by byte, and QEMUs for it."""

import array
import contextlib
import json
import os
import signal
import socket
import subprocess
import threading
import time

from nova_temporality.cmd import engine as launcher
from nova_temporality.native import _vpm
from nova_temporality.vpm import outcomes
from tests.framework import machine

ffi, lib = _vpm.ffi, _vpm.lib


# Flags of a socket that accepts connections, in /proc/net/unix.
_ACCEPTS = '00010000'


class EngineProcess:
    """The program, with a pool and a directory of its own.

    :param pool: vpm.Pool
    :param run_dir: its path
    """

    program = launcher.PROGRAM

    def __init__(self, pool, run_dir):
        self.pool = pool
        self.run_dir = str(run_dir)
        self.path = os.path.join(self.run_dir, 'engine.sock')
        self.process = None

    def start(self, *arguments, **kwargs):
        """Start it and wait until it listens."""
        self.launch(*arguments, **kwargs)
        machine.wait_for(self.listens, 'the engine')

    def launch(self, *arguments, **kwargs):
        self.process = subprocess.Popen(
            [self.program, '--pool', self.pool.path, '--run-dir',
             self.run_dir, *arguments], **kwargs)

    def listens(self):
        """Whether it can be connected to; it does not notice the question."""
        assert self.process.poll() is None, 'the engine ended'
        with open('/proc/net/unix') as sockets:
            return any(fields[3:4] == [_ACCEPTS] and
                       fields[-1] == self.path
                       for fields in map(str.split, sockets))

    def connect(self):
        """Return a Client."""
        return Client(self.path)

    def kill(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()


class Client:
    """One connection; a context manager."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(machine.PATIENCE)
        self.socket.connect(path)
        self._last_id = 0
        # The member of a struct does not keep it.
        self._received = []
        self.news = []

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.socket.close()

    def request(self, kind, **fields):
        """Return a request's bytes."""
        self._last_id += 1
        return bytearray(ffi.buffer(ffi.new('struct vpm_request *', {
            'version': lib.VPM_PROTOCOL_VERSION, 'kind': kind,
            'id': self._last_id, **fields})))

    def send(self, data, fds=()):
        self.socket.sendmsg([data], [(
            socket.SOL_SOCKET, socket.SCM_RIGHTS,
            array.array('i', fds))] if fds else [])

    def receive(self):
        """Return a struct vpm_answer, or None at the end."""
        data, fds, _flags, _address = socket.recv_fds(self.socket, 65536, 9)
        if not data:
            return None
        said = ffi.new('struct vpm_answer *')
        assert len(data) == ffi.sizeof('struct vpm_answer')
        ffi.buffer(said)[:] = data
        self._received.append(said)
        self.fds = list(fds)
        return said

    def ask(self, kind, fds=(), **fields):
        """Send a request; return its answer. News are kept."""
        self.send(self.request(kind, **fields), fds)
        while True:
            said = self.receive()
            if said is None or said.id:
                return said
            self.news.append(said)

    def wait_news(self, kind):
        """Return the next news of a kind."""
        while True:
            for said in self.news:
                if said.kind == kind:
                    self.news.remove(said)
                    return said
            self.news.append(self.receive())


class Qemu:
    """A QEMU, played by a thread of this process.

    :param region: vpm.RegionInfo
    :ivar stops: how often it was told to stop
    """

    def __init__(self, region, run_dir):
        self.region = region
        self.key = {'region': region.id, 'created_ns': region.created_ns}
        self.stops = 0
        self._run_dir = run_dir
        self._open = contextlib.ExitStack()
        self.note = self._keep(open(os.path.join(
            run_dir, 'note-' + region.name), 'w+b'))
        note = lib.vpm_note_open(self.note.name.encode(),
                                 ffi.new('struct vpm_error *'))
        lib.vpm_note_close(note)
        self.lock = self._keep(open(os.path.join(
            os.path.dirname(region.ram_path), 'state'), 'rb'))

    def _keep(self, closes):
        return self._open.enter_context(closes)

    def open(self, client):
        """Have the engine open its unit; return the answer."""
        return client.ask(lib.VPM_REQUEST_OPEN, (self.note.fileno(),),
                          **self.key)

    def arm(self, client, pid=None, **arming):
        """Have the engine arm it; return the answer."""
        ours, theirs = socket.socketpair()
        stream, write_end = os.pipe()
        self._qmp = ours
        threading.Thread(target=self._play, args=(ours, write_end),
                         daemon=True).start()
        try:
            return client.ask(
                lib.VPM_REQUEST_ARM,
                (theirs.fileno(), stream, self.lock.fileno()),
                **self.key, started=7, arming={
                    'pid': os.getpid() if pid is None else pid,
                    'runstate': b'running', **arming})
        finally:
            theirs.close()
            os.close(stream)

    def say(self, text):
        """Write to the QMP connection."""
        self._qmp.sendall(text)

    def end(self):
        """End, as far as the engine sees it."""
        self._qmp.shutdown(socket.SHUT_RDWR)

    def close(self):
        self._open.close()

    def _play(self, qmp, write_end):
        stopped, status = False, 'none'
        with qmp, contextlib.suppress(OSError):
            for line in qmp.makefile('r', encoding='utf-8'):
                command = json.loads(line)
                reply = {}
                name = command['execute']
                if name == 'stop':
                    self.stops += 1
                    stopped = True
                elif name == 'query-status':
                    reply = {'status': 'paused' if stopped else 'running'}
                elif name == 'query-migrate':
                    reply = {'status': status}
                qmp.sendall(json.dumps(
                    {'return': reply, 'id': command['id']}).encode() +
                    b'\n')
                if name == 'migrate':
                    os.write(write_end, b'state of ' +
                             self.region.name.encode())
                    os.close(write_end)
                    write_end, status = -1, 'completed'
        if write_end >= 0:
            os.close(write_end)


def event(timeout=60, raised_by=b'test'):
    """Return fields of struct vpm_event, of now."""
    now = time.monotonic_ns()
    return {'wall_ns': time.time_ns(), 'monotonic_ns': now,
            'deadline_ns': now + timeout * 10**9, 'raised_by': raised_by}


def end(process):
    """Have it end by SIGTERM; return its exit code."""
    process.send_signal(signal.SIGTERM)
    return process.wait(machine.PATIENCE)


def take(client, qemu):
    """Wait for an outcome; a signal that was sent may not have come yet."""
    def ask():
        said = client.ask(lib.VPM_REQUEST_TAKE, **qemu.key)
        return said if said.code == lib.VPM_OK else None
    said = machine.wait_for(ask, 'an outcome')
    return outcomes.from_native(said.outcome)


def state(client, qemu):
    return client.ask(lib.VPM_REQUEST_LOOK, **qemu.key).unit.state


def text(said):
    return ffi.string(said.message).decode()


def open_files(process):
    """Return how many files a process has open."""
    return len(os.listdir('/proc/%d/fd' % process.process.pid))
