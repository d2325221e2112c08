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

"""Time to a serving Redis that has its data: cold boot against recovery."""

import socket
import time

from bench.fixation import fleet
from bench.fixation import machines

KEYS = 200000
VALUE = b'v' * 100
_BATCH = 2000


class _Client:
    """As much of a Redis client as is needed (RESP, redis.io/docs)."""

    def __init__(self, port):
        self._sock = socket.create_connection(('127.0.0.1', port), 5)
        self._sock.settimeout(30)
        self._file = self._sock.makefile('rb')

    def close(self):
        self._file.close()
        self._sock.close()

    def ask(self, *commands):
        """Send commands in one piece; return the replies' first lines."""
        self._sock.sendall(b''.join(
            b'*%d\r\n' % len(words) + b''.join(
                b'$%d\r\n%s\r\n' % (len(word), word) for word in words)
            for words in commands))
        return [self._reply() for _ in commands]

    def _reply(self):
        line = self._file.readline()
        if not line.endswith(b'\r\n'):
            raise ConnectionError('Redis has closed the connection')
        if line[:1] == b'$' and line[1:2] != b'-':
            line = self._file.read(int(line[1:]) + 2)
        return line.strip()


def _serving(port):
    """A client once Redis answers; user networking accepts before it does."""
    try:
        client = _Client(port)
    except OSError:
        return None
    try:
        if client.ask([b'PING']) == [b'+PONG']:
            return client
    except OSError:
        pass
    client.close()
    return None


def _fill(client):
    for first in range(0, KEYS, _BATCH):
        client.ask(*([b'SET', b'key:%d' % i, VALUE]
                     for i in range(first, first + _BATCH)))


def _check(client):
    size, value = client.ask([b'DBSIZE'], [b'GET', b'key:%d' % (KEYS - 1)])
    client.close()
    # The guest's own witness has some keys, too.
    if int(size[1:]) < KEYS or value != VALUE:
        raise RuntimeError('Redis lost data: %r keys, %r' % (size, value))


def measure(image):
    """Return seconds of both, and their ratio."""
    with machines.Site() as site:
        with socket.create_server(('127.0.0.1', 0)) as listener:
            port = listener.getsockname()[1]
        guest = site.machine('redis', machines.linux_args(
            site, image, 'redis', '-netdev',
            'user,id=net,hostfwd=tcp:127.0.0.1:%d-:6379' % port,
            '-device', 'virtio-net-pci,netdev=net,romfile='))
        start = time.monotonic()
        guest.boot()
        client = machines.wait_for(lambda: _serving(port), 'Redis', 0.01)
        serving = time.monotonic() - start
        _fill(client)
        _check(client)
        cold = time.monotonic() - start
        site.start_notifier()
        site.power_fails()
        site.stop_notifier()
        guest.kill()
        start = time.monotonic()
        fleet.recover_one(guest)
        _check(machines.wait_for(lambda: _serving(port), 'Redis', 0.002))
        ours = time.monotonic() - start
    return {'vs_cold_boot': round(cold / ours, 1),
            'cold_boot_s': {'boot': round(serving, 2),
                            'reload': round(cold - serving, 2)},
            'recovered_redis_s': round(ours, 3), 'redis_keys': KEYS}
