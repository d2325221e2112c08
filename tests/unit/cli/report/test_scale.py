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

"""Axes of the picture."""

import pytest

from nova_temporality.cli.report import scale
from nova_temporality.cli.report import spans
from tests.framework import outages


@pytest.mark.parametrize('end', [0.001, 0.9, 1, 3.7, 10, 11, 999, 1e5])
@pytest.mark.parametrize('at_most', [4, 6])
def test_ticks_are_few_and_round(end, at_most):
    ticks = scale.Axis(end).ticks(at_most)
    assert 1 < len(ticks) <= at_most
    assert ticks[0] == 0
    assert ticks[-1] <= end
    assert len('%g' % round(ticks[1], 6)) <= 6


def test_parts():
    axis = scale.Axis(10)
    assert [axis.part(value) for value in (-1, 0, 5, 10, 11)] == [
        0, 0, 0.5, 1, 1]
    assert axis.is_beyond(11)
    assert not axis.is_beyond(10)


def scales(hold_up_ms, *late, **keys):
    outcomes = [outages.outcome(number) for number in range(3)]
    return scale.scales(outages.model_of(
        outcomes, [outages.entry(number, late=one * outages.S)
                   for number, one in enumerate(late)],
        hold_up_ms=hold_up_ms, **keys))


def test_budget_and_bars_are_seen():
    assert scales(10).fixation.end == pytest.approx(11)
    assert scales(4).fixation.end == pytest.approx(5.5 * 1.1)


def test_budget_of_a_ups_does_not_hide_the_bars():
    assert scales(100000).fixation.end == pytest.approx(5.5 * 1.3)


def test_bars_that_are_far_too_long_do_not_hide_the_others():
    assert scales(1).fixation.end == 2


def test_recovery_begins_when_nova_compute_is_up():
    chosen = scales(10, 0, 0, 0)
    assert chosen.zero_s == 328
    assert chosen.recovery.end == pytest.approx(1.1 * 2.51)


def test_server_that_came_hours_later_does_not_hide_the_others():
    assert scales(10, 0, 0, 7000).recovery.end < 10


def test_instants_that_do_not_fit_together():
    entry = outages.entry(1, up=outages.UP + 100 * outages.S)
    assert scale.scales(outages.model_of(
        [outages.outcome(1)], [entry])).recovery.end > 0


def test_no_recovery():
    assert scales(10).recovery is None


@pytest.mark.parametrize('seconds,text', [
    (0, '0.0 ms'), (0.0091, '9.1 ms'), (0.59, '590 ms'), (1, '1.0 s'),
    (31.24, '31.2 s'), (59.97, '1 min'), (297, '4 min 57 s'),
    (3599.9, '1 h'), (3720, '1 h 2 min'), (90000, '1 d 1 h'),
    (-13.02, '-13.0 s')])
def test_spans(seconds, text):
    assert spans.show(seconds) == text


def test_milliseconds():
    assert [spans.ms(value) for value in (0.04, 9.96, 812, 100000)] == [
        '0.0 ms', '10.0 ms', '812 ms', '1 min 40 s']
