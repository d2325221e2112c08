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

"""The shipped units let engine and notifier do all their work."""

import shutil

import pytest

from tests.framework import machine
from tests.framework import sandbox

pytestmark = pytest.mark.skipif(not shutil.which('systemd-analyze'),
                                reason='no systemd-analyze')


@pytest.fixture
def notifier(host):
    """A notifier, and an engine, as systemd runs them."""
    host.engine.program = sandbox.command('temporality-engine.service',
                                          'nova_temporality.cmd.engine')
    return host.notifier(sandbox.command('temporality-notifier.service',
                                         'nova_temporality.cmd.notifier'))


def test_drill_and_power_cut(host, notifier):
    guest = host.booted()
    notifier.protect(guest)
    notifier.call('health')
    report = notifier.call('drill')
    assert machine.outcome(report, guest)['result'] == 'fixated'
    report = notifier.power_fails()
    assert machine.outcome(report, guest)['result'] == 'fixated'
    [resumed] = notifier.call('resume')
    assert resumed['result'] == 'resumed'
    guest.wait_counting()


def test_reboot(host, notifier):
    guest = host.booted()
    notifier.protect(guest)
    report = notifier.call('fixate-for-reboot')
    assert machine.outcome(report, guest)['ended']
    assert guest.proven()


def test_suspend(host, notifier):
    guest = host.booted()
    notifier.protect(guest)
    notifier.call('suspend', name=guest.name)
    assert guest.proven()
