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

"""Flavors that ask for more than memory and vCPUs."""

from lxml import etree

from pocketcloud import host

from tests.cloud import actors


def test_one_numa_cell(servers, flavors):
    flavors('tp.cell', '--ram', '256', '--property', 'hw:numa_nodes=1')
    actor = actors.Actor(servers, 'tp.cell',
                         metadata={'persistent': 'true'})
    actor.wait_armed()
    before = actor.life()

    actor.power_cut()

    after = actor.life()
    assert after.boot_id == before.boot_id
    assert after.uptime >= before.uptime
    root = etree.fromstring(host.domain(actor.id))
    assert len(root.findall('cputune/vcpupin')) == 1
    assert root.findall('numatune') + root.findall('cpu/numa') == []
