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

"""The Python wrapper of libvpm, on a real pool in a temporary directory."""

import errno
import gc
import os
import pathlib
import struct
import threading
import time
import uuid

import pytest

from nova_temporality import vpm
from nova_temporality.vpm import handles
from tests.framework import descriptors
from tests.framework import pools


@pytest.fixture
def path(tmp_path):
    return tmp_path / 'pool'


@pytest.fixture
def pool(path):
    with pools.create(path) as pool:
        yield pool


def test_info(pool):
    info = pool.info()
    assert isinstance(info.uuid, uuid.UUID) and info.uuid.version == 4
    assert info.total_size == info.free_size == 1 << 20
    assert (info.version, info.page_size, info.uid_base) == (3, 4096, 0)
    assert (info.descriptors, info.used_descriptors) == (40, 0)
    assert info.medium == info.made_on
    assert info.medium in vpm.MEDIA
    assert info.medium_problem is None
    pool.alloc('a', 5000)
    info = pool.info()
    assert (info.used_size, info.free_size) == (8192, (1 << 20) - 8192)


def test_medium(pool, path):
    here = pool.info().medium
    other = 'dax' if here != 'dax' else 'tmpfs'
    pool.close()
    pools.make_on(path, other)
    with vpm.Pool(path) as pool:
        assert pool.info().made_on == other
        assert str(path) in pool.info().medium_problem
        with pytest.raises(vpm.WrongMedium, match="not on '%s'" % other):
            pool.record_medium(other)
        pool.record_medium(here)
        assert pool.info().made_on == here
        assert pool.info().medium_problem is None


def test_only_wanted_media(path):
    with pools.create(path) as pool:
        here = pool.info().medium
    others = vpm.MEDIA.keys() - {here}
    with pytest.raises(vpm.WrongMedium):
        pools.create(path.with_name('other'), media=others)
    pools.create(path.with_name('other'), media=vpm.MEDIA).close()


def test_pause(pool):
    region = pool.alloc('a', 4096)
    pool.pause(vpm.PAUSE_MAX_NS)
    assert pool.is_paused()
    pool.free('a')
    assert pool.regions() == []
    assert os.path.exists(region.ram_path)
    assert (pool.info().used_size, pool.info().freed_size) == (4096, 4096)
    pool.finish_freed()
    assert os.path.exists(region.ram_path)
    pool.pause(0)
    assert not pool.is_paused()
    pool.finish_freed()
    assert not os.path.exists(region.ram_path)
    assert pool.info().used_size == pool.info().freed_size == 0
    with pytest.raises(vpm.InvalidArgument):
        pool.pause(vpm.PAUSE_MAX_NS + 1)


def test_region(pool, path):
    before = time.time_ns()
    region = pool.alloc('a', 5000, sequence=3)
    assert before <= region.created_ns <= time.time_ns()
    assert region.id == vpm.region_id('a', 3)
    assert (region.name, region.sequence, region.size) == ('a', 3, 8192)
    assert (region.epoch, region.descriptor) == (0, 0)
    assert region.uid == os.geteuid()
    assert region.ram_path == os.path.realpath(
        path / 'regions' / ('%016x' % region.id) / 'ram')
    assert pool.lookup('a', 3) == region
    assert pool.regions() == [region]
    pool.free('a', 3)
    assert pool.regions() == []


def test_more_regions_than_the_first_guess(pool):
    names = {'server-%d' % i for i in range(40)}
    for name in names:
        pool.alloc(name, 4096)
    assert {region.name for region in pool.regions()} == names


def test_errors_have_classes_and_messages(pool, path):
    region = pool.alloc('a', 4096)
    with pytest.raises(vpm.AlreadyExists, match="a region of 'a'"):
        pool.alloc('a', 4096)
    with pytest.raises(vpm.PoolFull, match='1020.0 KiB of 1.0 MiB free'):
        pool.alloc('b', 1 << 20)
    with pytest.raises(vpm.NotFound, match="no region of 'b'"):
        pool.lookup('b')
    with pytest.raises(vpm.InvalidArgument, match='0x2f at position 0'):
        pool.alloc('/', 4096)
    with pytest.raises(vpm.Unproven, match='there is no marker'):
        pool.verify_state(region.id)
    with pytest.raises(vpm.AlreadyExists, match='holds a pool already'):
        pools.create(path)
    with pytest.raises(vpm.NotFound, match='no pool'):
        vpm.Pool(path / 'none')
    with pytest.raises(vpm.SystemCallFailed, match='errno 20'):
        vpm.Pool('/dev/null/pool')


def test_every_code_has_its_class():
    codes = [getattr(handles.lib, name) for name in dir(handles.lib)
             if name.startswith('VPM_E')]
    assert sorted(codes) == sorted(handles.ERRORS)
    assert len(set(handles.ERRORS.values())) == len(codes) == 14


