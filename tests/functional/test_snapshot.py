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

"""A pVM is copied, runs on, and is put back."""

import os
import subprocess
import threading
import uuid

import pytest

from nova_temporality.notifier import client
from nova_temporality.snapshot import error
from nova_temporality import vpm
from nova_temporality.vpm import lease
from tests.framework import machine
from tests.framework import snapshots

# On the disk, where the guest does not write.
_PLACE = 64 << 10


@pytest.fixture
def disk(tmp_path):
    """A directory on XFS, which can share blocks."""
    image = tmp_path / 'xfs.img'
    with open(image, 'wb') as stream:
        stream.truncate(512 << 20)
    subprocess.run(['mkfs.xfs', '-q', '-m', 'reflink=1', image], check=True)
    path = tmp_path / 'xfs'
    path.mkdir()
    subprocess.run(['mount', '-o', 'loop', image, path], check=True)
    yield path
    subprocess.run(['umount', path], check=True)


def write_disk(guest, data):
    with open(guest.image, 'r+b') as image:
        image.seek(_PLACE)
        image.write(data)


def read_disk(guest):
    with open(guest.image, 'rb') as image:
        image.seek(_PLACE)
        return image.read(8)


def test_guest_is_what_it_was(host, accel, tmp_path):
    guest = host.guest(accel)
    kept, notifier = snapshots.protected(host, guest, tmp_path)
    first = guest.genid
    assert set(snapshots.generations(guest, first).values()) == {first}
    write_disk(guest, b'of then!')

    manifest = kept.make(notifier)

    # It runs on, and may be fixated as before.
    guest.wait_counting()
    assert not guest.proven()
    assert notifier.state(guest) == 'armed'
    assert kept.conditions() == {'one': 'complete'}
    assert manifest['stood_still_ms'] > 0
    write_disk(guest, b'of later')
    later = guest.counter()

    host.power_cut()
    kept.load()

    assert guest.proven()
    assert kept.handed_over == [guest.genid] != [first]
    assert not kept.unfinished()
    then = guest.counter()
    assert 0 < then < later
    assert read_disk(guest) == b'of then!'
    guest.recover()
    guest.wait_counting()
    assert guest.boots() == 1
    assert guest.counter() > then
    # The guest sees that it is another one.
    assert set(snapshots.generations(
        guest, first, guest.genid).values()) == {guest.genid}


def test_it_is_loaded_as_often_as_the_operator_forks(host, tmp_path):
    guest = host.guest()
    kept, notifier = snapshots.protected(host, guest, tmp_path)
    kept.make(notifier)
    genids = {guest.genid}
    for _ in range(2):
        host.power_cut()
        kept.load()
        guest.recover()
        guest.wait_counting()
        genids.add(guest.genid)
    assert len(genids) == 3
    with kept.named('one') as snapshot:
        assert snapshot.entry().loads == 2


def test_paged_guest_is_what_it_was(host, accel, tmp_path):
    guest = host.vpm_guest(accel, percent=40)
    kept = snapshots.Snapshots(guest, tmp_path)
    guest.boot()
    guest.run_steps(2000)
    notifier = host.notifier()
    notifier.protect(guest)

    kept.make(notifier)

    guest.run_steps(2000)
    host.power_cut()
    kept.load()
    assert vpm.check(host.pool.path) == []
    assert guest.stats().in_swap > 0
    guest.recover()
    # It finds all that it wrote to memory and disk until then, and no more.
    guest.run_steps(2000)
    assert guest.boots() == 1


def test_disks_share_blocks(disk, host):
    guest = host.vpm_guest(directory=disk)
    # The guest runs on, and blocks that it writes are not shared any more. So
    # its disk is only the beginning of the file.
    own = guest.image.stat().st_size
    guest.disk = {'driver': 'raw', 'size': own, 'file': guest.disk}
    with open(guest.image, 'ab') as image:
        for _ in range(64):
            image.write(b'x' * (1 << 20))
    kept, notifier = snapshots.protected(host, guest, disk)

    files = kept.make(notifier)['files']

    assert files['disk-0']['cloned']
    assert files['disk-0']['size'] == own + (64 << 20)
    assert not files['swap'].get('cloned')
    with kept.named('one') as snapshot:
        assert snapshots.shared_bytes(
            snapshot.path('disk-0'), own) == 64 << 20
        assert snapshots.shared_bytes(snapshot.path('swap')) == 0
        # The operator is told what the copy takes besides.
        copied = sum(os.stat(snapshot.path(name)).st_blocks * 512
                     for name, about in files.items()
                     if not about.get('cloned'))
        assert copied <= snapshot.entry().size < copied + (1 << 20)
    host.power_cut()
    kept.load()
    guest.recover()
    guest.run_steps(100)


