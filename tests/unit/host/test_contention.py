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


import collections

import pytest

from nova_temporality.host import contention

CURVE = ((2, 1.2), (4, 1.4), (8, 1.8))


@pytest.mark.parametrize('pvms, slowdown', [
    (1, 1.0), (2, 1.2), (3, 1.317), (4, 1.4), (8, 1.8),
    # 0.4 more for each doubling
    (16, 2.2), (64, 3.0)])
def test_curve(pvms, slowdown):
    assert contention.slowdown([CURVE], pvms, 2) == (
        pytest.approx(slowdown, abs=0.001))


@pytest.mark.parametrize('curves', [[], [()], [((1, 1.0),)]])
def test_nothing_was_measured_together(curves):
    assert contention.slowdown(curves, 1, 2) == 1.0
    assert contention.slowdown(curves, 16, 2) == 2.0
    assert contention.slowdown(curves, 64, 2) > 2.0
    assert contention.slowdown(curves, 16, 8) < 2.0


def test_slowest_drill_counts_everywhere():
    curves = [CURVE, ((2, 1.9), (4, 1.1), (8, 1.2))]
    assert contention.slowdown(curves, 2, 2) == 1.9
    assert contention.slowdown(curves, 8, 2) == 1.8


def test_lucky_measurements_promise_nothing():
    assert contention.slowdown([((2, 0.5), (4, 0.6))], 3, 2) == 1.0
    # not that more pVMs take less
    assert contention.slowdown([((2, 3.0), (4, 1.5))], 64, 2) == 1.5


@pytest.mark.parametrize('pvms, sizes', [
    (0, []), (1, []), (2, []), (3, [2]), (4, [2]), (5, [2, 4]),
    (16, [2, 4, 8]), (300, [2, 4, 8, 16, 32, 64, 128, 256])])
def test_groups(pvms, sizes):
    names = ['pvm-%d' % number for number in range(pvms)]
    groups = contention.groups(names)
    assert [len(set(group)) for group in groups] == sizes
    stops = collections.Counter(name for group in groups for name in group)
    assert max(stops.values(), default=0) <= 2
