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

"""Memory that is written to the vault while its server runs."""

import os

import hypothesis
from hypothesis import strategies
import pytest

from nova_temporality.vault import data
from nova_temporality.vpm import sums
from tests.framework import pools
from tests.framework import vaults

SIZE = 1 << 20


@pytest.fixture
def written(monkeypatch):
    """Offsets in data files of the chunks that are written."""
    found = []
    write_all = data._write_all

    def record(fd, offset, piece):
        if offset + len(piece) <= SIZE:  # not the state
            found.extend(range(offset, offset + len(piece), sums.CHUNK))
        write_all(fd, offset, piece)

    monkeypatch.setattr(data, '_write_all', record)
    return found


@pytest.fixture
def region(host):
    return host.running_server()


@pytest.fixture
def writer(host):
    return host.writer()


def commit(host, region, writer):
    pools.fixate(host.pool, region.id)
    assert host.write(writer) == {}


def check_restored(host, region, memory):
    host.lose_dram()
    assert host.restore()['pvm'].result == 'restored'
    assert host.memory(region) == memory


def test_only_what_changed_since_is_written(host, region, writer, written):
    writer.step()
    assert len(written) == 16
    assert writer.written == SIZE
    host.poke(region, b'newer', 3 * sums.CHUNK + 1)
    memory = host.memory(region)
    written.clear()
    commit(host, region, writer)
    assert written == [3 * sums.CHUNK]
    check_restored(host, region, memory)


def test_what_changed_is_written_when_it_is_still(host, region, writer,
                                                  written):
    writer.step()
    written.clear()
    for content in (b'one', b'two', b'three'):
        host.poke(region, content, 5 * sums.CHUNK)
        writer.step()
    assert written == []
    assert writer.left() == {'pvm': sums.CHUNK}
    writer.step()
    writer.step()
    assert written == [5 * sums.CHUNK]
    assert writer.left() == {'pvm': 0}


def test_only_what_was_written_counts(host, region, writer):
    """Of the same piece one chunk is written, and another one waits."""
    writer.step()
    host.poke(region, b'newer', 1 * sums.CHUNK)
    writer.step()
    host.poke(region, b'newest', 2 * sums.CHUNK)
    writer.step()
    memory = host.memory(region)
    commit(host, region, writer)
    check_restored(host, region, memory)


def test_when_power_may_fail_all_is_written(host, region, written):
    writer = host.writer(hurried=True)
    for content in (b'one', b'two', b'three'):
        host.poke(region, content, 5 * sums.CHUNK)
        written.clear()
        writer.step()
        assert 5 * sums.CHUNK in written


