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


"""What the NVDIMMs below a pool say, and what becomes of a pVM then."""

import os
import threading
import time

import pytest

from nova_temporality.host import nvdimm_notes
from nova_temporality.host import nvdimms
from nova_temporality.host import paths
from nova_temporality.notifier import power
from nova_temporality.notifier.pvm import attempts
from nova_temporality.notifier.pvm import conditions
from nova_temporality.notifier.pvm import pvm
from nova_temporality.notifier.pvm import rounds
from nova_temporality.notifier.pvm import waves
from nova_temporality import vpm
from nova_temporality.vpm import engine
from tests.framework import machine

SOUND = nvdimms.Nvdimm('nmem0', 'a', dirty_shutdowns=4)
GROWN = nvdimms.Nvdimm('nmem0', 'a', dirty_shutdowns=5)
NOT_ARMED = nvdimms.Nvdimm('nmem0', 'a', is_armed=False)


class Platform:
    """Stands for persistence_domain.Platform."""

    remedy = ''
    is_dram = False
    nvdimms = (SOUND,)

    def problem(self):
        return None


@pytest.fixture
def platform():
    return Platform()


@pytest.fixture
def guest(host):
    return host.booted()


@pytest.fixture
def one(host, guest, platform):
    """The Pvm of the guest."""
    # As the notifier does.
    os.makedirs(os.path.dirname(paths.stopped_note(host.run_dir, '')))
    host.engine.ensure(host.config_file)
    fixates = engine.Engine(host.run_dir)
    assert fixates.wait_connected(machine.PATIENCE)
    made = pvm.Pvm(host.pool, fixates, guest.region, host.run_dir, 60,
                   platform, rounds.Rounds(host.run_dir, 60))
    made.check().result()
    yield made
    made.close()
    # It may still write into the pool.
    machine.wait_for(lambda: not made.is_alive, 'its thread has ended')


def drill(one):
    nobody_else = threading.Event()
    nobody_else.set()
    attempt, future = one.drill(power.PowerEvent.now('test'), deadline(),
                                waves.Wave([], 0), nobody_else)
    future.result()
    assert attempt.wait_report().result == attempts.FIXATED


def deadline():
    return time.monotonic_ns() + 20 * 10**9


def test_not_armed_while_one_is_not(one, platform):
    assert one.condition.state == conditions.ARMED
    platform.nvdimms = (NOT_ARMED,)
    one.check().result()
    assert one.condition.state == conditions.NOT_ARMED
    assert 'nmem0' in one.condition.reason
    assert one.condition.remedy
    platform.nvdimms = (SOUND,)
    one.check().result()
    assert one.condition.state == conditions.ARMED


@pytest.mark.parametrize('drills', [0, 1])
def test_counter_that_grows_after_the_fixation(host, guest, one, monkeypatch,
                                               drills):
    """Noted ahead of each epoch, so it is the state's."""
    for _number in range(drills):
        drill(one)
    report = one.fixate(power.PowerEvent.now('test'), deadline())
    assert report.wait_report().result == attempts.FIXATED

    monkeypatch.setattr(nvdimm_notes, 'boot_id', lambda: 'the next one')
    found = [SOUND]
    monkeypatch.setattr(nvdimms, 'below', lambda *args: found)
    assert nvdimm_notes.proven_state(host.pool, guest.region)
    found[:] = [GROWN]
    with pytest.raises(vpm.Unproven, match='nmem0 counts 5'):
        nvdimm_notes.proven_state(host.pool, guest.region)


def test_no_marker_on_one_that_is_not_armed(guest, one, platform):
    """Its state might survive on another NVDIMM, its memory would not."""
    platform.nvdimms = (NOT_ARMED,)
    one.check().result()
    report = one.fixate(power.PowerEvent.now('test'), deadline()).wait_report()
    assert report.result == attempts.FAILED
    assert 'nmem0' in report.reason
    assert not guest.proven()
