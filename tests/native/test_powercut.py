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

"""Power cuts on file systems that forget what was not synced.

A loop-mounted file system is shut down at each persistence step of each
operation: what only the page cache held is lost, as in a power cut. Then it
is mounted again, and the pool must be sound, all or nothing must have
happened, and a bystander must not have noticed.
"""

import ctypes
import functools
import os
import pathlib
import shutil
import subprocess
import traceback

import pytest

from nova_temporality import vpm
from tests.framework import native_build

SIZE = 256 << 10
OTHER = 'bystander'
VICTIM = 'victim'


class FileSystem:
    """A file system in a file, on a loop device."""

    def __init__(self, kind, directory):
        self.kind = kind
        self.image = directory / 'image'
        self.path = directory / 'mnt'
        self.pool = self.path / 'pool'
        self.path.mkdir()
        with open(self.image, 'wb') as image:
            image.truncate(320 << 20)
        native_build.run(['mkfs.' + kind, '-q', self.image])

    def mount(self):
        native_build.run(['mount', '-o', 'loop', self.image, self.path])

    def unmount(self):
        native_build.run(['umount', self.path])

    def cut_power(self):
        native_build.run(['xfs_io', '-x', '-c', 'shutdown', self.path])
        self.unmount()
        self.mount()


@pytest.fixture(params=['ext4', 'xfs'])
def fs(request, tmp_path):
    assert os.geteuid() == 0, 'run as root: the tests mount file systems'
    return FileSystem(request.param, tmp_path)


def own_mounts():
    CLONE_NEWNS = 0x20000
    assert ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNS) == 0
    native_build.run(['mount', '--make-rslave', '/'])


def mounted(test):
    """Run a test in a child process with a mount namespace of its own.

    What it mounts goes with it, and no namespace that is made meanwhile, such
    as those of QEMUs, gets a copy.  What others unmount goes here, too.
    """
    @functools.wraps(test)
    def in_child(fs, **fixtures):
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                own_mounts()
                fs.mount()
                test(fs, **fixtures)
                status = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    return in_child


def create(fs):
    return vpm.Pool.create(fs.pool, total_size=1 << 20, state_size=64 << 10,
                           descriptors=8)


def fill(region, byte):
    with open(region.ram_path, 'r+b') as ram:
        ram.write(byte * region.size)
        os.fsync(ram.fileno())


def holds(region, byte):
    return pathlib.Path(region.ram_path).read_bytes() == byte * region.size


def fixate(pool, id, stream=b'state'):
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, 'rb') as source:
        with os.fdopen(write_end, 'wb') as sink:
            sink.write(stream)
        with pool.open_fixation(id) as fixation:
            fixation.begin()
            fixation.receive(source)
            fixation.commit(vpm.FixationMeta(runstate='running'))


def is_proven(pool, id):
    try:
        pool.verify_state(id)
    except vpm.Unproven:
        return False
    return True


def add_fixated(pool, name):
    region = pool.alloc(name, SIZE)
    pool.begin_epoch(region.id)
    fill(region, b'\xaa')
    fixate(pool, region.id)


def find(pool, name):
    try:
        return pool.lookup(name)
    except vpm.NotFound:
        return None


def operate(fs, step, *words):
    """Run one operation up to a step; tell whether it was stopped there."""
    result = subprocess.run([native_build.crash_program(), str(step), fs.pool,
                             *[str(word) for word in words]])
    assert result.returncode in (0, native_build.CRASHED)
    return result.returncode == native_build.CRASHED


def prepare_fixated(pool):
    if find(pool, VICTIM):
        pool.free(VICTIM)
    add_fixated(pool, VICTIM)


def prepare_none(pool):
    if find(pool, VICTIM):
        pool.free(VICTIM)


def prepare_stale(pool):
    prepare_fixated(pool)
    pool.begin_epoch(pool.lookup(VICTIM).id)


def check_alloc(pool, stopped):
    region = find(pool, VICTIM)
    assert region or stopped
    if region:
        assert holds(region, b'\0')


def check_free(pool, stopped):
    region = find(pool, VICTIM)
    assert not region or stopped
    if region:
        assert holds(region, b'\xaa')
        assert is_proven(pool, region.id)


