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

"""QEMUs that only speak QMP, many of them in one process.

    qemus.py RUN_DIR NAME=MEMORY_PATH ...

They answer what the notifier and the engine ask for, and save a state of some
KiB. What they are told on standard input they do:

    flood KIND            write that to all monitors, without end
    calm                  write it no more
    become UID            belong to another user from now on

They do not end when they are told to quit.

Kinds of floods are in FLOODS. They end when standard input ends.
"""

import contextlib
import json
import os
import selectors
import socket
import sys

from nova_temporality.host import paths

_GREETING = {'QMP': {'version': {
    'qemu': {'major': 10, 'minor': 0, 'micro': 2}, 'package': ''},
    'capabilities': ['oob']}}

_BLOCKS = """\
              Block Name    PSize              Offset               Used \
             Total                HVA  RO
                   nvram    4 KiB  0x0000000000000000 0x0000000010000000 \
0x0000000010000000 0x00007eff6ffff000  rw
                 pc.bios    4 KiB  0x0000000020000000 0x0000000000040000 \
0x0000000000040000 0x00007effc5c00000  ro
"""

# What somebody writes who was broken into.
_EVENT = json.dumps({'event': 'RTC_CHANGE', 'data': {'offset': 1},
                     'timestamp': {'seconds': 1, 'microseconds': 0}}) + '\r\n'
FLOODS = {
    'events': _EVENT.encode() * 100,
    'lines': b'{"return": "' + b'x' * (4 << 20) + b'"}\r\n',
    'endless': b'{"return": "' + b'x' * 65536,
    'nested': b'{"return": ' + b'[' * 200000 + b'\r\n',
}
# Seconds between two writes: 10,000 events in a second.
_PAUSE = 0.01

# Commands of which it is enough to say that they are done.
_DONE = ('qmp_capabilities', 'getfd', 'migrate-set-capabilities',
         'migrate-set-parameters', 'migrate_cancel', 'quit')

_DECODER = json.JSONDecoder()

_STATE = b'state of a virtual machine '.ljust(4096, b'.') * 4


def _disk(memory_path):
    """Return what query-block says of a disk: some words more than used."""
    return [{
        'io-status': 'ok', 'device': '', 'locked': False, 'removable': False,
        'qdev': '/machine/peripheral/virtio-disk0/virtio-backend',
        'type': 'unknown', 'inserted': {
            'iops_rd': 0, 'detect_zeroes': 'off', 'active': True,
            'image': {
                'virtual-size': 1 << 30, 'filename': memory_path + '.qcow2',
                'cluster-size': 65536, 'format': 'qcow2',
                'actual-size': 196616, 'dirty-flag': False,
                'format-specific': {'type': 'qcow2', 'data': {
                    'compat': '1.1', 'compression-type': 'zlib',
                    'lazy-refcounts': False, 'refcount-bits': 16,
                    'corrupt': False, 'extended-l2': False}},
                'children': []},
            'iops_wr': 0, 'ro': False, 'children': [],
            'node-name': 'libvirt-1-format', 'backing_file_depth': 0,
            'drv': 'qcow2', 'iops': 0, 'bps_wr': 0,
            'write_threshold': 0, 'encrypted': False, 'bps': 0, 'bps_rd': 0,
            'cache': {'no-flush': False, 'direct': True, 'writeback': True},
            'file': memory_path + '.qcow2'}}]


class Qemu:
    """One of them.

    :ivar monitors: its clients, which are told of events
    """

    def __init__(self, memory_path):
        self.monitors = set()
        self._disk = _disk(memory_path)
        self._memory_path = memory_path
        self._runstate = 'running'
        self._migration = {}

    def tell(self, event):
        """Write an event to all monitors."""
        for monitor in self.monitors:
            monitor.send({'event': event,
                          'timestamp': {'seconds': 1, 'microseconds': 0}})

    def execute(self, monitor, name, arguments):
        """Do what a command says; return its answer."""
        if name == 'query-status':
            return {'status': self._runstate,
                    'running': self._runstate == 'running'}
        if name == 'query-block':
            return self._disk
        if name == 'query-migrate':
            return self._migration
        if name == 'human-monitor-command':
            return _BLOCKS
        if name == 'query-kvm':
            return {'enabled': False, 'present': True}
        if name == 'qom-get':
            return {'mem-path': self._memory_path,
                    'share': True}[arguments['property']]
        if name == 'stop':
            self._runstate = 'paused'
            self.tell('STOP')
        elif name == 'cont':
            self._runstate = 'running'
            self.tell('RESUME')
        elif name == 'migrate':
            with open(monitor.stream, 'wb') as stream:
                stream.write(_STATE)
            self._runstate = 'postmigrate'
            self._migration = {'status': 'completed'}
        elif name not in _DONE:
            raise KeyError(name)
        return {}


