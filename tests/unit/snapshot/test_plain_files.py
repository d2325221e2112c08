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
"""Files of a tenant's user id do not hold up, or fool, who copies them."""

import fcntl
import os
import signal
import subprocess
from unittest import mock

import pytest

from nova_temporality.snapshot import error
from nova_temporality.snapshot import files
from nova_temporality.snapshot import loading
from nova_temporality.snapshot import machine
from nova_temporality.snapshot import plain_files
from nova_temporality.snapshot import saving
from nova_temporality import vpm
from tests.unit.snapshot import conftest

MIB = 1 << 20

# The kernel would have us wait for 45 seconds, or for ever.
pytestmark = pytest.mark.timeout(30)


@pytest.fixture
def path(tmp_path):
    made = tmp_path / 'file'
    made.write_bytes(b'x' * 4096)
    return made


@pytest.fixture
def hold():
    """Have a file leased."""
    held = []

    def hold(path, kind=fcntl.F_WRLCK):
        signal.signal(signal.SIGIO, signal.SIG_IGN)
        held.append(open(path, 'rb' if kind == fcntl.F_RDLCK else 'r+b'))
        fcntl.fcntl(held[-1], fcntl.F_SETLEASE, kind)

    yield hold
    for one in held:
        one.close()


def refused(call, words):
    # What is in the pool is looked at by libvpm, too.
    with pytest.raises((error.SnapshotError, vpm.VpmError), match=words):
        call()


def pipe(path):
    path.unlink()
    os.mkfifo(path)


def link(path):
    path.rename(str(path) + '.target')
    path.symlink_to(str(path) + '.target')


# -- opening -----------------------------------------------------------------

def test_pipe(path):
    pipe(path)
    for flags in os.O_RDONLY, os.O_RDWR:
        refused(lambda: plain_files.open_plain(path, flags), 'no plain file')


def test_link(path):
    link(path)
    refused(lambda: plain_files.open_plain(path), 'no plain file')


def test_link_that_comes_meanwhile(path):
    found = os.lstat(path)
    link(path)
    with mock.patch.object(os, 'lstat', return_value=found):
        refused(lambda: plain_files.open_plain(path), 'symbolic link')


def test_device():
    """Opening some of them has effects."""
    with mock.patch.object(os, 'open') as opened:
        refused(lambda: plain_files.open_plain('/dev/null'), 'no plain file')
    assert not opened.called


def test_lease(path, hold):
    hold(path)
    refused(lambda: plain_files.open_plain(path), 'lease')


def test_lease_for_reading(path, hold):
    hold(path, fcntl.F_RDLCK)
    plain_files.open_plain(path).close()
    refused(lambda: plain_files.open_plain(path, os.O_RDWR), 'lease')


def test_owner(path):
    os.chown(path, 4711, -1)
    plain_files.open_plain(path).close()
    plain_files.open_plain(path, uid=4711).close()
    refused(lambda: plain_files.open_plain(path, uid=4712), '4711.*4712')


def test_size(path):
    plain_files.open_plain(path, at_most=4096).close()
    refused(lambda: plain_files.open_plain(path, at_most=4095), '4096 bytes')


def test_nobody_waits_for_an_ordinary_one(path):
    with plain_files.open_plain(path) as opened:
        assert opened.read() == b'x' * 4096


# -- copying -----------------------------------------------------------------

def copy_while(path, change):
    """Copy a file that is changed once copying has begun."""
    once = iter([change])

    def check():
        for call in once:
            call()

    files.copy(path, str(path) + '.copy', check=check)


@pytest.mark.parametrize('size', [0, 4096, 3 * MIB])
def test_shrinks_meanwhile(path, size):
    path.write_bytes(b'x' * (4 * MIB))
    refused(lambda: copy_while(path, lambda: os.truncate(path, size)),
            'size')


def test_hole_shrinks_meanwhile(path):
    """Nothing of it would have been copied anyway."""
    path.write_bytes(b'x')
    os.truncate(path, 4 * MIB)
    refused(lambda: copy_while(path, lambda: os.truncate(path, MIB)),
            'size')


def test_grows_meanwhile(path):
    """It may grow faster than it is copied."""
    path.write_bytes(b'x' * MIB)

    def grow():
        with open(path, 'ab') as appended:
            appended.write(b'y' * 4096)

    with pytest.raises(error.SnapshotError, match='size'):
        files.copy(path, str(path) + '.copy', check=grow)


def test_grows_while_its_digest_is_made(path):
    pread = os.pread

    def growing(fd, length, offset):
        with open(path, 'ab') as appended:
            appended.write(b'y' * 4096)
        return pread(fd, length, offset)

    with mock.patch.object(os, 'pread', growing):
        refused(lambda: files.digest(path), 'size')