def check_scrub(pool, stopped):
    region = pool.lookup(VICTIM)
    if is_proven(pool, region.id):
        assert stopped
        assert holds(region, b'\xaa')
    elif not stopped:
        assert holds(region, b'\0')


def check_epoch(pool, stopped):
    region = pool.lookup(VICTIM)
    assert region.epoch == 2 or stopped
    assert is_proven(pool, region.id) == (region.epoch == 1)
    assert holds(region, b'\xaa')


def check_fixate(pool, stopped):
    region = pool.lookup(VICTIM)
    proven = is_proven(pool, region.id)
    assert proven or stopped
    if proven:
        assert pool.verify_state(region.id).length == 9000
    assert holds(region, b'\xaa')


@pytest.mark.parametrize('operation, prepare, check, number', [
    ('alloc', prepare_none, check_alloc, SIZE),
    ('free', prepare_fixated, check_free, 0),
    ('scrub', prepare_fixated, check_scrub, 0),
    ('epoch', prepare_fixated, check_epoch, 0),
    ('fixate', prepare_stale, check_fixate, 9000),
], ids=lambda value: value if isinstance(value, str) else '')
@mounted
def test_power_cut_at_each_step(fs, operation, prepare, check, number):
    with create(fs) as pool:
        add_fixated(pool, OTHER)
    stopped = True
    step = 0
    while stopped:
        with vpm.Pool(fs.pool) as pool:
            prepare(pool)
        stopped = operate(fs, step, operation, VICTIM, number)
        fs.cut_power()
        with vpm.Pool(fs.pool) as pool:
            pool.finish_freed()
            assert vpm.check(fs.pool) == []
            check(pool, stopped)
            other = pool.lookup(OTHER)
            assert holds(other, b'\xaa')
            assert is_proven(pool, other.id)
        step += 1
    assert step > 5


@mounted
def test_new_pool_survives_power_cut(fs):
    create(fs).close()
    fs.cut_power()
    assert vpm.check(fs.pool) == []


@mounted
def test_medium_is_file_and_flush_is_msync(fs):
    with create(fs) as pool:
        assert (pool.info().medium, pool.info().flush) == ('file', 'msync')


@mounted
def test_other_device_number_is_the_same_device(fs, tmp_path):
    create(fs).close()
    number = os.stat(fs.pool).st_dev
    fs.unmount()
    (tmp_path / 'more').mkdir()
    FileSystem('ext4', tmp_path / 'more').mount()
    fs.mount()
    assert os.stat(fs.pool).st_dev != number
    vpm.Pool(fs.pool).close()


@mounted
def test_copy_on_another_file_system_is_refused(fs, tmp_path):
    create(fs).close()
    native_build.run(['cp', '-a', fs.pool, tmp_path / 'copy'])
    with pytest.raises(vpm.ForeignPool, match='is a copy or was moved'):
        vpm.Pool(tmp_path / 'copy')


@mounted
def test_space_is_written_not_only_reserved(fs):
    """A later fault must not have to change metadata."""
    with create(fs) as pool:
        region = pool.alloc(VICTIM, SIZE)
    state = os.path.join(os.path.dirname(region.ram_path), 'state')
    for path in (region.ram_path, state):
        extents = native_build.run(['filefrag', '-v', path])
        assert 'unwritten' not in extents
        assert os.stat(path).st_blocks * 512 >= os.stat(path).st_size


@mounted
def test_full_file_system_is_rolled_back(fs):
    with vpm.Pool.create(fs.pool, total_size=256 << 20,
                         state_size=64 << 10, descriptors=8) as pool:
        in_use = shutil.disk_usage(fs.path)
        with open(fs.path / 'filler', 'wb') as filler:
            os.posix_fallocate(filler.fileno(), 0, in_use.free - (64 << 20))
        with pytest.raises(vpm.PoolFull, match='file system of the pool'):
            pool.alloc(VICTIM, 128 << 20)
        assert pool.regions() == []
        assert pool.info().used_size == 0
        assert os.listdir(fs.pool / 'regions') == []
        pool.alloc(VICTIM, 8 << 20)
    assert vpm.check(fs.pool) == []