class Monitor:
    """One client of one QEMU."""

    def __init__(self, qemu, connected):
        self._qemu = qemu
        self._socket = connected
        self._rest = ''
        self.stream = None
        self.send(_GREETING)

    def send(self, message):
        """Write a message, which fits into the socket's buffer."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._socket.sendall(json.dumps(message).encode() + b'\r\n')

    def flood(self, text):
        """Write as much as there is room for."""
        with contextlib.suppress(OSError):
            self._socket.send(text, socket.MSG_DONTWAIT)

    def serve(self):
        """Answer what came; false at the end."""
        try:
            data, fds, _flags, _address = socket.recv_fds(
                self._socket, 65536, 1)
        except ConnectionResetError:
            return False
        if fds:
            self.stream = fds[0]
        self._rest += data.decode()
        # Commands need not be followed by newlines.
        with contextlib.suppress(json.JSONDecodeError):
            while self._rest:
                command, end = _DECODER.raw_decode(self._rest)
                self._rest = self._rest[end:].lstrip()
                self._answer(command)
        return bool(data)

    def _answer(self, command):
        try:
            answer = {'return': self._qemu.execute(
                self, command['execute'], command.get('arguments'))}
        except KeyError:
            # As an older QEMU would say.
            answer = {'error': {'class': 'CommandNotFound',
                                'desc': 'it only plays a QEMU'}}
        self.send({**answer, 'id': command.get('id')})


class Qemus:
    """All of them, and who waits for what."""

    def __init__(self, run_dir, memory_paths):
        self._selector = selectors.DefaultSelector()
        self._qemus = {}
        self._flood = None
        for name, memory_path in memory_paths.items():
            self._qemus[name] = qemu = Qemu(memory_path)
            os.makedirs(paths.qmp_dir(run_dir, name), exist_ok=True)
            for path in (paths.fixate_socket(run_dir, name),
                         paths.watch_socket(run_dir, name)):
                self._listen(qemu, path)
        self._wait_for(sys.stdin, self._take_order)

    def run(self):
        """Serve until standard input ends."""
        print('ready', flush=True)
        while sys.stdin in self._selector.get_map():
            for key, _events in self._selector.select(
                    _PAUSE if self._flood else None):
                key.data()
            for qemu in self._qemus.values() if self._flood else ():
                for monitor in qemu.monitors:
                    monitor.flood(self._flood)

    def _wait_for(self, file, act):
        self._selector.register(file, selectors.EVENT_READ, act)

    def _listen(self, qemu, path):
        listener = socket.socket(socket.AF_UNIX)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        listener.bind(path)
        listener.listen()
        self._wait_for(listener, lambda: self._accept(qemu, listener))

    def _accept(self, qemu, listener):
        connected, _address = listener.accept()
        monitor = Monitor(qemu, connected)
        qemu.monitors.add(monitor)

        def serve():
            if not monitor.serve():
                self._selector.unregister(connected)
                connected.close()
                qemu.monitors.discard(monitor)
        self._wait_for(connected, serve)

    def _take_order(self):
        order = sys.stdin.readline().split()
        if not order:
            self._selector.unregister(sys.stdin)
        elif order[0] == 'flood':
            self._flood = FLOODS[order[1]]
        elif order[0] == 'calm':
            self._flood = None
        else:
            os.setuid(int(order[1]))


if __name__ == '__main__':
    Qemus(sys.argv[1], dict(one.split('=') for one in sys.argv[2:])).run()