@pytest.mark.parametrize('params', [
    {'total_size': -1}, {'total_size': 1 << 64}, {'page_size': 1 << 32},
    {'descriptors': -5}, {'uid_base': 1 << 32}, {'state_size': 100},
])
def test_bad_params_are_named(path, params):
    (name, value), = params.items()
    with pytest.raises(vpm.InvalidArgument) as caught:
        pools.create(path, **params)
    assert name.split('_')[0] in str(caught.value)
    assert str(value) in str(caught.value)
    assert not path.exists()


@pytest.mark.parametrize('call', [
    lambda pool: pool.alloc('a\0b', 4096),
    lambda pool: pool.alloc('a', -1),
    lambda pool: pool.alloc('a', 4096, sequence=1 << 32),
    lambda pool: pool.free('ä'),
    lambda pool: pool.scrub(-1),
    lambda pool: pool.begin_epoch(1 << 64),
])
def test_bad_arguments(pool, call):
    with pytest.raises(vpm.InvalidArgument):
        call(pool)


def test_damaged_pool(path):
    pools.create(path).close()
    with open(path / 'pool', 'r+b') as file:
        file.seek(100)
        file.write(b'damage')
    os.rename(path / 'conf', path / 'conf.away')
    with pytest.raises(vpm.PoolCorrupt, match='CONF'):
        vpm.Pool(path)
    finding, = vpm.check(path)
    assert 'CONF' in finding
    # Its copy mends it.
    os.rename(path / 'conf.away', path / 'conf')
    vpm.Pool(path).close()
    assert vpm.check(path) == []


def test_foreign_pool(path):
    pools.create(path).close()
    pathlib.Path(path / 'pool').write_bytes(b'?' * 8192)
    with pytest.raises(vpm.ForeignPool, match='no pool file'):
        vpm.Pool(path)


def test_check_lists_all_findings(pool, path):
    assert vpm.check(path) == []
    region = pool.alloc('a', 4096)
    os.chmod(region.ram_path, 0o644)
    (path / 'regions' / 'stray').mkdir()
    findings = vpm.check(path)
    assert len(findings) == 2
    assert any('mode' in finding for finding in findings)
    assert any('stray' in finding for finding in findings)
    with pytest.raises(vpm.NotFound):
        vpm.check(path / 'none')


def test_fixation_round_trip(pool):
    region = pool.alloc('a', 4096)
    pool.begin_epoch(region.id)
    before = time.monotonic_ns()
    persisted = pools.fixate(pool, region.id, b'x' * 10000)
    assert before <= persisted <= time.monotonic_ns()
    state = pool.verify_state(region.id)
    assert (state.epoch, state.length, state.meta) == (1, 10000, pools.META)
    assert before <= state.persisted_ns <= persisted
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, 'rb') as source:
        with os.fdopen(write_end, 'wb') as sink:
            pool.send_state(region.id, sink)
        assert source.read() == b'x' * 10000


def test_fixation_is_refused_when_proven(pool):
    region = pool.alloc('a', 4096)
    pools.fixate(pool, region.id)
    with pytest.raises(vpm.AlreadyFixated):
        pools.fixate(pool, region.id)
    pool.begin_epoch(region.id)
    with pytest.raises(vpm.Unproven):
        pool.verify_state(region.id)
    pools.fixate(pool, region.id)
    pool.verify_state(region.id)


def test_fixation_deadline(pool):
    region = pool.alloc('a', 4096)
    read_end, write_end = os.pipe()
    try:
        with pool.open_fixation(region.id) as fixation:
            fixation.begin()
            with pytest.raises(vpm.DeadlineExceeded):
                fixation.receive(read_end, time.monotonic_ns() + 1000000)
    finally:
        os.close(read_end)
        os.close(write_end)


def test_long_meta_is_refused(pool):
    region = pool.alloc('a', 4096)
    with pytest.raises(vpm.InvalidArgument, match='longer than 31 bytes'):
        pools.fixate(pool, region.id, meta=vpm.FixationMeta(runstate='x' * 32))
    longest = vpm.FixationMeta(runstate='x' * 31, producer='y' * 31)
    pools.fixate(pool, region.id, meta=longest)
    assert pool.verify_state(region.id).meta == longest


@pytest.mark.native_threads
def test_receive_releases_the_gil(pool):
    """Else this thread could never write what the other waits for."""
    region = pool.alloc('a', 4096)
    read_end, write_end = os.pipe()
    failures = []

    def receive():
        try:
            with pool.open_fixation(region.id) as fixation:
                fixation.begin()
                fixation.receive(read_end, time.monotonic_ns() + 60 * 10**9)
                fixation.commit(pools.META)
        except vpm.VpmError as failure:
            failures.append(failure)

    thread = threading.Thread(target=receive)
    thread.start()
    with os.fdopen(write_end, 'wb') as sink:
        sink.write(b'late')
    thread.join()
    os.close(read_end)
    assert failures == []
    assert pool.verify_state(region.id).length == 4


