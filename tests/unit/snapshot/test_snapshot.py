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

"""Snapshots: what is complete, what fits, and what a crash leaves.

With a real pool and real files. What a power cut leaves after each durable
change is what is there when the next one fails, and nothing is done after it.
"""

import itertools
import os
import pathlib
from unittest import mock

import pytest

from nova_temporality.host import durable
from nova_temporality.snapshot import error
from nova_temporality.snapshot import files
from nova_temporality.snapshot import loading
from nova_temporality.snapshot import machine
from nova_temporality.snapshot import making
from nova_temporality.snapshot import saving
from nova_temporality.snapshot import store
from nova_temporality import vpm
from nova_temporality.vpm import lease
from tests.framework import pools
from tests.unit.snapshot import conftest


class PowerCut(BaseException):
    """Nothing is done after it, but what the kernel does."""


class Cutter:
    """Cuts the power before the nth durable change, or never."""

    def __init__(self, monkeypatch):
        self.left = None
        for owner, name in ((durable, 'sync'), (os, 'rename'), (os, 'mkdir'),
                            (os, 'unlink'), (os, 'fsync'),
                            (vpm.Pool, 'scrub'), (vpm.Pool, 'begin_epoch'),
                            (vpm.Fixation, 'begin'),
                            (vpm.Fixation, 'receive'),
                            (vpm.Fixation, 'commit'), (files, 'copy')):
            monkeypatch.setattr(owner, name, self._counted(
                getattr(owner, name)))

    def _counted(self, function):
        def call(*args, **kwargs):
            if self.left is not None:
                if self.left == 0:
                    raise PowerCut()
                self.left -= 1
            return function(*args, **kwargs)
        return call

    def run(self, number, function):
        """Run a function until the cut; return whether it got to its end."""
        self.left = number
        try:
            function()
            return True
        except PowerCut:
            return False
        finally:
            self.left = None


def test_there_and_back(make_server, paged):
    server = make_server(paged)
    then = server.everything()
    snapshot = server.make()
    manifest = snapshot.manifest()
    assert manifest['vcpus'] == 1
    assert manifest['macs'] == ['fa:16:3e:00:00:01']
    server.be_stopped()

    server.load()

    memory, disks, _forked = then
    assert server.contents() == (memory, disks, True)
    state = server.pool.verify_state(server.region.id)
    assert state.length == len(b'then-state')
    assert state.meta.wall_ns == pools.META.wall_ns
    assert state.meta.runstate == pools.META.runstate
    assert state.meta.signal_ns <= state.persisted_ns
    assert not server.unfinished()
    assert server.snapshot().entry().loads == 1
    # Its label is that of the region, which may have got another user id.
    assert b'+%d:+8' % server.region.uid in server.domain.read_bytes()


def test_nobody_else_can_read_it(server):
    snapshot = server.make()
    for path in (server.snapshots, os.path.dirname(snapshot.directory),
                 snapshot.directory):
        assert os.stat(path).st_mode & 0o777 == 0o700
    for one in os.scandir(snapshot.directory):
        assert one.stat().st_mode & 0o777 == 0o600, one.name


def test_directory_that_others_can_read(server):
    os.mkdir(server.snapshots, 0o755)
    with pytest.raises(error.SnapshotError, match='0755.*0700'):
        server.make()


@pytest.mark.parametrize('name', ['', '..', '.x', 'a/b', 'x' * 65, 'a\n'])
def test_bad_names(server, name):
    with pytest.raises(error.SnapshotError, match='must be'):
        server.snapshot(name)


def test_name_is_taken(server):
    server.make()
    with pytest.raises(error.SnapshotError, match='already'):
        server.make()
    assert server.condition() == {'one': 'complete'}


def test_only_one_at_a_time(server):
    with server.make():
        with pytest.raises(error.SnapshotError, match='another process'):
            server.load()


def test_not_fixated(server):
    server.pool.begin_epoch(server.region.id)
    with pytest.raises(vpm.Unproven):
        server.make()
    assert server.condition() == {}


def test_it_runs_and_is_fixated_again_meanwhile(server):
    directory = server.top / 'copy'
    directory.mkdir()
    with pytest.raises(error.SnapshotError, match='ran while'):
        saving.save(server.pool, server.region, str(directory), {}, 0,
                    check=lambda: server.become(b'later'))


