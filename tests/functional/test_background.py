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

"""What is freed while power may fail is scrubbed later, and never shown."""

import pytest

from nova_temporality import vpm
from tests.framework import machine
from tests.framework import upsd


@pytest.fixture
def ups():
    made = upsd.Upsd('OB')
    yield made
    made.close()


@pytest.fixture
def notifier(host, ups):
    host.configure(pod_sources='nut', nut_ups='rack', nut_port=ups.port,
                   nut_poll_interval_ms=10)
    made = host.notifier()
    made.start()
    machine.wait_for(lambda: paused(made), 'the pause')
    return made


def paused(notifier):
    return notifier.call('status')['background_paused']


def content(region):
    """The bytes in a region's memory, None when it is gone."""
    try:
        with open(region.ram_path, 'rb') as ram:
            return set(ram.read())
    except FileNotFoundError:
        return None


def freed_region(host):
    region = host.guest().region
    with open(region.ram_path, 'r+b') as ram:
        ram.write(b'Z' * region.size)
    with vpm.Pool(host.pool.path) as pool:
        pool.free(region.name)
    assert content(region) == {ord('Z')}
    return region


def test_until_power_is_good(host, ups, notifier):
    assert paused(notifier) == 'a source says that power may fail'
    region = freed_region(host)
    with vpm.Pool(host.pool.path) as pool:
        with pytest.raises(vpm.NotFound):
            pool.lookup(region.name)
        assert pool.info().freed_size == region.size
        with pytest.raises(vpm.PoolFull, match='when power is good'):
            pool.alloc('next', pool.info().free_size + region.size)
    assert vpm.check(host.pool.path) == []
    assert content(region) == {ord('Z')}
    ups.status = 'OL'
    machine.wait_for(lambda: content(region) is None, 'scrubbing')
    machine.wait_for(lambda: paused(notifier) is None, 'the end of the pause')
    # Which waits for whoever scrubs.
    assert vpm.check(host.pool.path) == []
    assert host.pool.info().freed_size == 0


def test_until_its_notifier_is_dead(host, ups, notifier):
    region = freed_region(host)
    notifier.kill()
    machine.wait_for(lambda: not host.pool.is_paused(), 'its end')
    # As nova-compute does, again and again: it must not wait for a scrub.
    vpm.Pool(host.pool.path).close()
    assert content(region) == {ord('Z')}
    ups.status = 'OL'
    host.notifier().start()
    machine.wait_for(lambda: content(region) is None, 'scrubbing')


def test_until_an_outage_is_called_off(host, ups, notifier):
    ups.status = 'OL'
    machine.wait_for(lambda: not paused(notifier), 'no pause')
    notifier.call('fixate')
    machine.wait_for(lambda: paused(notifier), 'a pause')
    assert 'raised by operator' in paused(notifier)
    region = freed_region(host)
    notifier.call('resume')
    machine.wait_for(lambda: content(region) is None, 'scrubbing')
    machine.wait_for(lambda: paused(notifier) is None, 'the end of the pause')
