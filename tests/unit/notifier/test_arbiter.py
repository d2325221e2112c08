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


from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import pytest

from nova_temporality.notifier import arbiter
from nova_temporality.notifier import power

S = 10**9
START = 1000 * S
GRACE = 5 * S


class Host:
    """An arbiter, the pVMs as far as it knows of them, and a clock."""

    def __init__(self, sources=('nut',), confidence=None, minimum=100,
                 debounce=0, raised_by=()):
        self.arbiter = arbiter.Arbiter(
            {name: name == 'signal' for name in sources}, confidence or {},
            minimum, debounce, GRACE, raised_by)
        self.now = START
        self.raised_by = raised_by
        self.fixations = []
        self.call_offs = []
        self.alerts = 0

    def hear(self, level, name='nut', momentary=False):
        self.arbiter.add(name, power.News(level, name + ' says so', self.now,
                                          self.now, momentary))
        self.decide()
        return self

    def decide(self):
        decision, event = self.arbiter.decide(self.now, self.raised_by)
        if decision == arbiter.FIXATE:
            self.fixations.append(event)
            self.raised_by = tuple({*self.raised_by, *event.raised_by})
            self.arbiter.fixation_ended(self.now)
        elif decision == arbiter.CALL_OFF:
            self.call_offs.append(self.now)
            self.raised_by = ()
        elif decision == arbiter.ALERT:
            self.alerts += 1

    def wait(self, nanoseconds):
        """Let time pass, as the thread that asks the arbiter sees it."""
        end = self.now + nanoseconds
        while True:
            wake = self.arbiter.next_ns(self.now)
            if wake is None or wake > end:
                break
            self.now = wake
            self.decide()
        self.now = end
        return self


def test_commit_fixates_at_once():
    host = Host().hear(power.COMMIT)
    event, = host.fixations
    assert event == power.PowerEvent('nut says so', START, START, ('nut',))


def test_event_tells_of_the_first_warning_before():
    host = Host(['nut', 'gpio']).hear(power.WARN).wait(5).hear(power.WARN)
    host.hear(power.WARN, 'gpio').hear(power.COMMIT)
    assert host.fixations[0].warned_ns == START


@pytest.mark.parametrize('later', [
    {'level': power.GOOD}, {'level': power.WARN, 'momentary': True}])
def test_warning_that_is_over_is_not_told_of(later):
    host = Host(['nut', 'gpio'])
    if later['level'] == power.GOOD:
        host.hear(power.WARN)
    host.hear(**later).hear(power.COMMIT, 'gpio')
    assert host.fixations[0].warned_ns == 0


def test_warning_alerts_once_and_fixates_nothing():
    host = Host(['nut', 'gpio']).hear(power.WARN).hear(power.WARN, 'gpio')
    assert (host.alerts, host.fixations) == (1, [])
    host.hear(power.GOOD).hear(power.GOOD, 'gpio').hear(power.WARN)
    assert host.alerts == 2


def test_warning_of_a_source_that_was_lost_is_not_forgotten():
    host = Host().hear(power.WARN).hear(power.LOST)
    assert host.arbiter.is_alerted
    host.hear(power.GOOD).hear(power.LOST)
    assert not host.arbiter.is_alerted
    assert host.alerts == 1


def test_good_and_lost_do_nothing():
    host = Host().hear(power.GOOD).hear(power.LOST).wait(100 * S)
    assert (host.fixations, host.call_offs, host.alerts) == ([], [], 0)


def test_debounce():
    host = Host(debounce=S).hear(power.COMMIT).wait(S - 1)
    assert host.fixations == []
    host.wait(1)
    assert host.fixations[0].monotonic_ns == START + S
    host.wait(100 * S)
    assert len(host.fixations) == 1


