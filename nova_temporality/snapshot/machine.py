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

"""What a snapshot needs to know of a server's machine, from its XML."""

import dataclasses
import json
import os
import subprocess
from typing import Any

from lxml import etree

from nova_temporality.snapshot import error
from nova_temporality.snapshot import plain_files

# Seconds for qemu-img to read a header.
_PATIENCE = 30

# Files that an image rests on, one on the other; Nova makes chains of two.
_CHAIN_MOST = 32


@dataclasses.dataclass(frozen=True)
class Machine:
    """The parts that a snapshot depends on.

    :ivar genid: generation ID; None for one that has none to change
    :ivar vcpus: their number
    :ivar macs: addresses of its network interfaces, sorted
    :ivar disks: paths of the disks that it writes to
    :ivar read_only: paths of files that it only reads, base images mostly
    """

    genid: str | None
    vcpus: int
    macs: list[str]
    disks: list[str]
    read_only: list[str]


def examine(xml: str) -> Machine:
    """Tell what the machine of a recorded domain is.

    :raises SnapshotError: it has disks that cannot be copied
    """
    root = etree.fromstring(xml)
    disks: list[str] = []
    read_only: list[str] = []
    for disk in root.findall('devices/disk'):
        source = disk.find('source')
        if source is None:
            continue  # an empty drive
        path = source.get('file')
        if disk.get('type') != 'file' or not path:
            raise error.SnapshotError(
                "disk %s of type '%s' is no local file; only servers all of "
                'whose disks are can be copied (volumes have snapshots of '
                'their own)' % (disk.find('target').get('dev'),
                                disk.get('type')))
        (disks if disk.find('readonly') is None else read_only).append(path)
        if disk.find('driver').get('type') == 'qcow2':
            read_only += _backing(path)
    return Machine(
        root.findtext('genid'), int(root.findtext('vcpu')),
        sorted(mac.get('address')
               for mac in root.findall('devices/interface/mac')),
        disks, read_only)


def _backing(path: str) -> list[str]:
    """Files that a qcow2 image rests on.

    The host wrote its header, but its QEMU may have written another one. So
    one file is examined after the other, each of which has to be plain.
    """
    chain: list[str] = []
    now: str = path
    kind: str | None = 'qcow2'
    while kind != 'raw':
        _check_plain(now)
        image = _examine(now, kind)
        if 'full-backing-filename' not in image:
            break
        now = image['full-backing-filename']
        kind = image.get('backing-filename-format')
        if now in chain or now == path:
            raise error.SnapshotError('%s rests on itself' % now)
        if len(chain) == _CHAIN_MOST:
            raise error.SnapshotError(
                '%s rests on more than %d files, one on the other. Who made '
                'them?' % (path, _CHAIN_MOST))
        _check_plain(now)
        chain.append(now)
    return chain


def _check_plain(path: str) -> None:
    try:
        plain_files.open_plain(os.path.realpath(path)).close()
    except OSError as exc:
        raise error.SnapshotError('%s cannot be examined: %s' %
                                  (path, exc.strerror))


def _examine(path: str, kind: str | None) -> dict[str, Any]:
    command = ['qemu-img', 'info', '--force-share', '--output=json']
    if kind:
        command += ['-f', kind]
    try:
        done = subprocess.run(
            command + [path], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, encoding='utf-8', errors='replace', check=True,
            timeout=_PATIENCE)
        image: dict[str, Any] = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        raise error.SnapshotError('%s cannot be examined: qemu-img does not '
                                  'end' % path)
    except subprocess.CalledProcessError as exc:
        raise error.SnapshotError('%s cannot be examined: %s'
                                  % (path, exc.stderr.strip()))
    return image


def forked(xml: bytes, genid: str, uid: int) -> bytes:
    """The recorded domain of a fork.

    :param xml: of the domain that it is a fork of
    :param genid: its new generation ID
    :param uid: of its region, which may be another one than before
    """
    root = etree.fromstring(xml)
    root.find('genid').text = genid
    for label in root.findall("seclabel[@model='dac']/label"):
        label.text = '+%d:%s' % (uid, label.text.split(':')[1])
    return etree.tostring(root)
