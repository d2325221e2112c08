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

"""What a service is: how it starts, when it is ready, how it stops."""

import concurrent.futures
import dataclasses
import hashlib
import http.client
import pathlib
import socket
import time

import amqp

from pocketcloud import layout
from pocketcloud import process

PATIENCE_WITH_NEW = 180
PATIENCE_WITH_OLD = 15


class NotReady(Exception):
    """A service did not come up; the message says where to read why."""


@dataclasses.dataclass
class Service:
    """A daemon of the cloud.

    :param group: ``controller`` or ``host``; a power cut hits the host
    :param needs: names of the tasks that must be done before it starts
    :param port: TCP port that it opens, a name in layout.PORTS
    :param http: whether readiness is an answer to HTTP on that port
    :param socket: UNIX socket that it opens
    :param queue: message queue that it consumes
    :param ready_line: text in its log that says it is ready
    :param files: the files a change of which makes a restart necessary
    :param patience: seconds between asking it to end and making it
    :param prepare: called before the start
    :param finish: called after the start, when the service is ready
    """

    name: str
    group: str
    command: list
    needs: tuple = ()
    port: str = None
    http: bool = False
    socket: pathlib.Path = None
    queue: str = None
    ready_line: str = None
    env: dict = dataclasses.field(default_factory=dict)
    files: tuple = ()
    prepare: callable = None
    finish: callable = None
    patience: int = 4

    @property
    def log(self):
        return layout.LOG / ('%s.log' % self.name)

    @property
    def record(self):
        return process.Record(self.name)

    def environment(self):
        return layout.environment(TEMPORALITY_GROUP=self.group,
                                  TEMPORALITY_SERVICE=self.name, **self.env)

    def fingerprint(self):
        """Changes with whatever makes a restart necessary."""
        digest = hashlib.sha256(repr((
            [str(word) for word in self.command],
            sorted(self.env.items()))).encode())
        for path in self.files:
            if path.exists():
                digest.update(path.read_bytes())
        return digest.hexdigest()[:16]

    def start(self):
        """Start it if need be and wait for it; return what was done."""
        running = self.record.read()
        done = 'started'
        if running and running.fingerprint != self.fingerprint():
            done = 'restarted, something it depends on changed'
        elif running and self.becomes_ready(PATIENCE_WITH_OLD):
            return 'up already'
        elif running:
            done = 'restarted, it did not answer'
        elif self.record.path.exists():
            done = 'restarted, it was dead'
        self.stop()
        self._wait_unconsumed()
        if self.prepare:
            self.prepare()
        process.spawn(self.name, self.command, self.log, self.environment(),
                      self.fingerprint())
        if not self.becomes_ready(PATIENCE_WITH_NEW):
            raise NotReady('%s, see %s' % (
                'not ready after %d s' % PATIENCE_WITH_NEW
                if self.record.read() else 'it ended', self.log))
        if self.finish:
            self.finish()
        return done

    def _wait_unconsumed(self, patience=150):
        """Wait until RabbitMQ knows that the daemon before has ended.

        Its consumer would be taken for a sign that the new one is ready. If
        the network went before the end of its connection was told, RabbitMQ
        misses two heartbeats first, one a minute.
        """
        deadline = time.monotonic() + patience
        while self.queue and consumed(self.queue):
            if time.monotonic() > deadline:
                raise NotReady('something else consumes %s' % self.queue)
            time.sleep(0.1)

    def becomes_ready(self, patience):
        deadline = time.monotonic() + patience
        while not self.is_ready():
            if not self.record.read() or time.monotonic() > deadline:
                return False
            time.sleep(0.1)
        return True

    def is_ready(self):
        """Does it serve?  Cheap and without side effects."""
        if self.http and not answers_http(layout.PORTS[self.port]):
            return False
        if self.port and not accepts(layout.PORTS[self.port]):
            return False
        if self.socket and not accepts_unix(self.socket):
            return False
        if self.queue and not consumed(self.queue):
            return False
        running = self.record.read()
        if running and self.ready_line:
            with self.log.open('rb') as log:
                log.seek(running.log_offset)
                return self.ready_line.encode() in log.read()
        return running is not None

    def stop(self):
        """Stop it; return what was done."""
        running = self.record.read()
        if running:
            process.stop(running.pid, self.patience)
        # Helpers that left its process group, or a daemon without record.
        left = process.ours(TEMPORALITY_SERVICE=self.name)
        for pid in left:
            process.kill(pid)
        process.wait_gone(left, 10)
        self.record.remove()
        return 'stopped' if running else 'was not running'

    def state(self):
        """Return (state, pid) for people."""
        running = self.record.read()
        if not running:
            return ('dead' if self.record.path.exists() else 'down'), None
        return ('up' if self.is_ready() else 'not ready'), running.pid


def stop_all(services):
    """Stop services at the same time; yield what was done about each."""
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        futures = {pool.submit(service.stop): service for service in services}
        for future in concurrent.futures.as_completed(futures):
            yield '%s: %s' % (futures[future].name, future.result())


def accepts(port):
    """Does something accept connections on this port?"""
    try:
        socket.create_connection((layout.ADDRESS, port), 5).close()
    except OSError:
        return False
    return True


def accepts_unix(path):
    """Does something accept connections on this UNIX socket?"""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(5)
        try:
            client.connect(str(path))
        except OSError:
            return False
    return True


def consumed(queue):
    """Does somebody consume this message queue?"""
    try:
        with amqp.Connection(
                '%s:%d' % (layout.ADDRESS, layout.PORTS['rabbitmq']),
                userid='pocket', password=layout.secret(),
                connect_timeout=5) as connection:
            return connection.channel().queue_declare(
                queue, passive=True).consumer_count > 0
    except (OSError, amqp.AMQPError):
        return False


def answers_http(port):
    """Is there any answer to HTTP on this port?"""
    connection = http.client.HTTPConnection(layout.ADDRESS, port, timeout=30)
    try:
        connection.request('GET', '/')
        return connection.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
