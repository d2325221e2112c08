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

"""Making and loading snapshots as the command does, without Nova."""

import fcntl
import functools
import os
import struct
from unittest import mock
import uuid

from lxml import etree

from nova_temporality.snapshot import loading
from nova_temporality.snapshot import making
from nova_temporality.snapshot import saving
from nova_temporality.snapshot import store

_DOMAIN = """<domain>
  <genid>%s</genid>
  <vcpu>1</vcpu>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw'/>
      <source file='%s'/>
      <target dev='vda' bus='virtio'/>
    </disk>
  </devices>
</domain>"""

# linux/fs.h, linux/fiemap.h
_FS_IOC_FIEMAP = 0xc020660b
_FIEMAP_FLAG_SYNC = 1
_FIEMAP_EXTENT_SHARED = 0x2000
_EXTENTS_MOST = 1000


class Snapshots:
    """The snapshots of one guest.

    :param guest: machine.Guest, not yet started
    :param directory: pathlib.Path of a directory for all that is made
    """

    def __init__(self, guest, directory):
        guest.genid = str(uuid.uuid4())
        self._guest = guest
        self.top = str(directory / 'snapshots')
        self.domain = directory / (guest.name + '.xml')
        self.domain.write_text(_DOMAIN % (guest.genid, guest.image))
        self.handed_over = []

    def named(self, name):
        return store.Snapshot(self.top, self._guest.name, name)

    def make(self, notifier, name='one'):
        """Have the notifier copy it; return the manifest."""
        return self._make(name, functools.partial(
            notifier.call, 'snapshot', name=self._guest.name))

    def make_fixated(self, name='one', check=lambda: None):
        """Copy it as it stands still; return the manifest."""
        return self._make(name, lambda directory, disks, at_most: saving.save(
            self._guest.pool, self._guest.region, directory, disks, at_most,
            check))

    def _make(self, name, copy):
        snapshot = self.named(name)
        making.make(snapshot, self.domain.read_text,
                    lambda directory, disks, at_most: copy(
                        directory=directory, disks=disks, at_most=at_most),
                    saving.memory_size(self._guest.region), 1 << 30)
        return snapshot.manifest()

    def load(self, name='one'):
        """Load one as a fork; the guest's next QEMU is that fork."""
        guest, fork = self._guest, str(uuid.uuid4())
        with self.named(name) as snapshot:
            loading.load(guest.pool, guest.region, snapshot, fork,
                         str(self.domain), mock.Mock(hand_over=lambda: (
                             self.handed_over.append(fork))))
        guest.genid = etree.parse(self.domain).findtext('genid')
        assert guest.genid == fork

    def unfinished(self):
        """Whether a load was cut off."""
        return loading.unfinished(self._guest.pool.path, self._guest.name)

    def conditions(self):
        return {entry.name: entry.condition
                for entry in store.entries(self.top, self._guest.name)}


def protected(host, guest, directory, program=None):
    """Boot a guest and protect it.

    :param guest: machine.Guest, not yet started
    :param directory: see Snapshots
    :param program: see machine.Notifier
    :returns: its Snapshots and its notifier
    """
    kept = Snapshots(guest, directory)
    guest.boot()
    notifier = host.notifier(program)
    notifier.protect(guest)
    return kept, notifier


def generations(guest, *genids):
    """Those of some generation IDs that a guest sees, by where they are.

    :param guest: machine.Guest, fully resident
    """
    with open(guest.region.ram_path, 'rb') as ram:
        memory = ram.read()
    found = {}
    for page in range(0, len(memory), 4096):
        # Where firmware put it for QEMU (docs/specs/vmgenid).
        seen = memory[page + 40:page + 56]
        found.update((page, genid) for genid in genids
                     if seen == uuid.UUID(genid).bytes_le)
    return found


def shared_bytes(path, start=0):
    """How much of a file, from an offset on, is in blocks that others share.

    :returns: bytes
    """
    length = os.path.getsize(path) - start
    # struct fiemap, then struct fiemap_extent, of linux/fiemap.h
    request = struct.Struct('=QQIIII')
    extent = struct.Struct('=QQQ16xI12x')
    answer = bytearray(request.size + _EXTENTS_MOST * extent.size)
    request.pack_into(answer, 0, start, length, _FIEMAP_FLAG_SYNC, 0,
                      _EXTENTS_MOST, 0)
    with open(path, 'rb') as file:
        fcntl.ioctl(file, _FS_IOC_FIEMAP, answer)
    count = request.unpack_from(answer)[3]
    assert count < _EXTENTS_MOST, 'more extents than there is room for'
    shared = 0
    for number in range(count):
        logical, _physical, size, flags = extent.unpack_from(
            answer, request.size + number * extent.size)
        if flags & _FIEMAP_EXTENT_SHARED:
            shared += (min(logical + size, start + length) -
                       max(logical, start))
    return shared
