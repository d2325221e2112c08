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

"""Machines that flavors and images of databases ask for."""

from lxml import etree
import pytest

from pocketcloud import host
from pocketcloud import tenant

from tests.cloud import actors
from tests.cloud import helpers


@pytest.fixture
def uefi_image(cloud):
    """The guest's image, to be started by UEFI on a q35."""
    connected = tenant.connect()
    plain = connected.image.find_image(tenant.IMAGE)
    made = tenant.upload(
        connected, 'uefi', tenant.GUEST / 'root.img', 'bare',
        kernel_id=plain.kernel_id, ramdisk_id=plain.ramdisk_id,
        os_command_line=plain.os_command_line, hw_machine_type='q35',
        hw_firmware_type='uefi')
    yield made
    connected.image.delete_image(made)


def test_one_numa_cell_and_uefi(servers, flavors, uefi_image):
    flavors('tp.cell', '--ram', '256', '--property', 'hw:numa_nodes=1')
    cell = actors.Actor(servers, 'tp.cell', 'cell',
                        metadata={'persistent': 'true'})
    uefi = actors.Actor(servers, name='uefi', image_id=uefi_image.id,
                        metadata={'persistent': 'true'})
    helpers.wait_pvms([cell.id, uefi.id], 'armed')
    before = [actor.life() for actor in (cell, uefi)]

    helpers.power_fails([cell.id, uefi.id])
    host.power_cut()
    helpers.boot()
    helpers.wait_pvms([cell.id, uefi.id], 'armed')

    for actor, life in zip((cell, uefi), before):
        after = actor.life()
        assert after.boot_id == life.boot_id
        assert after.uptime >= life.uptime
    root = etree.fromstring(host.domain(cell.id))
    assert len(root.findall('cputune/vcpupin')) == 1
    assert root.findall('numatune') + root.findall('cpu/numa') == []
    assert etree.fromstring(host.domain(uefi.id)).find('os/nvram') is not None
