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

"""Load on a Redis, as redis-benchmark makes it, with keys of our choice.

Some connections each have one batch of requests under way all the time; every
byte of every reply is checked.
"""

import collections
import itertools
import random
import selectors
import socket
import time

# Bytes of a value. With jemalloc's classes it takes a page of the guest.
VALUE_SIZE = 4000
PATIENCE = 60
_RECV_SIZE = 1 << 20
# The most usual parameter of benchmarks, YCSB's for example.
_ZIPF = 0.99


def value(key):
    """What the key with a number holds."""
    return (b'%010d' % key) * (VALUE_SIZE // 10)


def _request(*words):
    return b'*%d\r\n%s' % (len(words), b''.join(
        b'$%d\r\n%s\r\n' % (len(word), word) for word in words))


def set_command(key):
    """Return request and reply (RESP, redis.io/docs)."""
    return _request(b'SET', b'key:%010d' % key, value(key)), b'+OK\r\n'


def get_command(key):
    """Return request and reply (RESP, redis.io/docs)."""
    return (_request(b'GET', b'key:%010d' % key),
            b'$%d\r\n%s\r\n' % (VALUE_SIZE, value(key)))


def uniform(keys, rng):
    """Return an endless iterator over keys, any as likely as any other."""
    return iter(lambda: rng.randrange(keys), None)


def zipf(keys, rng):
    """Return an endless iterator over keys, some of them popular.

    Which ones has nothing to do with when they were set.
    """
    weights = list(itertools.accumulate(
        1 / rank ** _ZIPF for rank in range(1, keys + 1)))
    # Not rng: all servers have the same popular keys, run after run.
    ranked = random.Random(0).sample(range(keys), keys)
    while True:
        yield from rng.choices(ranked, cum_weights=weights, k=1000)


class WrongReply(Exception):
    """Redis gave a wrong reply, or none."""


class _Connection:
    """One connection and what is expected on it."""

    def __init__(self, port):
        self.socket = socket.create_connection(('127.0.0.1', port), PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # QEMU's user networking accepts one at a time; Linux drops those that
        # come before it has, and tries again a second later.
        self.send([(_request(b'PING'), b'+PONG\r\n')])
        while not self.receive():
            pass

    def send(self, commands):
        """Send requests in one piece."""
        self._expected = b''.join(reply for _, reply in commands)
        self.socket.sendall(b''.join(request for request, _ in commands))

    def receive(self):
        """Take what is there; return whether it was the last of it."""
        found = self.socket.recv(_RECV_SIZE)
        if not found:
            raise WrongReply('Redis has closed the connection')
        if not self._expected.startswith(found):
            raise WrongReply('Redis answers %.40r instead of %.40r' %
                             (found, self._expected))
        self._expected = self._expected[len(found):]
        return not self._expected


class Client:
    """Some connections to one Redis; a context manager.

    :param batch: requests that are sent at once on a connection
    """

    def __init__(self, port, connections, batch=1):
        self._batch = batch
        self._selector = selectors.DefaultSelector()
        self._connections = [_Connection(port) for _ in range(connections)]
        for one in self._connections:
            self._selector.register(one.socket, selectors.EVENT_READ, one)

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self._selector.close()
        for one in self._connections:
            one.socket.close()

    def run(self, commands, seconds=float('inf')):
        """Send commands until all are sent or the time is over.

        :param commands: iterator over pairs of request and reply
        :returns: how many were answered, and the seconds that took
        """
        start = time.monotonic()
        count = 0
        under_way = collections.Counter(
            {one: self._next(one, commands) for one in self._connections})
        waiting = sum(size > 0 for size in under_way.values())
        while waiting:
            ready = self._selector.select(PATIENCE)
            if not ready:
                raise WrongReply('Redis has not answered for %d s' %
                                 PATIENCE)
            for key, _ in ready:
                if not key.data.receive():
                    continue
                count += under_way[key.data]
                more = time.monotonic() - start < seconds
                under_way[key.data] = (
                    self._next(key.data, commands) if more else 0)
                waiting -= under_way[key.data] == 0
        return count, time.monotonic() - start

    def _next(self, connection, commands):
        """Send one batch; return how many it has."""
        batch = list(itertools.islice(commands, self._batch))
        if batch:
            connection.send(batch)
        return len(batch)