def test_machine_changes_meanwhile(server):
    texts = iter([server.domain.read_text(), '<domain/>'])
    with pytest.raises(error.SnapshotError, match='changed meanwhile'):
        making.make(server.snapshot(), lambda: next(texts),
                    lambda directory, disks, at_most: {'files': {}}, 0, 0)
    assert server.condition() == {}


def test_power_cut_while_it_is_made(make_server, monkeypatch, paged):
    """It is complete, and can be loaded, or incomplete, and can be deleted."""
    cutter = Cutter(monkeypatch)
    seen = set()
    for number in itertools.count():
        server = make_server(paged)
        before = server.contents()
        ended = cutter.run(number, server.make)
        assert server.contents() == before
        condition = server.condition().get('one')
        seen.add(condition)
        if condition == 'complete':
            server.be_stopped()
            server.load()
            assert server.contents()[:2] == before[:2]
        elif condition:
            with pytest.raises(error.SnapshotError, match='incomplete'):
                server.load()
            with server.snapshot() as snapshot:
                snapshot.delete()
            assert server.condition() == {}
            server.make()
        if ended:
            break
    assert number > 10
    assert seen == {None, 'incomplete', 'complete'}


def test_power_cut_while_it_is_deleted(make_server, monkeypatch):
    cutter = Cutter(monkeypatch)
    seen = set()
    for number in itertools.count():
        server = make_server()

        def delete():
            with server.snapshot() as snapshot:
                snapshot.delete()
        ram = pathlib.Path(server.make().path('ram'))
        # So that it would be the first to go.
        data = ram.read_bytes()
        ram.unlink()
        ram.write_bytes(data)
        ended = cutter.run(number, delete)
        condition = server.condition().get('one')
        seen.add(condition)
        if ended:
            break
        if condition == 'complete':
            server.snapshot().verify(server.snapshot().manifest())
        if condition:
            delete()
        assert server.condition() == {}
    assert seen == {'complete', 'incomplete', None}


@pytest.mark.parametrize('suspended', [False, True])
def test_power_cut_while_it_is_loaded(make_server, monkeypatch, paged,
                                      suspended):
    """As it was, or as it was then, or refused until it is loaded again."""
    cutter = Cutter(monkeypatch)
    seen = set()
    for number in itertools.count():
        server = make_server(paged)
        memory, disks, _forked = server.contents()
        then = (memory, disks, True)
        server.make()
        server.be_stopped()
        if suspended:
            server.become(b'later')
        before = server.everything()
        handed_over = []
        ended = cutter.run(number, lambda: server.load(
            hand_over=lambda: handed_over.append(server.contents())))
        if server.unfinished():
            outcome = 'refused'
        elif server.everything() == before:
            outcome = 'before'
            assert (server.contents() is not None) == suspended
        else:
            outcome = 'then'
            assert server.contents() == then
        seen.add(outcome)
        # Nova never gets to know of less than all of it.
        assert handed_over in ([], [then])
        assert not ended or outcome == 'then'
        # What proves itself is all of it.
        if server.contents() not in (None, before):
            assert server.contents() == then
        server.load()
        assert server.contents() == then
        assert not server.unfinished()
        if ended:
            break
    assert number > 20
    assert seen == {'before', 'refused', 'then'}


def test_memory_in_use_is_not_overwritten(server):
    server.make()
    take = mock.Mock()
    with open(server.region.ram_path, 'r+b'):
        with pytest.raises(lease.RegionInUse):
            server.load(take=take)
    assert not take.called
    assert not server.unfinished()


def refuse():
    raise error.SnapshotError('it is being started')


def test_nova_does_something_else_with_it(server):
    server.make()
    server.be_stopped()
    before = server.everything()
    with pytest.raises(error.SnapshotError, match='being started'):
        server.load(take=refuse)
    assert server.everything() == before
    assert not server.unfinished()


def test_nova_does_not_take_it_over(server):
    server.make()
    server.be_stopped()
    given_back = []
    with pytest.raises(error.SnapshotError, match='being started'):
        server.load(hand_over=refuse,
                    give_back=lambda: given_back.append(True))
    assert given_back
    assert server.contents() is None
    assert server.unfinished()
    with pytest.raises(error.SnapshotError, match='being started'):
        server.load(take=refuse)
    assert server.unfinished()


