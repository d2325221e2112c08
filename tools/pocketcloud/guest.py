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

"""A guest as its clients see it: its Redis, over the network."""

import dataclasses
import hashlib
import threading
import time
from typing import Any

import redis

from pocketcloud import client
from pocketcloud import namespace

_CHUNK = 1000
_TIMEOUT = 10


class _Connection(redis.Connection):
    """A connection that is made inside the network of the servers."""

    def __init__(self, netns: str, **kwargs: Any) -> None:
        self._netns = netns
        super().__init__(**kwargs)

    def _connect(self) -> Any:
        return namespace.call(self._netns, super()._connect)


@dataclasses.dataclass(frozen=True)
class Life:
    """What a guest says of itself.

    :ivar boot_id: of its kernel; a new one with every boot
    :ivar uptime: seconds
    :ivar fsync: last number that it wrote to its disk with fsync
    """

    boot_id: str
    uptime: float
    fsync: int


def value(key: str, length: int = 64) -> str:
    """The value that a key must have."""
    return hashlib.shake_128(key.encode()).hexdigest(length // 2)


class Guest:
    """A guest with a Redis, reached over the servers' network.

    :param netns: name of a network namespace on that network
    :param length: characters of a value
    """

    def __init__(self, netns: str, address: str, length: int = 64) -> None:
        self._length = length
        self._redis = redis.Redis(connection_pool=redis.ConnectionPool(
            connection_class=_Connection, netns=netns, host=address,
            port=6379, socket_timeout=_TIMEOUT,
            socket_connect_timeout=2, decode_responses=True))

    def wait(self) -> Life:
        """Wait until its Redis answers and its witness has reported.

        :raises TimeoutError: client.PATIENCE is at its end
        """
        deadline = time.monotonic() + client.PATIENCE
        while True:
            try:
                return self.life()
            except (redis.RedisError, TypeError):
                if time.monotonic() > deadline:
                    raise TimeoutError('no answer from the guest within %d s'
                                       % client.PATIENCE)
            time.sleep(0.2)

    def life(self) -> Life:
        """The guest's Life; TypeError before it reported any."""
        boot_id, uptime, fsync = self._redis.mget(
            'guest:boot_id', 'guest:uptime', 'fsync:last')
        return Life(boot_id, float(uptime), int(fsync))

    def clock(self) -> float:
        """The guest's clock; seconds since the epoch."""
        seconds, microseconds = self._redis.time()
        return seconds + microseconds / 1e6

    def connection(self) -> int:
        """The id of this connection in Redis; no other one gets the same."""
        return self._redis.client_id()

    def fill(self, count: int) -> None:
        """Store *count* keys with their values."""
        for start in range(0, count, _CHUNK):
            keys = _keys(start, min(start + _CHUNK, count))
            self._redis.mset({key: value(key, self._length)
                              for key in keys})

    def count(self, count: int) -> int:
        """How many of the keys are there, each with its own value."""
        found = 0
        for start in range(0, count, _CHUNK):
            keys = _keys(start, min(start + _CHUNK, count))
            found += sum(value(key, self._length) == stored
                         for key, stored in
                         zip(keys, self._redis.mget(keys)))
        return found

    def write(self, key: str, number: int) -> None:
        """Store a number; acknowledged by Redis on return."""
        self._redis.set(key, number)

    def read(self, key: str) -> int | None:
        """A stored number; None if there is none."""
        stored = self._redis.get(key)
        return None if stored is None else int(stored)


def _keys(start: int, stop: int) -> list[str]:
    return ['key:%d' % number for number in range(start, stop)]


class Writer:
    """Writes increasing numbers steadily until Redis does not answer."""

    KEY = 'writer'

    def __init__(self, guest: Guest) -> None:
        self.acknowledged = 0
        self._guest = guest
        self._thread = threading.Thread(target=self._write, daemon=True)
        self._thread.start()

    def _write(self) -> None:
        try:
            while True:
                self._guest.write(self.KEY, self.acknowledged + 1)
                self.acknowledged += 1
                time.sleep(0.005)
        except redis.RedisError:
            pass  # the power is gone

    def join(self) -> int:
        """Wait for its end; return the last number that was acknowledged."""
        self._thread.join()
        return self.acknowledged


class Swapper:
    """Reads and writes all keys until Redis does not answer.

    A value that is wrong at that time is noticed when the keys are counted.
    """

    def __init__(self, guest: Guest, count: int) -> None:
        self._guest = guest
        self._count = count
        threading.Thread(target=self._work, daemon=True).start()

    def _work(self) -> None:
        try:
            while True:
                self._guest.fill(self._count)
                self._guest.count(self._count)
        except redis.RedisError:
            pass  # the power is gone
