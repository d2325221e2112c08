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

"""Energy may end at any server; those of high priority come first."""

import os

import pytest

from nova_temporality.vault import data
from nova_temporality.vault import writing
from tests.framework import pools


class Energy:
    """Ends, or is back, when a number of servers have been told of."""

    def __init__(self, servers):
        self.told = []
        self._servers = servers

    def tell(self, written):
        self.told.append(written)

    def check(self):
        if len(self.told) == self._servers:
            raise writing.Stopped()


def write_some(host, servers):
    energy = Energy(servers)
    with pytest.raises(writing.Stopped):
        writing.write(host.pool, {'last': 1, 'first': 99}, energy.tell,
                      energy.check)
    return [written.name for written in energy.told]


@pytest.fixture
def servers(host):
    return [host.server(name) for name in ('first', 'last', 'middle')]


@pytest.mark.parametrize('number', range(4))
def test_what_was_written_is_proven(host, servers, number):
    order = ['first', 'middle', 'last']
    if number == 3:
        host.write()
    else:
        assert write_some(host, number) == order[:number]
    host.lose_dram()
    outcomes = host.restore()
    for name in order[:number]:
        assert outcomes[name].result == 'restored'
        assert host.is_proven(name)
    for name in order[number:]:
        assert outcomes[name].result == 'unproven'
        assert 'not in the vault yet' in outcomes[name].reason
        assert not host.is_proven(name)


def test_stopped_in_the_midst_of_a_server(host, servers):
    seen = []

    def check():
        seen.append(1)
        if len(seen) == 5:
            raise writing.Stopped()

    with pytest.raises(writing.Stopped):
        writing.write(host.pool, check=check)
    host.reboot()
    assert all(host.is_proven(name) for name in ('first', 'middle', 'last'))


def test_notes_are_there_when_the_first_server_is(host, servers):
    with open(host.pool_path + '/drills', 'w') as note:
        note.write('a note')
    write_some(host, 1)
    host.lose_dram()
    host.restore()
    with open(host.pool_path + '/drills') as note:
        assert note.read() == 'a note'


def test_what_is_told(host):
    host.server('large', data=b'x' * 200000)
    host.server('there')
    host.reboot()
    host.pool.begin_epoch(host.pool.lookup('large').id)
    pools.fixate(host.pool, host.pool.lookup('large').id)
    told = []
    assert writing.write(host.pool, tell=told.append) == {}
    large, there = told
    assert (large.name, large.failure) == ('large', '')
    assert 200000 < large.size < 1 << 20
    assert there == writing.Written('there', 0)


def test_failure_is_told(host, servers):
    os.rename(host.vault, host.vault + '.away')
    told = []
    failures = writing.write(host.pool, tell=told.append)
    assert {one.name: one.failure for one in told} == failures
    assert set(failures) == {'first', 'middle', 'last'}


def test_older_state_does_not_count(host, servers):
    """The vault has one of an earlier power failure."""
    host.write()
    for region in servers:
        host.pool.begin_epoch(region.id)
        pools.fixate(host.pool, region.id)
    write_some(host, 1)
    host.lose_dram()
    outcomes = host.restore()
    assert [outcomes[name].result for name in ('first', 'middle')] == [
        'restored', 'unproven']
    assert 'not in the vault yet' in outcomes['middle'].reason


def test_server_that_was_deleted_since(host, servers):
    write_some(host, 1)
    host.pool.free('last')
    host.lose_dram()
    assert set(host.restore()) == {'first', 'middle'}


def test_server_that_is_deleted_meanwhile(host, servers, monkeypatch):
    write = data.write

    def write_and_delete(path, directory, part, *args):
        checksums = write(path, directory, part, *args)
        if part.name == 'state' and servers[0].directory == directory:
            host.pool.free('first')
            # As if the state were written when the vault's files had gone,
            # and the pool's had not.
            with open(path, 'wb') as left:
                left.write(b'memory')
        return checksums

    monkeypatch.setattr(data, 'write', write_and_delete)
    assert set(host.write()) == {'first'}
    assert not os.path.exists(host.file('data', servers[0]))
    assert not os.path.exists(host.file('manifest', servers[0]))
    host.lose_dram()
    assert {name: outcome.result for name, outcome in
            host.restore().items()} == {'middle': 'restored',
                                        'last': 'restored'}