def test_region_is_scrubbed_meanwhile(server, monkeypatch):
    """As a start does that had begun before the load."""
    server.make()
    server.be_stopped()
    note_load = store.Snapshot.note_load

    def scrub(*args):
        server.pool.scrub(server.region.id)
        note_load(*args)
    monkeypatch.setattr(store.Snapshot, 'note_load', scrub)
    with pytest.raises(vpm.Unproven):
        server.load()
    assert server.contents() is None
    assert server.unfinished()


@pytest.mark.parametrize('name', ['ram', 'state', 'disk-1', 'domain.xml'])
@pytest.mark.parametrize('how', ['changed', 'shorter', 'missing'])
def test_damaged_file(server, name, how):
    snapshot = server.make()
    server.be_stopped()
    before = server.everything()
    path = snapshot.path(name)
    if how == 'missing':
        os.unlink(path)
    elif how == 'shorter':
        os.truncate(path, os.path.getsize(path) - 1)
    else:
        with open(path, 'r+b') as stream:
            byte = stream.read(1)
            stream.seek(0)
            stream.write(bytes([byte[0] ^ 1]))
    with pytest.raises(error.SnapshotError, match=name):
        server.load()
    assert server.everything() == before
    assert not server.unfinished()


@pytest.mark.parametrize('damage', [
    lambda text: text.replace('"vcpus": 1', '"vcpus": 2'),
    lambda text: text[:-5],
    lambda text: '{}',
    lambda text: '[1]',
])
def test_damaged_manifest(server, damage):
    snapshot = server.make()
    path = pathlib.Path(snapshot.path('manifest.json'))
    path.write_text(damage(path.read_text()))
    with pytest.raises(error.SnapshotError, match='damaged'):
        server.load()
    assert server.condition() == {'one': 'damaged'}


def test_snapshot_of_another_server(server):
    server.make()
    other = conftest.SERVER[:-1] + '2'
    os.rename(os.path.join(server.snapshots, conftest.SERVER),
              os.path.join(server.snapshots, other))
    with store.Snapshot(server.snapshots, other, 'one') as snapshot:
        with pytest.raises(error.SnapshotError, match='another snapshot'):
            snapshot.manifest()


@pytest.mark.parametrize('key, words', [
    ('genid', 'no generation ID'), ('memory_size', 'bytes of memory'),
    ('nvram_size', 'bytes of NVRAM'), ('page_size', 'bytes per page')])
def test_what_does_not_fit(server, key, words):
    manifest = dict(server.make().manifest())
    loading.check(manifest, server.region)
    manifest[key] = None if key == 'genid' else 12345
    with pytest.raises(error.SnapshotError, match=words):
        loading.check(manifest, server.region)


def test_base_image_is_another_one(server):
    manifest = dict(server.make().manifest())
    base = server.top / 'base'
    base.write_bytes(b'of then')
    manifest['read_only'] = {str(base): files.digest(base)}
    loading.check(manifest, server.region)
    base.write_bytes(b'another')
    with pytest.raises(error.SnapshotError, match='rests on'):
        loading.check(manifest, server.region)
    base.unlink()
    with pytest.raises(error.SnapshotError, match='rests on'):
        loading.check(manifest, server.region)


def test_disk_is_gone(server):
    server.make()
    server.be_stopped()
    server.disks[0].unlink()
    with pytest.raises(error.SnapshotError, match='no disk .*disk-a'):
        server.load()


def test_volumes_are_refused():
    with pytest.raises(error.SnapshotError, match="vdc of type 'block'"):
        machine.examine(conftest.DOMAIN % (conftest.SERVER, """
<disk type="block" device="disk"><driver type="raw"/>
<source dev="/dev/sdx"/><target dev="vdc"/></disk>"""))


def test_machine_of_an_earlier_release():
    found = machine.examine('<domain><vcpu>2</vcpu><devices>'
                            '<disk type="file" device="cdrom">'
                            '<target dev="hda"/></disk></devices></domain>')
    assert (found.genid, found.vcpus, found.disks) == (None, 2, [])


def test_zeros_need_no_space(tmp_path):
    source, target = tmp_path / 'source', tmp_path / 'target'
    with open(source, 'wb') as stream:
        stream.write(b'x' + bytes((4 << 20) - 1))
        stream.seek(2 << 20)
        stream.write(b'y')
    assert not files.copy(source, target)
    assert target.read_bytes() == source.read_bytes()
    assert target.stat().st_blocks * 512 < 3 << 20
