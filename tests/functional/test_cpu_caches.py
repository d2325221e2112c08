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

"""A state is marked only when the CPU caches were written back."""

import os
import time

import pytest

from nova_temporality.host import paths
from nova_temporality.notifier import power
from nova_temporality.notifier.pvm import attempts
from nova_temporality.notifier.pvm import conditions
from nova_temporality.notifier.pvm import pvm
from nova_temporality.notifier.pvm import rounds
from nova_temporality.vpm import engine
from tests.framework import machine


class Platform:
    """Stands for persistence_domain.Platform."""

    remedy = 'another host'
    nvdimms = ()

    def __init__(self, problem=None):
        self.problem = lambda: problem


@pytest.fixture
def fixate_on(host):
    """Fixate a guest on a Platform; return it, the Pvm and its report."""
    made = []

    def fixate(platform, caches=None):
        guest = host.booted()
        # As the notifier does.
        os.makedirs(os.path.dirname(paths.stopped_note(host.run_dir, '')))
        host.engine.ensure(host.config_file)
        fixates = engine.Engine(host.run_dir)
        assert fixates.wait_connected(machine.PATIENCE)
        if caches is not None:
            fixates.write_back_by(caches)
        one = pvm.Pvm(host.pool, fixates, guest.region, host.run_dir, 60,
                      platform, rounds.Rounds(host.run_dir, 60))
        made.append(one)
        one.check().result()
        deadline_ns = time.monotonic_ns() + 20 * 10**9
        return guest, one, one.fixate(power.PowerEvent.now('test'),
                                      deadline_ns).wait_report()
    yield fixate
    for one in made:
        one.close()


def test_armed_after_the_others_were_fired(fixate_on):
    guest, _one, outcome = fixate_on(Platform())
    assert outcome.result == attempts.FIXATED
    assert outcome.fixated_ms
    assert guest.proven()


def test_no_marker_if_caches_are_not_written_back(fixate_on):
    with open('/dev/null') as no_driver:
        guest, _one, outcome = fixate_on(Platform(), no_driver.fileno())
    assert outcome.result == attempts.FAILED
    assert 'CPU caches are not written back' in outcome.reason
    assert not guest.proven()
    assert guest.stands_still()


def test_host_that_loses_cpu_caches_protects_nobody(fixate_on):
    guest, one, outcome = fixate_on(Platform('no eADR here'))
    assert one.condition == conditions.Condition(
        conditions.NOT_ARMED, 'no eADR here', 'another host',
        conditions.MEMORY_UNSAFE)
    assert outcome.result == attempts.FAILED
    assert outcome.reason == 'no eADR here'
    assert not guest.proven()
    guest.wait_counting()
