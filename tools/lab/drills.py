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

"""Power cuts at random moments, and what becomes of the servers."""

import dataclasses
import json
import random
import time

from lab import agent as lab_agent
from lab import compute_host
from lab import layout
from lab import machine
from lab import servers

# How power fails. The POD driver takes the other two.
_WAYS = {
    'signal': lambda agent: agent.begin(
        'kill -44 $(systemctl show -P MainPID temporality-engine)'),
    'trigger': lambda agent: agent.begin(
        'echo commit >/sys/class/misc/pod/trigger'),
    'nmi': lambda _agent: machine.inject_nmi()}
_LOAD_OTHER_KERNEL = (
    'other=$(ls /boot | sed -n "s/^vmlinuz-//p" | grep -vxF "$(uname -r)" | '
    'head -n 1) && kexec -l "/boot/vmlinuz-$other" '
    '--initrd="/boot/initrd.img-$other" --reuse-cmdline')
_ANSWER = 20

# What an unproven state may say. Anything else was proven and is damaged.
_TOO_EARLY = 'there is no marker', 'it is stale'

SURVIVED = 'survived'
UNPROVEN = 'unproven'
LOST = 'lost'


@dataclasses.dataclass(frozen=True)
class Round:
    """What is done in a round.

    :ivar run_s: for how long servers run before
    :ivar cut_ms: from the signal to the cut; None: when all are fixated
    :ivar again_s: from the boot to another cut; None: there is none
    :ivar way: how power fails, one of _WAYS
    """

    run_s: float
    cut_ms: float | None
    again_s: float | None
    way: str

    @classmethod
    def of(cls, seed, number):
        """The same for the same seed and number."""
        chance = random.Random('%s %d' % (seed, number))
        run_s = chance.uniform(0, 10)
        cut_ms = None if chance.random() < 0.25 else (
            10 ** chance.uniform(0, 4))
        again_s = chance.uniform(10, 90) if chance.random() < 0.25 else None
        return cls(run_s, cut_ms, again_s, chance.choice(list(_WAYS)))


def verdict(outcome, must_survive):
    """What became of a server.

    :param outcome: see labhost.recovery; None if it is not there any more
    :param must_survive: whether it was fixated before the cut
    """
    if outcome is None:
        return LOST
    dark, after = outcome['dark'], outcome.get('after')
    if outcome['unproven'] is None:
        goes_on = (outcome['result'] == 'resumed' and
                   after['boots'] == dark['boots'] and not after['wrong'])
        return SURVIVED if goes_on else LOST
    too_early = any(why in outcome['unproven'] for why in _TOO_EARLY)
    is_sound = outcome['result'] == 'given up' and not after['wrong']
    return UNPROVEN if too_early and is_sound and not must_survive else LOST


def fail(agent, way):
    """Have power fail in one of _WAYS."""
    _WAYS[way](agent)


def _cut(one, uuids):
    """Have power fail, and cut it."""
    with machine.connect() as agent:
        servers.wait_all(agent, uuids, 'armed')
        time.sleep(one.run_s)
        fail(agent, one.way)
        if one.cut_ms is None:
            servers.wait_all(agent, uuids, 'fixated')
        else:
            time.sleep(one.cut_ms / 1000)
        machine.cut_power()


def _boot(again_s):
    machine.switch_on()
    if again_s is not None:
        time.sleep(again_s)
        machine.cut_power()
        machine.switch_on()
    return servers.outcomes()


def run(rounds, seed, first, count):
    """Run rounds; print a line of JSON for each, and one at the end.

    :returns: whether nothing was lost
    :raises NotReady: the machine's NVRAM does not survive a power cut
    """
    if layout.NVRAM != 'nvdimm':
        raise machine.NotReady(
            'a power cut takes the NVRAM of this machine away (LAB_NVRAM=%s): '
            'try make lab-reboot' % layout.NVRAM)
    with machine.wait_booted() as agent:
        host = compute_host.look(agent)
    counts = {SURVIVED: 0, UNPROVEN: 0, LOST: 0}
    uuids = servers.there(count)
    for number in range(first, first + rounds):
        one = Round.of(seed, number)
        began = time.monotonic()
        _cut(one, uuids)
        # A second cut may have come when servers ran again.
        must_survive = one.cut_ms is None and one.again_s is None
        outcomes = _boot(one.again_s)
        verdicts = {}
        for uuid in uuids:
            verdicts[uuid] = verdict(outcomes.get(uuid), must_survive)
            counts[verdicts[uuid]] += 1
        print(json.dumps(dict(
            dataclasses.asdict(one), round=number, seed=seed,
            verdicts=verdicts, outcomes=list(outcomes.values()),
            seconds=round(time.monotonic() - began))), flush=True)
    print(json.dumps(dict(rounds=rounds, **counts, **host)), flush=True)
    return counts[LOST] == 0


def _boot_id():
    """Which boot of the machine this is; None if it does not answer."""
    try:
        with lab_agent.Agent(_ANSWER) as agent:
            return agent.ask('cat /proc/sys/kernel/random/boot_id')
    except lab_agent.AgentError:
        return None


def reboot(count, kexec):
    """Have the machine reboot itself; all servers have to run on.

    :param kexec: whether into its other kernel, without its firmware
    :returns: whether they do
    """
    with machine.wait_booted() as agent:
        host = compute_host.look(agent)
    uuids = servers.there(count)
    before = _boot_id()
    with machine.connect() as agent:
        servers.wait_all(agent, uuids, 'armed')
        if kexec:
            agent.ask(_LOAD_OTHER_KERNEL)
        agent.begin('systemctl %s' % ('kexec' if kexec else 'reboot'))
    servers.wait('reboot', lambda: _boot_id() not in (None, before))
    outcomes = servers.outcomes()
    verdicts = {uuid: verdict(outcomes.get(uuid), True) for uuid in uuids}
    # Nothing was cut off: no unit may have failed.
    with machine.wait_booted() as agent:
        after = agent.ask('uname -r').strip()
    print(json.dumps(dict(host, kernel_after=after, verdicts=verdicts,
                          outcomes=list(outcomes.values()))), flush=True)
    return set(verdicts.values()) == {SURVIVED}