def test_what_bounces_is_no_failure():
    host = Host(debounce=S)
    for _ in range(100):
        host.hear(power.COMMIT).wait(S - 1).hear(power.GOOD).wait(S // 10)
    assert host.fixations == []


def test_repeated_word_is_debounced_once():
    host = Host(debounce=S)
    for _ in range(5):
        host.hear(power.COMMIT).wait(S // 4)
    assert len(host.fixations) == 1


def test_signal_is_not_debounced():
    assert Host(['signal'], debounce=S).hear(power.COMMIT,
                                             'signal').fixations


def test_confidence_adds_up():
    host = Host(['nut', 'gpio'], {'nut': 50, 'gpio': 50})
    host.hear(power.COMMIT)
    assert host.fixations == []
    host.wait(100 * S).hear(power.COMMIT, 'gpio')
    assert host.fixations[0].raised_by == ('gpio', 'nut')


def test_confidence_needs_both_at_the_same_time():
    host = Host(['nut', 'gpio'], {'nut': 50, 'gpio': 50})
    host.hear(power.COMMIT).hear(power.GOOD).hear(power.COMMIT, 'gpio')
    assert host.fixations == []


def test_signal_counts_for_a_moment():
    host = Host(['nut', 'signal'], {'nut': 50, 'signal': 50})
    host.hear(power.COMMIT, 'signal').wait(arbiter.VOTE_NS)
    host.hear(power.COMMIT)
    assert host.fixations == []
    host.hear(power.COMMIT, 'signal')
    assert host.fixations


def test_minimum_below_one_source():
    assert Host(confidence={'nut': 30}, minimum=30).hear(
        power.COMMIT).fixations


def test_power_returns():
    host = Host().hear(power.COMMIT).wait(S).hear(power.GOOD)
    host.wait(GRACE - 1)
    assert host.call_offs == []
    host.wait(1)
    assert host.call_offs == [START + S + GRACE]
    host.wait(1000 * S)
    assert len(host.call_offs) == 1


def test_grace_starts_again_with_every_loss():
    host = Host().hear(power.COMMIT)
    for _ in range(50):
        host.hear(power.GOOD).wait(GRACE - 1).hear(power.WARN).wait(1)
    assert host.call_offs == []
    host.hear(power.GOOD).wait(GRACE)
    assert len(host.call_offs) == 1


def test_lost_sight_is_no_return():
    host = Host().hear(power.COMMIT).hear(power.LOST).wait(100 * S)
    assert host.call_offs == []
    host.hear(power.GOOD).hear(power.LOST).wait(100 * S)
    assert host.call_offs == []
    host.hear(power.GOOD).wait(GRACE)
    assert len(host.call_offs) == 1


def test_who_saw_no_failure_sees_no_return():
    host = Host(['signal', 'nut']).hear(power.GOOD)
    host.hear(power.COMMIT, 'signal').wait(100 * S)
    host.hear(power.LOST).hear(power.GOOD).wait(100 * S)
    assert host.call_offs == []


def test_alarm_before_an_outage_that_was_taken_back_is_over():
    host = Host(['signal', 'nut']).hear(power.WARN).hear(power.GOOD)
    host.hear(power.COMMIT, 'signal').wait(100 * S)
    assert host.call_offs == []


def test_nut_takes_back_what_the_signal_said_first():
    host = Host(['signal', 'nut']).hear(power.COMMIT, 'signal')
    host.hear(power.WARN).wait(100 * S)
    assert host.call_offs == []
    host.hear(power.GOOD).wait(GRACE)
    assert len(host.call_offs) == 1


def test_all_alarms_must_be_taken_back():
    host = Host(['nut', 'gpio']).hear(power.COMMIT)
    host.hear(power.COMMIT, 'gpio').hear(power.GOOD).wait(100 * S)
    assert host.call_offs == []
    host.hear(power.GOOD, 'gpio').wait(GRACE)
    assert len(host.call_offs) == 1


def test_what_an_operator_fixated_waits_for_one():
    host = Host().hear(power.COMMIT)
    host.raised_by = ('nut', power.OPERATOR)
    host.hear(power.GOOD).wait(100 * S)
    assert host.call_offs == []


def test_operator_is_not_contradicted_by_a_condition_acted_upon():
    host = Host().hear(power.COMMIT)
    host.raised_by = ()  # temporality resume
    host.wait(100 * S)
    assert len(host.fixations) == 1
    host.hear(power.GOOD).hear(power.COMMIT)
    assert len(host.fixations) == 2


def test_outage_of_an_earlier_notifier():
    host = Host(raised_by=('nut',)).wait(100 * S)
    assert host.call_offs == []
    host.hear(power.GOOD).wait(GRACE)
    assert len(host.call_offs) == 1


def test_outage_of_an_earlier_notifier_raised_by_others():
    host = Host(raised_by=('signal',)).hear(power.GOOD).wait(100 * S)
    assert host.call_offs == []


def test_news_from_during_a_fixation_are_part_of_it():
    host = Host(['nut', 'gpio']).hear(power.COMMIT)
    host.arbiter.fixation_ended(START + S)
    host.now = START + S // 2
    host.hear(power.COMMIT, 'gpio')
    assert len(host.fixations) == 1
    host.now = START + S + 1
    host.hear(power.GOOD, 'gpio').hear(power.COMMIT, 'gpio')
    assert len(host.fixations) == 2


@pytest.mark.parametrize('name, confidence, suffices', [
    ('signal', 100, True), ('signal', 99, False), ('nut', 100, True),
    ('nut', 99, False)])
def test_source_that_is_sufficient_alone(name, confidence, suffices):
    host = Host(['nut', 'signal'], {name: confidence})
    assert host.arbiter.is_sufficient(name) == suffices
    # And then it does always begin a fixation, once it is debounced.
    if suffices:
        host.hear(power.COMMIT, name).wait(S)
        assert len(host.fixations) == 1


def test_grace_is_forgiven():
    host = Host()
    for expected in (1, 2, 4):
        host.hear(power.COMMIT).hear(power.GOOD).wait(expected * GRACE)
        assert host.raised_by == ()
    host.wait(arbiter.FORGIVEN_NS)
    host.hear(power.COMMIT).hear(power.GOOD).wait(GRACE)
    assert host.raised_by == ()


@settings(deadline=None)
@given(bad=st.integers(1, 30 * S), good=st.integers(1, 200 * S))
def test_flapping_source_cannot_fixate_in_a_loop(bad, good):
    host = Host(['nut', 'signal'])
    end = START + 3600 * S
    for _ in range(500):
        host.hear(power.COMMIT).wait(bad).hear(power.GOOD).wait(good)
        if host.now >= end:
            break
    # The pVMs run on only so often: while one outage is on, news of more
    # of the same find them fixated.
    assert len(host.call_offs) <= arbiter.MAX_DOUBLINGS


LEVELS = st.sampled_from([power.LOST, power.GOOD, power.WARN, power.COMMIT])
STEPS = st.lists(st.tuples(st.sampled_from(['nut', 'gpio', 'signal']),
                           LEVELS, st.integers(0, 3 * GRACE)))


@settings(deadline=None)
@given(STEPS)
def test_never_called_off_while_a_source_tells_of_failure(steps):
    host = Host(['nut', 'gpio', 'signal'])
    latest = {}
    for name, level, pause in steps:
        if name == 'signal':
            level = power.COMMIT
        else:
            latest[name] = level
        calls = len(host.call_offs)
        host.hear(level, name).wait(pause)
        if not {power.WARN, power.COMMIT}.isdisjoint(latest.values()):
            assert len(host.call_offs) == calls
        if level == power.COMMIT:
            assert host.fixations


class TestInstantOfSourceThatKnowsConditionsToo:

    def test_needs_no_debouncing(self):
        host = Host(debounce=S).hear(power.COMMIT, momentary=True)
        assert len(host.fixations) == 1

    def test_counts_for_a_moment(self):
        host = Host(['nut', 'pod'], {'nut': 50, 'pod': 50})
        host.hear(power.COMMIT, 'pod', momentary=True).wait(2 * S)
        assert host.hear(power.COMMIT, 'nut').fixations == []

    def test_is_no_warning_for_ever(self):
        host = Host().hear(power.COMMIT, momentary=True)
        host.raised_by = ()  # an operator has resumed all
        host.wait(S).decide()
        assert not host.arbiter.is_alerted

    def test_warning_that_ends_during_an_outage(self):
        host = Host(['a', 'b']).hear(power.WARN, 'a')
        assert host.arbiter.is_alerted
        host.raised_by = (power.OPERATOR,)
        host.hear(power.GOOD, 'a')
        host.raised_by = ()
        assert not host.arbiter.is_alerted

    def test_is_not_taken_back_by_time(self):
        host = Host().hear(power.COMMIT, momentary=True).wait(100 * S)
        assert host.call_offs == []

    def test_condition_that_follows_takes_it_back(self):
        host = Host().hear(power.COMMIT, momentary=True)
        host.wait(S).hear(power.GOOD).wait(2 * GRACE)
        assert len(host.call_offs) == 1
