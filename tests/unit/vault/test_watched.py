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

"""Writing ahead what Linux says was written."""

import os

import pytest

from nova_temporality.host import written_pages
from nova_temporality.vault import data
from nova_temporality.vpm import sums
from tests.framework import pools

SIZE = 1 << 20


class Linux:
    """Stands in for the kernel, which is told what is written."""

    def __init__(self, host):
        self.host = host
        self.why = None
        self.reported = []
        self.closed = 0

    def poke(self, region, content, chunk):
        self.host.poke(region, content, chunk * sums.CHUNK)
        self.reported.append((chunk * sums.CHUNK,
                              chunk * sums.CHUNK + len(content)))

    def watch(self, _pid, path):
        if self.why:
            raise written_pages.Unseen(self.why)
        self.reported = [(0, os.path.getsize(path))]
        return self

    def take(self):
        if self.why:
            raise written_pages.Unseen(self.why)
        taken, self.reported = self.reported, []
        return taken

    def close(self):
        self.closed += 1


@pytest.fixture
def linux(host, monkeypatch):
    made = Linux(host)
    monkeypatch.setattr(written_pages, 'WrittenPages', made.watch)
    return made


@pytest.fixture
def region(host):
    return host.running_server()


@pytest.fixture
def pids():
    return {'pvm': 7}


@pytest.fixture
def writer(host, region, linux, pids):
    """One that has written and looked at all."""
    made = host.writer()
    made._pids = lambda: pids
    made.look()
    assert left(made) == {}
    made.step()
    assert left(made) == {'pvm': 0}
    assert made.written == SIZE
    return made


def left(writer):
    return {name: one.left() for name, one in writer.known().items()}


def there(host, region, chunk):
    with open(host.file('data', region), 'rb') as stream:
        stream.seek(chunk * sums.CHUNK)
        return stream.read(sums.CHUNK)


def test_what_is_written_is_left_until_it_is_there(host, region, linux,
                                                   writer):
    linux.poke(region, b'newer', 3)
    linux.poke(region, b'newer', 4)
    assert left(writer) == {'pvm': 0}
    writer.look()
    assert left(writer) == writer.left() == {'pvm': 2 * sums.CHUNK}
    assert not writer.copy_cold()
    writer.look()
    assert writer.copy_cold()
    assert not writer.copy_cold()
    assert left(writer) == {'pvm': 0}
    assert there(host, region, 3)[:5] == there(host, region, 4)[:5] == b'newer'
    assert writer.written == SIZE + 2 * sums.CHUNK


def test_what_changes_all_the_time_stays_left(host, region, linux, writer):
    for number in range(4):
        linux.poke(region, b'%d' % number, 3)
        writer.look()
        assert not writer.copy_cold()
        assert left(writer) == {'pvm': sums.CHUNK}


def test_what_is_the_same_is_not_written(host, region, linux, writer):
    linux.reported.append((0, SIZE))
    writer.look()
    writer.look()
    assert writer.copy_cold()
    assert left(writer) == {'pvm': 0}
    assert writer.written == SIZE


def test_commit_writes_the_rest(host, region, linux, writer):
    """Also what Linux did not tell of."""
    linux.poke(region, b'newer', 3)
    host.poke(region, b'unseen', 5 * sums.CHUNK)
    memory = host.memory(region)
    pools.fixate(host.pool, region.id)
    assert host.write(writer) == {}
    host.lose_dram()
    assert host.restore()['pvm'].result == 'restored'
    assert host.memory(region) == memory


def test_what_linux_did_not_tell_of_is_noticed(host, region, writer, caplog):
    host.poke(region, b'unseen', 5 * sums.CHUNK)
    writer.step()
    writer.look()
    assert writer.missed == 1
    assert left(writer) == {'pvm': SIZE}
    assert 'pvm: 64 KiB were written' in caplog.text
    writer.step()
    assert left(writer) == {'pvm': 0}


def test_qemu_whose_writes_are_not_seen(host, region, linux, writer):
    linux.why = 'for a reason'
    writer.look()
    assert left(writer) == {}
    assert writer.unseen() == {'pvm': 'for a reason'}
    assert linux.closed == 1
    # It may be seen later.
    linux.why = None
    writer.look()
    assert left(writer) == {'pvm': SIZE}
    assert writer.unseen() == {}
    writer.step()
    assert left(writer) == {'pvm': 0}


def test_another_qemu(writer, linux, pids):
    pids['pvm'] = 8
    writer.look()
    assert linux.closed == 1
    assert left(writer) == {'pvm': SIZE}


def test_qemu_that_is_not_known_any_more(writer, linux, pids):
    pids.clear()
    writer.look()
    assert linux.closed == 1
    assert left(writer) == writer.unseen() == {}


def test_region_that_is_made_anew(host, region, writer, linux):
    host.pool.free('pvm')
    host.server(fixated=False)
    assert left(writer) == {}
    writer.look()
    writer.step()
    assert linux.closed == 1
    assert left(writer) == {'pvm': 0}


def test_paged_server(host, linux, pids, writer):
    host.server('paged', is_paged=True, fixated=False)
    pids['paged'] = 9
    writer.look()
    assert 'less NVRAM' in writer.unseen()['paged']
    assert 'paged' not in left(writer)


def test_memory_that_is_too_large(host, region, linux, writer, pids):
    """Its QEMU is not trusted."""
    pids['pvm'] = 8
    os.truncate(region.ram_path, 1 << 50)
    writer.look()
    assert 'larger' in writer.unseen()['pvm']
    assert left(writer) == {}


def test_after_an_error_all_is_left(host, region, linux, writer, monkeypatch):
    linux.poke(region, b'newer', 3)
    writer.look()
    writer.look()

    def fail(*args):
        raise OSError('the disk is broken')

    with monkeypatch.context() as patched:
        patched.setattr(data, '_write_all', fail)
        assert not writer.copy_cold()
        assert left(writer) == {}
        writer.step()
        assert left(writer) == {}
    writer.step()
    assert left(writer) == {'pvm': 0}


def test_nothing_is_copied_while_it_is_stopped(host, region, linux, writer):
    linux.poke(region, b'newer', 3)
    writer.look()
    writer.look()
    with writer.stopped():
        assert not writer.copy_cold()
    assert left(writer) == {'pvm': sums.CHUNK}
    assert writer.copy_cold()


def test_state_that_the_vault_has_is_not_touched(host, region, linux, writer):
    linux.poke(region, b'newer', 3)
    writer.look()
    writer.look()
    pools.fixate(host.pool, region.id)
    assert host.write(writer) == {}
    before = there(host, region, 3)
    host.poke(region, b'wrong', 3 * sums.CHUNK)
    assert not writer.copy_cold()
    assert there(host, region, 3) == before


def test_it_rests_unless_that_is_urgent(host, region, linux, writer,
                                        monkeypatch):
    pauses = []
    monkeypatch.setattr(writer, '_pause', pauses.append)
    for writer.is_urgent in (True, False):
        linux.poke(region, b'%d' % writer.is_urgent, 3)
        writer.look()
        writer.look()
        assert writer.copy_cold()
        assert bool(pauses) is not writer.is_urgent
