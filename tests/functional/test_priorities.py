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

"""What matters most is safe first."""

from tests.framework import machine


def ordered(report, *guests):
    """Whether each was fixated before the next one was stopped."""
    outcomes = [machine.outcome(report, guest) for guest in guests]
    return all(one['fixated_ms'] < next_one['stopped_ms']
               for one, next_one in zip(outcomes, outcomes[1:]))


def test_in_descending_order(host):
    low, high, default, unknown = (
        host.booted(number=10), host.booted(number=90), host.booted(),
        host.booted())
    notifier = host.notifier()
    notifier.protect(low, high, default, unknown)
    assert [notifier.pvm(guest.name)['priority']
            for guest in (low, high, default)] == [10, 90, 50]

    for report in notifier.call('drill'), notifier.power_fails():
        assert ordered(report, high, default, low), report
        assert ordered(report, high, unknown, low), report
        assert all(one['result'] == 'fixated' for one in report['pvms'])
    host.power_cut()
    assert all(guest.proven() for guest in (low, high, default, unknown))


def test_next_notifier_knows(host):
    first, second = host.booted(number=51), host.booted()
    notifier = host.notifier()
    notifier.protect(first, second)
    notifier.kill()
    notifier = host.notifier()
    notifier.protect(first, second)
    assert ordered(notifier.power_fails(), first, second)


def test_hung_ones_keep_nobody_from_being_in_time(host):
    # A share of it is enough for one that is well on a busy machine.
    host.configure(timeout_ms=9000, hold_up_ms=4500)
    hung, second, third = (host.booted(number=number)
                           for number in (100, 60, 20))
    notifier = host.notifier()
    notifier.protect(hung, second, third)
    hung.hang()

    report = notifier.power_fails()

    assert machine.outcome(report, hung)['result'] == 'failed'
    # It had its share, a third, before the next one had its turn.
    assert machine.outcome(report, second)['stopped_ms'] >= 1500
    assert ordered(report, second, third)
    host.power_cut()
    assert second.proven()
    assert third.proven()
    assert not hung.proven()
