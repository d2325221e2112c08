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
"""What a block device is to the kernel, whatever its path."""

import os

import pytest

from nova_temporality.host import device_identity

NAA = 'naa.600140512345678901234567890abcde'


@pytest.fixture
def name(tmp_path, monkeypatch):
    """A device with an attribute; return its name."""
    monkeypatch.setattr(device_identity, '_SYSFS', str(tmp_path))
    numbers = iter(range(100))

    def make(attribute, text):
        minor = next(numbers)
        path = tmp_path / ('8:%d' % minor) / attribute
        (tmp_path / ('8:%d' % minor)).mkdir()
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(text)
        return device_identity.of(os.makedev(8, minor))

    return make


def test_scsi(name):
    assert name('device/wwid', NAA.encode() + b'\n') == NAA
    assert name('device/wwid', NAA.upper().encode()) == NAA


def test_multipath_is_its_paths(name):
    assert name('dm/uuid', b'mpath-3' + NAA[4:].encode()) == NAA
    assert name('dm/uuid', b'mpath-20002ac0000000001') == (
        name('device/wwid', b'eui.0002ac0000000001'))


def test_partition_is_of_its_disk(name, tmp_path):
    (tmp_path / 'device').mkdir()
    (tmp_path / 'device/wwid').write_text(NAA)
    assert name('partition', b'1') == NAA


def test_nvme(name):
    assert name('wwid', b'uuid.1F0d') == 'uuid.1f0d'
    assert name('wwid', b'eui.0025') == 'eui.0025'


def test_virtio(name):
    assert name('serial', b'Volume-1\n') == 'serial.Volume-1'


def test_lvm_and_luks(name):
    """The name by which LUKS is opened is that of a path."""
    assert name('dm/uuid', b'LVM-' + b'aB' * 32) == 'lvm.' + 'ab' * 32
    one, other = (name('dm/uuid', b'CRYPT-LUKS2-' + b'0f' * 16 + b'-' + path)
                  for path in (b'crypt-sdb', b'crypt-dm-3'))
    assert one == other == 'luks.' + '0f' * 16


@pytest.mark.parametrize(('attribute', 'text'), [
    ('device/wwid', b't10.IET     00010001'),
    ('wwid', b'nvme.1af4-51-00000001'),
    ('dm/uuid', b'CRYPT-PLAIN-crypt-sdb'), ('dm/uuid', b'mpath-1ATA'),
    ('device/wwid', b''), ('device/wwid', b'\xff'), ('other', b'x')])
def test_what_changes_with_each_start_of_a_target_is_no_name(name, attribute,
                                                             text):
    assert name(attribute, text) is None


def test_differ():
    differ = device_identity.differ
    assert differ('naa.1', 'naa.2')
    assert not differ('naa.1', 'naa.1')
    # by iSCSI before, by LVM on top of it now
    assert not differ('naa.1', 'lvm.1')
    assert not differ(None, 'naa.1')
    assert not differ('naa.1', None)