def test_scrub(pool):
    region = pool.alloc('a', 4096)
    pools.fixate(pool, region.id)
    ram = pathlib.Path(region.ram_path)
    with open(ram, 'r+b') as file:
        file.write(b'secret')
    pool.scrub(region.id)
    assert ram.read_bytes() == bytes(4096)
    with pytest.raises(vpm.Unproven):
        pool.verify_state(region.id)
    assert pool.lookup('a').epoch == 1


def test_closed_handles_say_so(pool):
    region = pool.alloc('a', 4096)
    fixation = pool.open_fixation(region.id)
    fixation.close()
    fixation.close()
    with pytest.raises(ValueError, match='is closed'):
        fixation.begin()
    pool.close()
    pool.close()
    with pytest.raises(ValueError, match='is closed'):
        pool.info()


def test_fixation_outlives_the_closing_of_its_pool(pool):
    region = pool.alloc('a', 4096)
    fixation = pool.open_fixation(region.id)
    pool.close()
    gc.collect()
    fixation.begin()
    with pools.pipe_with(b'data') as source:
        fixation.receive(source)
    fixation.commit(pools.META)
    assert descriptors.open_below(pool.path)
    fixation.close()
    gc.collect()
    assert not descriptors.open_below(pool.path)


@pytest.mark.native_threads
def test_closing_while_another_thread_is_inside(path):
    """The handle goes when the last call has returned, not under it."""
    pool = pools.create(path)
    region = pool.alloc('a', 4096)
    stop = threading.Event()
    failures = []

    def use(mine):
        try:
            while not stop.is_set():
                mine.info()
                mine.begin_epoch(region.id)
        except ValueError:
            pass  # closed
        except vpm.VpmError as failure:
            failures.append(failure)

    for _ in range(50):
        mine = vpm.Pool(path)
        threads = [threading.Thread(target=use, args=(mine,))
                   for _ in range(3)]
        for thread in threads:
            thread.start()
        mine.close()
        for thread in threads:
            thread.join()
    stop.set()
    assert failures == []
    pool.close()


def test_failed_opening_leaks_nothing(path):
    pools.create(path).close()
    with open(path / 'pool', 'r+b') as file:
        file.write(b'?')
    os.unlink(path / 'conf')
    with pytest.raises(vpm.ForeignPool):
        vpm.Pool(path)
    vpm.check(path)
    gc.collect()
    assert not descriptors.open_below(path)


@pytest.fixture
def swap_dir(tmp_path):
    path = tmp_path / 'swap'
    path.mkdir(mode=0o711)
    return path


def test_vpm_region(pool, swap_dir):
    region = pool.alloc_vpm('a', 500 << 10, 256 << 10, swap_dir,
                            policy='fifo', sequence=2)
    assert (region.size, region.virtual_size) == (256 << 10, 500 << 10)
    assert (region.page_size, region.policy) == (4096, 'fifo')
    assert region.is_vpm
    assert os.path.dirname(region.swap_path) == str(swap_dir)
    assert os.stat(region.virtual_path).st_size == 500 << 10
    assert pool.lookup('a', 2) == region
    assert pool.info().used_size == 256 << 10
    pool.free('a', 2)
    assert os.listdir(swap_dir) == []


def test_plain_region_has_no_swap(pool):
    region = pool.alloc('a', 8192)
    assert not region.is_vpm and region.policy is None
    assert (region.virtual_size, region.swap_path) == (8192, '')
    stats = pool.stats(region.id)
    assert (stats.in_memory, stats.in_swap, stats.mrr) == (8192, 0, 100)


def test_vpm_region_stats(pool, swap_dir):
    region = pool.alloc_vpm('a', 512 << 10, 256 << 10, swap_dir)
    assert region.policy == 's3fifo'
    stats = pool.stats(region.id)
    assert (stats.in_memory, stats.faults, stats.error) == (0, 0, None)
    assert stats.mrr == 100
    with open(os.path.join(os.path.dirname(region.ram_path), 'ppt'),
              'r+b') as ppt:
        ppt.seek(4096)
        ppt.write(struct.pack('<5Q', 1 << 32 | errno.EIO, 7, 9, 30, 10))
    stats = pool.stats(region.id)
    assert (stats.in_memory, stats.in_swap) == (30 * 4096, 10 * 4096)
    assert stats.mrr == 75
    assert stats.error == ('a page could not be read from the swap file: '
                           'page 7, slot 9: Input/output error')


def test_bad_vpm_params_are_named(pool, swap_dir):
    with pytest.raises(vpm.InvalidArgument, match="'lru'; it must be one of: "
                       "fifo, s3fifo"):
        pool.alloc_vpm('a', 2 << 20, 1 << 20, swap_dir, policy='lru')
    with pytest.raises(vpm.InvalidArgument, match='no VPM is needed'):
        pool.alloc_vpm('a', 1 << 20, 1 << 20, swap_dir)