# -- a server's --------------------------------------------------------------

@pytest.fixture
def files_of(make_server):
    """A paged server's files, by name, with what belongs to a tenant."""
    server = make_server(paged=True)
    ram, swap, table = server.memory()
    return server, {'ram': ram, 'swap': swap, 'ppt': table,
                    'disk': str(server.disks[0])}


NAMES = ['ram', 'swap', 'ppt', 'disk']


@pytest.mark.parametrize('name', NAMES)
def test_saving_with_a_lease(files_of, hold, name):
    server, paths = files_of
    hold(paths[name])
    refused(server.make, 'lease')
    assert server.condition() == {}


@pytest.mark.parametrize('name', NAMES)
def test_loading_with_a_lease(files_of, hold, name):
    """Of somebody who has the files open for reading."""
    server, paths = files_of
    server.make()
    server.be_stopped()
    hold(paths[name], fcntl.F_RDLCK)
    if name == 'disk':
        # It is replaced, and not written to.
        server.load()
    else:
        refused(server.load, 'lease|unavailable')
        assert server.contents() is None


@pytest.mark.parametrize('name', ['ram', 'swap', 'ppt'])
def test_filling_with_a_lease(files_of, hold, name):
    """Taken after the scrub."""
    server, paths = files_of
    snapshot = server.make()
    hold(os.path.realpath(paths[name]), fcntl.F_RDLCK)
    refused(lambda: loading._load_memory(snapshot, server.region), 'lease')


@pytest.mark.parametrize('name', ['ram', 'swap', 'ppt'])
def test_saving_what_was_made_larger(files_of, name):
    """Nobody reads terabytes of zeros, into memory at last."""
    server, paths = files_of
    os.truncate(paths[name], 1 << 40)
    refused(server.make, 'bytes')
    assert server.condition() == {}


def test_page_table_that_grows_after_it_was_opened(files_of):
    server, paths = files_of
    size = os.path.getsize(paths['ppt'])
    with mock.patch.object(saving, '_table_bound', return_value=size):
        server.make()
    with mock.patch.object(saving, '_table_bound', return_value=size - 1):
        refused(lambda: server.make('two'), 'bytes')


@pytest.mark.parametrize('make', [pipe, link])
def test_disk_that_is_none(make_server, make):
    server = make_server()
    make(server.disks[0])
    refused(server.make, 'no plain file')


@pytest.mark.parametrize('make', [pipe, link])
def test_loading_over_a_disk_that_is_none(make_server, make):
    server = make_server()
    server.make()
    server.be_stopped()
    make(server.disks[0])
    refused(server.load, 'no plain file')
    assert not server.unfinished()


def test_base_image_that_is_a_pipe(make_server):
    server = make_server()
    manifest = dict(server.make().manifest())
    base = server.top / 'base'
    base.write_bytes(b'of then')
    manifest['read_only'] = {str(base): files.digest(base)}
    pipe(base)
    refused(lambda: loading.check(manifest, server.region), 'no plain file')


def test_base_image_by_a_link(make_server):
    """As an operator may have moved it to another file system."""
    server = make_server()
    manifest = dict(server.make().manifest())
    base = server.top / 'base'
    base.write_bytes(b'of then')
    manifest['read_only'] = {str(base): files.digest(base)}
    link(base)
    loading.check(manifest, server.region)


def examine(path):
    machine.examine(conftest.DOMAIN % (conftest.SERVER, """
<disk type="file" device="disk"><driver type="qcow2"/>
<source file="%s"/><target dev="vda"/></disk>""" % path))


def overlay(path, base):
    subprocess.run(['qemu-img', 'create', '-q', '-f', 'qcow2', '-u', '-b',
                    base, '-F', 'raw', path, '1M'], check=True)


def test_overlay_whose_header_names_a_pipe(path, tmp_path):
    """Its QEMU may write there what it likes."""
    os.mkfifo(tmp_path / 'pipe')
    path.unlink()
    overlay(path, tmp_path / 'pipe')
    refused(lambda: examine(path), 'no plain file|examined')


def test_overlay_whose_header_names_a_server(path):
    path.unlink()
    overlay(path, 'nbd://127.0.0.1:1/x')
    refused(lambda: examine(path), 'nbd.*examined|no plain file')


def test_overlay_with_a_lease(path, hold):
    path.unlink()
    overlay(path, '/etc/hostname')
    hold(path)
    refused(lambda: examine(path), 'lease')