def test_region_that_was_given_back(host, tmp_path):
    guest = host.vpm_guest()
    kept, notifier = snapshots.protected(host, guest, tmp_path)
    kept.make(notifier)
    host.power_cut()
    host.pool.free(guest.name)
    guest.region = guest._alloc(guest.region.virtual_size)
    with pytest.raises(error.SnapshotError, match='given back'):
        kept.load()
    assert not kept.unfinished()


def test_guest_that_runs_is_not_overwritten(host, tmp_path):
    guest = host.guest()
    kept, notifier = snapshots.protected(host, guest, tmp_path)
    kept.make(notifier)
    with pytest.raises(lease.RegionInUse):
        kept.load()
    guest.wait_counting()
    assert not kept.unfinished()


@pytest.mark.parametrize('why', ['an outage', 'unknown'])
def test_refusals_of_the_notifier(host, tmp_path, why):
    guest = host.booted()
    notifier = host.notifier()
    notifier.protect(guest)
    name = guest.name
    if why == 'an outage':
        notifier.power_fails()
    else:
        name = str(uuid.uuid4())
    with pytest.raises(client.NotifierError, match=why if why != 'unknown'
                       else 'knows no pVM'):
        notifier.call('snapshot', name=name, directory=str(tmp_path),
                      disks={}, at_most=0)


def test_power_fails_while_it_is_copied(host, tmp_path):
    """The copying ends at once, and the fixation is the state."""
    guest = host.guest()
    kept, notifier = snapshots.protected(
        host, guest, tmp_path, [machine.NOTIFIER_AT, 'power-fails-at-copy'])

    with pytest.raises(client.NotifierError, match='came first'):
        kept.make(notifier)

    assert kept.conditions().get('one') in (None, 'incomplete')
    report = notifier.outage()
    assert machine.outcome(report, guest)['result'] == 'fixated'
    host.power_cut()
    assert guest.proven()
    guest.recover()
    guest.wait_counting()
    assert guest.boots() == 1


def test_notifier_is_ended_while_it_copies(host, tmp_path):
    """Also a copy that hangs lets the guest run on, and does so at once."""
    guest = host.guest()
    kept, notifier = snapshots.protected(
        host, guest, tmp_path, [machine.NOTIFIER_AT, 'hang-at-copy'])
    errors = []

    def make():
        try:
            kept.make(notifier)
        except client.NotifierError as e:
            errors.append(str(e))
    thread = threading.Thread(target=make, daemon=True)
    thread.start()
    machine.wait_for(lambda: list(tmp_path.rglob('copying')), 'the copying')
    assert guest.proven()

    assert notifier.end() == 0

    guest.wait_counting()
    assert not guest.proven()
    thread.join(machine.PATIENCE)
    assert errors
    assert kept.conditions().get('one') in (None, 'incomplete')


def test_notifier_is_killed_while_it_copies(host, tmp_path):
    guest = host.guest()
    kept, notifier = snapshots.protected(
        host, guest, tmp_path, [machine.NOTIFIER_AT, 'at-copy'])

    with pytest.raises(client.NotifierError):
        kept.make(notifier)

    assert guest.stands_still()
    assert guest.proven()
    # The next one lets it run on.
    host.notifier().start()
    guest.wait_counting()
    assert not guest.proven()


def test_vcpus_run_while_it_is_copied(host, tmp_path):
    guest = host.guest()
    kept, notifier = snapshots.protected(host, guest, tmp_path)
    notifier.power_fails()

    def interfere():
        host.pool.begin_epoch(guest.region.id)

    with pytest.raises(vpm.Unproven):
        kept.make_fixated(check=interfere)
    assert kept.conditions() == {}
