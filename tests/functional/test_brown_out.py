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


"""Power comes back by itself, goes again, and everybody may die meanwhile."""

import os
import pathlib
import re
import shutil
import tempfile
import time

from hypothesis import example
from hypothesis import given
from hypothesis import HealthCheck
from hypothesis import settings
from hypothesis import strategies as st
import pytest

from nova_temporality import vpm
from tests.framework import hosts
from tests.framework import machine
from tests.framework import upsd

# Short, so that the interesting instants are near to each other.
GRACE_MS = 20
POLL_MS = 10

FAILING = 'OB LB'
GOOD = 'OL'

# Where the notifier is killed: at these points of what it does, or anyhow.
POINTS = ['after-note', 'after-fire', 'after-begin', 'after-stop',
          'after-migrate', 'after-receive', 'before-commit', 'after-commit',
          'before-epoch', 'before-cont', 'after-cont']

STEPS = st.lists(st.one_of(
    st.sampled_from(['fails', 'returns', 'kill notifier', 'kill QEMU',
                     'settle']),
    st.sampled_from(POINTS),
    st.integers(0, 60)), min_size=1, max_size=8)


class Site:
    """A UPS, a notifier that looks at it, and one guest."""

    def __init__(self, host):
        self.host = host
        self.upsd = upsd.Upsd()
        host.configure(pod_sources='nut', nut_ups='rack',
                       nut_port=self.upsd.port, nut_poll_interval_ms=POLL_MS,
                       grace_ms=GRACE_MS)
        self.guest = host.booted()
        self.notifier = host.notifier()
        self.notifier.protect(self.guest)

    def close(self):
        self.host.power_cut()
        self.upsd.close()

    def step(self, step):
        if step == 'fails':
            self.upsd.status = FAILING
        elif step == 'returns':
            self.upsd.status = GOOD
        elif step == 'kill QEMU':
            self.guest.kill()
        elif step == 'settle':
            self.settle()
        elif isinstance(step, int):
            time.sleep(step / 1000)
        else:
            self.restart(step)

    def restart(self, point):
        """Kill the notifier; the next one may die at a point."""
        self.notifier.kill()
        self.notifier = self.host.notifier(
            None if point == 'kill notifier' else
            [machine.NOTIFIER_AT, point])
        self.notifier.launch()

    def settle(self):
        """Wait until all news have had their effect, or the notifier died."""
        wanted = (self.guest.proven if self.upsd.status == FAILING
                  else self.runs)
        machine.wait_for(lambda: self.guest.process.poll() is not None or
                         wanted() or not self.alive(), 'settled')

    def runs(self):
        return self.guest.runstate() == 'running'

    def alive(self):
        return self.notifier.process.poll() is None


def register(guest):
    """What the recovered guest counts in, before it runs."""
    with guest.monitor() as monitor:
        text = monitor.command('human-monitor-command',
                               {'command-line': 'info registers'})
    return int(re.search(r'EBX=([0-9a-f]+)', text).group(1), 16)


def assert_recovered_or_unproven(guest):
    """In the dark: the state fits the memory, or there is none."""
    counter = guest.counter()
    if not guest.proven():
        return False
    guest.start('-incoming', 'defer')
    guest.load()
    # It counts first, then stores.
    assert register(guest) in (counter, counter + 1)
    guest.pool.begin_epoch(guest.region.id)
    with guest.monitor() as monitor:
        monitor.command('cont')
    guest.wait_counting()
    assert not guest.proven()
    assert guest.boots() == 1
    return True


@pytest.fixture(scope='module')
def nvram_of_module():
    path = tempfile.mkdtemp(prefix='temporality-test-', dir='/dev/shm')
    yield path
    shutil.rmtree(path)


@settings(max_examples=15, deadline=None, derandomize=True, database=None,
          suppress_health_check=list(HealthCheck))
@given(steps=STEPS, cut=st.sampled_from(['qemu first', 'notifier first']))
@example(['fails', 'settle', 'returns', 'settle', 'fails', 'settle'],
         'qemu first')
@example(['fails', 'settle', 'returns', 25], 'qemu first')
@example(['before-epoch', 'fails', 'settle', 'returns', 60], 'qemu first')
@example(['before-cont', 'fails', 'settle', 'returns', 'settle'],
         'notifier first')
