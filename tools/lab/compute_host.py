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

"""The machine as a compute host: made once, and looked at."""

import json
import shutil
import subprocess

from lab import disk
from lab import layout
from lab import machine

_TOP = layout.TOP
_HERE = _TOP / 'tools/lab'


class NotAsItShould(Exception):
    """The machine is not what the laboratory needs."""


def hand_over():
    """Put what runs in the machine where it sees it."""
    shutil.rmtree(layout.SHARE, ignore_errors=True)
    layout.SHARE.mkdir(parents=True)
    shutil.copytree(_TOP / 'tools/labhost', layout.SHARE / 'labhost')
    shutil.copy(_TOP / 'tests/framework/checker_report.py',
                layout.SHARE / 'labhost')
    for name in ('provision.sh', 'ask.py'):
        shutil.copy(_HERE / name, layout.SHARE)
    # The tests' own guest.
    subprocess.run(
        [layout.VENV / 'bin/python', '-c',
         'import shutil, sys; from tests.framework import vpm_machine; '
         'shutil.copy(vpm_machine.kernel(), sys.argv[1])',
         layout.SHARE / 'checker'], check=True, cwd=_TOP)


def make():
    """Make disk and NVDIMM, and have the host be a compute host."""
    machine.cut_power()
    shutil.rmtree(layout.HOME, ignore_errors=True)
    hand_over()
    disk.make()
    if layout.NVRAM == 'nvdimm':
        with layout.NVDIMM.open('wb') as nvdimm:
            nvdimm.truncate(layout.NVDIMM_MIB << 20)
    machine.switch_on()
    with machine.connect() as agent:
        agent.ask('exec sh /mnt/lab/provision.sh %s %s '
                  '>/var/log/provision.log 2>&1' % (
                      layout.NVRAM, layout.FILESYSTEM))
        if layout.NVRAM == 'dram':
            # It would lose its NVRAM.
            return
        agent.begin('systemctl poweroff')
    machine.wait_off()


def look(agent):
    """Make sure that its NVRAM is right and its servers' QEMUs are confined.

    :returns: what the report of the drills says of it
    """
    pool = json.loads(agent.ask('temporality pool show -f json'))
    mount = json.loads(agent.ask(
        'findmnt -J -o FSTYPE,OPTIONS /var/lib/temporality/nvram'))
    [mount] = mount['filesystems']
    found = {'kernel': agent.ask('uname -r').strip(),
             'filesystem': mount['fstype'], 'medium': pool['medium']}
    medium = 'vaulted' if layout.NVRAM == 'vault' else 'dax'
    if (found['medium'], found['filesystem']) != (medium, layout.FILESYSTEM):
        raise NotAsItShould('its NVRAM is not %s on %s: %s' % (
            medium, layout.FILESYSTEM, found))
    if medium == 'dax' and 'dax=always' not in mount['options']:
        raise NotAsItShould('its NVRAM is mounted %s' % mount['options'])
    if agent.ask('cat /sys/module/apparmor/parameters/enabled').strip() != (
            'Y'):
        raise NotAsItShould('AppArmor is off')
    return found
