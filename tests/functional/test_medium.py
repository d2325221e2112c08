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

"""Nobody is armed on another medium than that which the pool was made on."""

import pytest

from nova_temporality import vpm
from tests.framework import machine
from tests.framework import pools


@pytest.fixture
def host(nvram, make_host):
    """A Host whose pool says that it was made on DAX."""
    path = nvram + '/pool'
    vpm.Pool.create(path, total_size=64 << 20, state_size=4 << 20,
                    descriptors=2, uid_base=0).close()
    pools.make_on(path, 'dax')
    with vpm.Pool(path) as pool:
        yield make_host(pool)


def test_mounted_without_dax(host):
    guest = host.booted()
    notifier = host.notifier()
    notifier.start()

    assert notifier.state(guest) == 'not armed'
    pvm = notifier.pvm(guest.name)
    assert 'was made on DAX' in pvm['reason']
    assert 'dax=always' in pvm['remedy']
    status = notifier.call('status')
    assert status['platform']['caches'] == 'nobody'
    assert 'was made on DAX' in status['platform']['detail']

    report = notifier.power_fails()

    outcome = machine.outcome(report, guest)
    assert outcome['result'] == 'failed'
    assert 'was made on DAX' in outcome['reason']
    assert not guest.proven()
