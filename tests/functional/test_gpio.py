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

"""A GPIO line as the host's source, read by the engine, with real QEMUs."""

import signal

import pytest

from tests.framework import gpio_stand_in
from tests.framework import machine
from tests.framework import pod_stand_in


@pytest.fixture
def chip(tmp_path, monkeypatch):
    with pod_stand_in.seen(gpio_stand_in.Chip(tmp_path), tmp_path,
                           monkeypatch) as made:
        yield made


@pytest.fixture
def notifier(host, chip):
    host.configure(pod_sources='gpio', gpio_chip=chip.path, gpio_line=3,
                   grace_ms=300)
    return host.notifier()


def source(notifier):
    """Return how the only source is."""
    found, = notifier.call('status')['sources']
    return found


@pytest.mark.parametrize('how', [signal.SIGSTOP, signal.SIGKILL])
def test_the_notifier_is_not_needed(host, chip, notifier, how):
    """It hears later what it has missed, and that power is back."""
    guest = host.booted()
    notifier.protect(guest)
    machine.wait_for(lambda: source(notifier)['state'] == 'good', 'heard')
    notifier.process.send_signal(how)
    chip.drive(False)
    machine.wait_for(guest.proven, 'fixated')
    assert guest.stands_still()

    if how == signal.SIGSTOP:
        notifier.process.send_signal(signal.SIGCONT)
    else:
        notifier.process.wait()
        notifier.start()
    assert notifier.outage()['event']['raised_by'] == ['gpio']
    assert source(notifier)['state'] == 'commit'
    chip.drive(True)
    machine.wait_for(lambda: not guest.proven(), 'called off')
    guest.wait_counting()


def test_chip_that_vanishes(chip, notifier):
    """The state of the source says so."""
    notifier.start()
    machine.wait_for(lambda: source(notifier)['state'] == 'good', 'heard')
    found = source(notifier)
    assert found['is_sound'] and found['heard'] and found['since']
    chip.unplug()
    machine.wait_for(lambda: source(notifier)['state'] == 'lost', 'told')
    assert not source(notifier)['is_sound']
