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

"""The load that bench.redis makes, on a stand-in of Redis."""

import collections
import itertools
import random
import socketserver
import threading

import pytest

from bench.redis import client

KEYS = 1000


class _Redis(socketserver.ThreadingTCPServer):
    """SET and GET of RESP, kept in a dict."""

    daemon_threads = True

    def __init__(self):
        self.data = {}
        super().__init__(('127.0.0.1', 0), _Handler)

    @property
    def port(self):
        return self.server_address[1]


class _Handler(socketserver.StreamRequestHandler):

    def handle(self):
        while line := self.rfile.readline():
            words = [self._word() for _ in range(int(line[1:]))]
            self.wfile.write(self._answer(*words))

    def _word(self):
        size = int(self.rfile.readline()[1:])
        return self.rfile.read(size + 2)[:size]

    def _answer(self, command, key=None, *value):
        if command == b'PING':
            return b'+PONG\r\n'
        if command == b'SET':
            self.server.data[key] = value[0]
            return b'+OK\r\n'
        value = self.server.data.get(key)
        if value is None:
            return b'$-1\r\n'
        return b'$%d\r\n%s\r\n' % (len(value), value)


@pytest.fixture
def redis():
    with _Redis() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(params=[{'connections': 5}, {'connections': 2, 'batch': 7}],
                ids=['single', 'batch'])
def load(redis, request):
    with client.Client(redis.port, **request.param) as made:
        yield made


def _fill(load):
    return load.run(map(client.set_command, range(100)))[0]


def test_all_keys_are_set_and_found(redis, load):
    assert _fill(load) == 100
    assert len(redis.data) == 100
    assert len({value for value in redis.data.values()}) == 100
    assert load.run(map(client.get_command, range(100)))[0] == 100


def test_time_ends_a_run_and_the_next_one_is_sound(load):
    _fill(load)
    commands = map(client.get_command, itertools.cycle(range(100)))
    assert load.run(commands, 0.01)[0] > 0
    assert load.run(map(client.get_command, range(100)))[0] == 100


def test_a_wrong_value_is_noticed(redis, load):
    _fill(load)
    key = b'key:%010d' % 42
    redis.data[key] = redis.data[key][:-1] + b'!'
    with pytest.raises(client.WrongReply):
        load.run(map(client.get_command, range(100)))


def test_a_lost_key_is_noticed(redis, load):
    _fill(load)
    del redis.data[b'key:%010d' % 42]
    with pytest.raises(client.WrongReply, match=r'\$-1'):
        load.run(map(client.get_command, range(100)))


def _counts(pattern, seed):
    return collections.Counter(itertools.islice(
        pattern(KEYS, random.Random(seed)), 20000))


@pytest.mark.parametrize('pattern', [client.uniform, client.zipf])
def test_patterns_stay_among_the_keys(pattern):
    assert set(_counts(pattern, 1)) <= set(range(KEYS))


def test_zipf_has_the_same_popular_keys_each_time():
    # 1 / sum(k ** -0.99 for k in 1..1000) = 0.129 of all are the first one.
    first, second = _counts(client.zipf, 1), _counts(client.zipf, 2)
    assert first.most_common(1)[0][0] == second.most_common(1)[0][0]
    assert 2200 < first.most_common(1)[0][1] < 2960
    assert first != second


def test_uniform_prefers_no_key():
    assert _counts(client.uniform, 1).most_common(1)[0][1] < 60
