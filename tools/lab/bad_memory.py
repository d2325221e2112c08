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

"""Memory that is bad after a power cut, and whose trouble that is.

QEMU's NVDIMM knows no errors, so the kernel is told of bad blocks of the
device, as it is by firmware: what is mapped of them gives SIGBUS.
"""

import json
import re

from lab import compute_host
from lab import drills
from lab import machine
from lab import servers

# What is bad: kind of the server, which of its files, and which of that
# file's blocks.
_CASES = {'state': ('resident', 'state', 0),
          'memory': ('resident', 'ram', 0x800),
          'page table': ('paged', 'ppt', 0),
          'frame': ('paged', 'ram', 0x400)}

_BLOCK = 4096
_SECTOR = 512
# They are bad from the boot on, before anybody looks at them.
_UNIT = '''[Unit]
DefaultDependencies=no
After=var-lib-temporality-nvram.mount
Before=temporality-engine.service temporality-notifier.service
Before=nova-compute.service
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'echo %d %d >/sys/block/pmem0/badblocks'
[Install]
WantedBy=multi-user.target
'''
_NAME = 'bad-blocks.service'


def run(count):
    """Have each of _CASES happen; print a line of JSON for each.

    :returns: whether it never was another server's trouble
    """
    with machine.wait_booted() as agent:
        compute_host.look(agent)
    uuids = servers.there(count)
    return all([_is_own_trouble(case, uuids) for case in _CASES])


def _is_own_trouble(case, uuids):
    kind, name, block = _CASES[case]
    with machine.connect() as agent:
        servers.wait_all(agent, uuids, 'armed')
        kinds = {uuid: agent.ask('cat /var/lib/nova/instances/%s/kind' % uuid)
                 for uuid in uuids}
        victim = next(uuid for uuid in uuids if kinds[uuid] == kind)
        agent.ask("cat >/etc/systemd/system/%s <<'END'\n%sEND\n"
                  'systemctl enable %s && sync' % (_NAME, _UNIT % (
                      sector(agent, victim, name, block), _BLOCK // _SECTOR),
                      _NAME))
        drills.fail(agent, 'signal')
        servers.wait_all(agent, uuids, 'fixated')
    machine.cut_power()
    machine.switch_on()
    outcomes = servers.outcomes()
    verdicts = {uuid: drills.verdict(outcomes.get(uuid), True)
                for uuid in uuids}
    print(json.dumps({'bad': case, 'victim': victim, 'verdicts': verdicts,
                      'outcomes': list(outcomes.values())}), flush=True)
    with machine.connect() as agent:
        agent.ask('systemctl disable %s && sync' % _NAME)
        others = [uuid for uuid in uuids if uuid != victim]
        servers.wait_all(agent, others, 'armed')
    return all(verdicts[uuid] == drills.SURVIVED for uuid in others)


def sector(agent, uuid, name, block):
    """Which sector of the device has a block of a file of a server."""
    listing = agent.ask(
        'filefrag -b%d -v /var/lib/temporality/nvram/*/regions/'
        '"$(temporality region list -f value -c ID %s)"/%s' % (
            _BLOCK, uuid, name))
    for extent in re.findall(
            r'^ *\d+: *(\d+)\.\. *(\d+): *(\d+)\.\.', listing, re.M):
        first, last, physical = map(int, extent)
        if first <= block <= last:
            return (physical + block - first) * _BLOCK // _SECTOR
    raise ValueError('%s has no block %d:\n%s' % (name, block, listing))
