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

"""Disks that fail when they are flushed or written, by either route."""

import contextlib
import os
import shutil
import subprocess

import pytest

from tests.framework import machine


@pytest.fixture(params=['migrate', 'snapshot'])
def any_route(request):
    """What makes the notifier take one of the two routes."""
    if request.param == 'migrate':
        return None
    return [machine.NOTIFIER_AT, 'snapshot-route']


def test_disk_that_cannot_be_flushed(host, tmp_path, any_route):
    # An IDE disk has a write cache, whatever its driver knows about that.
    guest = host.guest(disk_device='ide-hd')
    image = shutil.copy(guest.image, tmp_path)  # tmpfs may not do direct I/O
    guest.disk = failing(dict(guest.disk, filename=str(image)),
                         iotype='flush')
    guest.cache = {'direct': True}
    guest.boot()
    notifier = host.notifier(any_route)
    notifier.protect(guest)

    report = notifier.power_fails()

    assert machine.outcome(report, guest)['result'] == 'failed'
    assert 'QEMU cannot save' in machine.outcome(report, guest)['reason']
    assert not guest.proven()
    assert notifier.call('resume')[0]['result'] == 'resumed'
    guest.wait_counting()


def test_disk_error_is_survived(host, any_route):
    """A request that failed is kept, and made again by the next QEMU."""
    guest = host.guest()
    disk = guest.disk
    guest.disk = failing(disk, iotype='write')
    guest.boot(wait=False)
    machine.wait_for(lambda: guest.runstate() == 'io-error', 'the error')
    notifier = host.notifier(any_route)
    notifier.protect(guest)
    notifier.power_fails()
    host.power_cut()

    guest.disk = disk
    assert guest.recover().meta.runstate == 'io-error'
    guest.wait_counting()
    with open(guest.image, 'rb') as image:
        first = image.read(512)
        assert image.read(512) == first


@pytest.fixture
def full(host, tmp_path):
    """A guest whose disk grows in a file system that is full; what fills it.
    """
    small = tmp_path / 'small'
    small.mkdir()
    subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=1M', 'tmpfs',
                    str(small)], check=True)
    guest = host.guest()
    overlay = small / 'overlay'
    subprocess.run(['qemu-img', 'create', '-q', '-f', 'qcow2', '-b',
                    str(guest.image), '-F', 'raw', str(overlay)], check=True)
    guest.disk = {'driver': 'qcow2',
                  'file': {'driver': 'file', 'filename': str(overlay)}}
    filler = small / 'filler'
    with open(filler, 'wb', buffering=0) as stream:
        with contextlib.suppress(OSError):
            while stream.write(bytes(4096)):
                pass
    yield guest, filler
    guest.kill()
    subprocess.run(['umount', str(small)], check=True)


def test_full_disk_is_told_and_survived(host, full):
    guest, filler = full
    guest.boot(wait=False)
    machine.wait_for(lambda: guest.runstate() == 'io-error', 'the error')
    notifier = host.notifier()
    notifier.protect(guest)

    said = notifier.pvm(guest.name)
    assert 'stands still' in said['reason']
    assert 'openstack server unpause' in said['remedy']
    # It stays armed, which no look at it interrupts.
    assert notifier.state(guest) == 'armed'
    assert notifier.pvm(guest.name) == said

    # What libvirt does for "openstack server pause" and "unpause".
    with guest.monitor() as monitor:
        monitor.command('cont')
    machine.wait_for(lambda: guest.runstate() == 'io-error',
                     'the error again')
    os.unlink(filler)
    with guest.monitor() as monitor:
        monitor.command('cont')
    guest.wait_counting()
    assert guest.boots() == 1
    machine.wait_for(lambda: notifier.state(guest) == 'armed' and
                     notifier.pvm(guest.name)['reason'] is None,
                     'nothing to be told')


def failing(disk, **rule):
    """A disk on which some requests fail."""
    return {'driver': 'blkdebug', 'image': disk,
            'inject-error': [dict(rule, event='none')]}