@example(['after-commit', 'fails', 'settle', 'kill notifier', 'returns',
          'settle'], 'notifier first')
def test_every_interleaving_ends_well(nvram_of_module, steps, cut):
    """The last step is always the real power cut, at any instant."""
    directory = tempfile.mkdtemp(dir=nvram_of_module)
    with vpm.Pool.create(os.path.join(directory, 'pool'),
                         total_size=64 << 20, state_size=4 << 20,
                         descriptors=2, uid_base=0) as pool:
        site = Site(hosts.Host(pool, os.path.join(directory, 'run'),
                               pathlib.Path(directory)))
        try:
            for step in steps:
                site.step(step)
            ends = [site.guest.kill, site.notifier.kill]
            if cut == 'notifier first':
                ends.reverse()
            for end in ends:
                end()
            site.host.power_cut()
            assert_recovered_or_unproven(site.guest)
        finally:
            site.close()
    shutil.rmtree(directory)


@pytest.fixture
def site(host):
    site = Site(host)
    yield site
    site.close()


class TestBrownOut:

    def test_guest_runs_on_as_if_nothing_happened(self, site):
        for _ in range(2):
            before = site.guest.counter()
            site.step('fails')
            site.settle()
            assert site.guest.proven()
            site.step('returns')
            site.settle()
            site.guest.wait_counting()
            assert site.guest.counter() > before
            assert not site.guest.proven()
            assert site.guest.capabilities() == set()
            assert site.notifier.state(site.guest) == 'armed'
        assert site.guest.boots() == 1

    def test_cut_during_the_grace_period(self, host, site):
        host.configure(pod_sources='nut', nut_ups='rack',
                       nut_port=site.upsd.port, nut_poll_interval_ms=POLL_MS,
                       grace_ms=600000)
        site.notifier.end()
        site.notifier.protect(site.guest)
        site.step('fails')
        site.settle()
        site.step('returns')
        time.sleep(0.1)
        assert site.guest.stands_still()
        host.power_cut()
        assert assert_recovered_or_unproven(site.guest)

    @pytest.mark.parametrize('point', POINTS)
    def test_next_notifier_finishes_it(self, site, point):
        site.restart(point)
        machine.wait_for(lambda: not site.alive() or site.notifier.answers(),
                         'it looks')
        site.step('fails')
        machine.wait_for(lambda: not site.alive() or site.guest.proven(),
                         'fixated')
        site.step('returns')
        machine.wait_for(lambda: not site.alive(), 'it dies')
        site.notifier = site.host.notifier()
        site.notifier.start()
        machine.wait_for(site.runs, 'it runs on')
        site.guest.wait_counting()
        assert not site.guest.proven()
        assert site.guest.capabilities() == set()

    def test_operator_keeps_what_the_operator_stopped(self, site):
        site.notifier.call('fixate')
        site.step('fails')
        site.notifier.outage(
            lambda outage: 'nut' in outage['event']['raised_by'])
        site.step('returns')
        time.sleep(0.3)
        assert site.guest.stands_still()
        assert site.guest.proven()
        site.notifier.call('resume')
        site.guest.wait_counting()

    def test_power_fails_again_before_the_call_off(self, site):
        """A proven state is not given up when it is needed again."""
        site.step('fails')
        site.settle()
        epoch = site.guest.pool.lookup(site.guest.name).epoch
        site.guest.hang()
        site.step('returns')
        site.notifier.called_off()
        site.step('fails')
        # The third answer is asked for when the news of the first one was
        # reported. What is done about it takes much less than a second.
        answers = site.upsd.answers
        machine.wait_for(lambda: site.upsd.answers >= answers + 3, 'asked')
        time.sleep(1)
        site.guest.wake()
        site.notifier.outage(lambda outage: not outage['called_off'])
        assert site.guest.proven()
        assert site.guest.pool.lookup(site.guest.name).epoch == epoch
        assert site.guest.stands_still()

    def test_dead_qemu_of_an_outage(self, site):
        site.step('fails')
        site.settle()
        site.guest.kill()
        site.step('returns')
        site.notifier.called_off()
        # Nothing ran on, so what was saved is what will be recovered.
        assert assert_recovered_or_unproven(site.guest)