def test_what_became_zero(host, region, writer, written):
    writer.step()
    host.poke(region, bytes(2 * sums.CHUNK), 0)
    os.truncate(region.ram_path, SIZE // 2)
    os.truncate(region.ram_path, SIZE)
    writer.step()
    memory = host.memory(region)
    written.clear()
    commit(host, region, writer)
    assert written == []
    check_restored(host, region, memory)


@pytest.mark.parametrize('is_committed', [False, True])
def test_run_that_is_called_off(host, region, writer, written, is_committed):
    """The checksums in its manifest are of the last run."""
    writer.step()
    if is_committed:
        host.poke(region, b'newer', 3 * sums.CHUNK)
        writer.step()
        commit(host, region, writer)
    else:
        pools.fixate(host.pool, region.id)
    host.pool.begin_epoch(region.id)
    assert writer.left() == {'pvm': 0}
    host.poke(region, b'newest', 4 * sums.CHUNK)
    memory = host.memory(region)
    written.clear()
    commit(host, region, writer)
    assert written == [4 * sums.CHUNK]
    check_restored(host, region, memory)


@pytest.mark.parametrize('is_looked_at', [False, True])
def test_region_that_is_made_anew(host, region, writer, written,
                                  is_looked_at):
    writer.step()
    memory = host.memory(region)
    host.pool.free('pvm')
    region = host.server(fixated=False)
    host.poke(region, memory, 0)
    written.clear()
    if is_looked_at:
        writer.step()
        assert len(written) == 16
    commit(host, region, writer)
    assert len(written) == 16
    check_restored(host, region, memory)


@pytest.mark.parametrize('when', ['with_data', 'fill'])
@pytest.mark.parametrize('is_made_anew', [False, True])
def test_region_that_is_freed_in_the_midst_of_it(
        host, region, writer, written, monkeypatch, caplog, when,
        is_made_anew):
    function = getattr(data, when)

    def free(*args):
        result = function(*args)
        host.pool.free('pvm')
        if is_made_anew:
            host.server(fixated=False)
        return result

    with monkeypatch.context() as patched:
        patched.setattr(data, when, free)
        writer.step()
    assert written == []
    assert not caplog.records


def test_another_writer_knows_nothing(host, region, writer, written):
    writer.step()
    memory = host.memory(region)
    written.clear()
    commit(host, region, host.writer())
    assert len(written) == 16
    check_restored(host, region, memory)


def test_commit_that_failed_is_done_again_as_a_whole(
        host, region, writer, written, monkeypatch):
    writer.step()
    memory = host.memory(region)
    pools.fixate(host.pool, region.id)

    def fail(*args):
        raise OSError('no room')

    with monkeypatch.context() as patched:
        patched.setattr(os, 'fdatasync', fail)
        assert 'no room' in host.write(writer)['pvm']
    written.clear()
    assert host.write(writer) == {}
    assert len(written) == 16
    check_restored(host, region, memory)


@pytest.mark.parametrize('error', [KeyboardInterrupt, OSError])
def test_commit_that_is_ended(host, region, writer, written, error):
    """What is there is known all the same, unless it was the disk."""
    writer.step()
    with pytest.raises(error), writer.stopped(), writer.overwriting(
            region, data.parts(region)):
        raise error
    written.clear()
    commit(host, region, writer)
    assert len(written) == (16 if error is OSError else 0)


def test_write_that_failed_counts_for_nothing(host, region, writer, written,
                                              monkeypatch):
    writer.step()
    host.poke(region, b'newer', 0)
    writer.step()

    def fail(*args):
        raise OSError('the disk is broken')

    with monkeypatch.context() as patched:
        patched.setattr(data, '_write_all', fail)
        writer.step()
    assert writer.left() == {'pvm': SIZE}
    written.clear()
    commit(host, region, writer)
    assert len(written) == 16


def test_chunk_whose_write_failed_is_not_known(monkeypatch):
    there = data.There(data.Part('ram', 2 * sums.CHUNK, 0))
    one, other = b'1' * 8, b'2' * 8
    piece = memoryview(bytes(2 * sums.CHUNK))
    monkeypatch.setattr(data, '_write_all', lambda *args: None)
    there.write(0, 0, piece, one + one, [True, True])

    def fail(*args):
        raise OSError

    monkeypatch.setattr(data, '_write_all', fail)
    with pytest.raises(OSError):
        there.write(0, 0, piece, one + other, [False, True])
    assert there.known(0, one + other) == [one, sums.ZERO]


def test_state_that_the_vault_has_is_not_touched(host, written):
    """Although somebody says that its server runs."""
    region = host.server()
    host.write()
    host.poke(region, b'wrong', 0)
    written.clear()
    host.writer(hurried=True).step()
    assert written == []
    host.lose_dram()
    assert host.restore()['pvm'].result == 'restored'


def test_servers_that_do_not_run_are_left_alone(host, region, written):
    host.writer(running=()).step()
    host.writer(halted=True).step()
    assert written == []
    assert not os.path.exists(host.file('manifest', region))


def test_server_is_written_in_the_midst_of_it(host, region, monkeypatch):
    """What was read before is not written over what came then."""
    writer = host.writer(hurried=True)
    fill = data.fill
    memories = []

    def fixate_then(*args):
        piece = fill(*args)
        if not memories:
            memories.append(None)
            host.poke(region, b'newer', 0)
            memories[0] = host.memory(region)
            commit(host, region, writer)
        return piece

    monkeypatch.setattr(data, 'fill', fixate_then)
    writer.step()
    writer.step()
    check_restored(host, region, memories[0])


def test_server_runs_again_in_the_midst_of_it(host, region, writer,
                                              monkeypatch):
    """It is written, for from now on the vault has no state of it."""
    commit(host, region, writer)
    host.poke(region, b'newer', 0)
    fill = data.fill

    def let_run(*args):
        piece = fill(*args)
        host.pool.begin_epoch(region.id)
        return piece

    with monkeypatch.context() as patched:
        patched.setattr(data, 'fill', let_run)
        writer.step()
    assert writer.left() == {'pvm': 0}
    memory = host.memory(region)
    commit(host, region, writer)
    check_restored(host, region, memory)


def test_nothing_is_written_while_it_is_stopped(host, region, writer,
                                                written):
    with writer.stopped():
        writer.step()
        assert written == []
    writer.step()
    assert len(written) == 16


def test_server_that_is_lost_is_told_of(host, region, writer):
    """It ran when power failed, and what is there proves nothing."""
    commit(host, region, writer)
    host.pool.begin_epoch(region.id)
    writer.step()
    host.lose_dram()
    outcome = host.restore()['pvm']
    assert outcome.result == 'unproven'
    assert 'it ran when the host stopped' in outcome.reason
    assert host.memory(region).strip(b'\0') == b''


@pytest.mark.parametrize('is_scrubbed', [False, True])
def test_server_that_was_off_is_not_lost(host, region, writer, is_scrubbed):
    """It ran, and was ended before the reboot."""
    writer.step()
    if is_scrubbed:
        host.pool.scrub(region.id)
    assert host.reboot(writer)['pvm'].result == 'empty'


def test_paged_server(host, writer):
    region = host.server(is_paged=True, fixated=False)
    writer.step()
    assert writer.left() == {'pvm': 0}
    _ram, table, _state = data.parts(region)
    with open(os.path.join(region.directory, 'ppt'), 'rb') as ppt, open(
            host.file('data', region), 'rb') as there:
        there.seek(table.at)
        assert there.read(table.size) == ppt.read()
    memory = host.memory(region)
    commit(host, region, writer)
    check_restored(host, region, memory)


def test_vault_that_is_not_mounted(host, region, writer, written):
    os.rename(host.vault, host.vault + '.away')
    writer.step()
    os.rename(host.vault + '.away', host.vault)
    assert written == []
    writer.step()
    assert len(written) == 16


@pytest.mark.parametrize('size', [SIZE * 2, 1 << 50])
def test_memory_that_is_too_large(host, region, writer, written, size):
    """Its QEMU is not trusted."""
    os.truncate(region.ram_path, size)
    writer.step()
    host.poke(region, b'beyond', size - 4096)
    writer.step()
    assert written == []
    assert os.path.getsize(host.file('data', region)) < 2 * SIZE


def test_memory_that_was_smaller(host, region, writer, written):
    os.truncate(region.ram_path, SIZE // 2)
    writer.step()
    os.truncate(region.ram_path, SIZE)
    memory = host.memory(region)
    written.clear()
    commit(host, region, writer)
    assert len(written) == 8
    check_restored(host, region, memory)


def test_memory_that_shrinks_while_it_is_read(host, region, writer,
                                              monkeypatch):
    fill = data.fill

    def shrink(*args):
        os.truncate(region.ram_path, SIZE // 2)
        return fill(*args)

    with monkeypatch.context() as patched:
        patched.setattr(data, 'fill', shrink)
        writer.step()
    os.truncate(region.ram_path, SIZE)
    writer.step()
    memory = host.memory(region)
    commit(host, region, writer)
    check_restored(host, region, memory)


def test_memory_that_grows_while_it_is_read(tmp_path):
    path = tmp_path / 'ram'
    path.write_bytes(b'x' * (2 * data.PIECE))
    part = data.Part('ram', 8192, 0)
    with open(path, 'rb') as stream:
        piece = data.fill(stream.fileno(), part, 4096, data.new_buffer())
        assert data.with_data(stream.fileno(), part.size) == [0]
    assert len(piece) == 4096


def test_left_before_the_first_look(host, region, writer):
    assert writer.left() == {'pvm': SIZE}
    writer.step()
    assert writer.left() == {'pvm': 0}


def test_it_rests(host, region, monkeypatch):
    """As long as its bandwidth, and the processor, ask for."""
    pauses = []
    writer = host.writer()
    writer._rate = SIZE / 1000
    monkeypatch.setattr(writer, '_pause', pauses.append)
    writer.step()
    assert pauses == [1000]
    writer.step()
    assert 0 < pauses[1] < 1000


def test_it_does_not_rest_when_power_may_fail(host, region, monkeypatch):
    writer = host.writer(hurried=True)
    writer._rate = 1
    writer.step()
    assert writer.written == SIZE


def test_without_a_vault_nothing_is_started(host, region, written,
                                            monkeypatch):
    monkeypatch.setattr('threading.Thread', None)
    writer = host.writer()
    writer._rate = 0
    writer.start()


OPERATIONS = strategies.lists(strategies.one_of(
    strategies.tuples(strategies.just('poke'), strategies.integers(0, 15),
                      strategies.binary(min_size=1, max_size=4)),
    strategies.tuples(strategies.sampled_from(
        ['step', 'hurry', 'call off', 'commit', 'restart']))), max_size=20)


@hypothesis.settings(max_examples=25, deadline=None, suppress_health_check=[
    hypothesis.HealthCheck.too_slow])
@hypothesis.given(OPERATIONS)
def test_whatever_happens_the_last_memory_is_restored(operations):
    with vaults.directories() as made:
        host = vaults.VaultedHost(*made)
        region = host.server(fixated=False)
        writer = host.writer()
        for name, *arguments in operations:
            if name == 'poke':
                chunk, content = arguments
                host.poke(region, content, chunk * sums.CHUNK)
            elif name == 'step':
                writer.step()
            elif name == 'hurry':
                writer._hurried = lambda: True
                writer.step()
                writer._hurried = lambda: False
            elif name == 'restart':
                writer = host.writer()
            else:
                pools.fixate(host.pool, region.id)
                if name == 'commit':
                    assert host.write(writer) == {}
                host.pool.begin_epoch(region.id)
        memory = host.memory(region)
        commit(host, region, writer)
        check_restored(host, region, memory)
        host.pool.close()
