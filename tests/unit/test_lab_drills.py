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

"""How the laboratory judges what became of a server."""

import copy

import pytest

# "make install" installs it.
drills = pytest.importorskip('lab.drills')

SAYS = {'boots': 1, 'wrong': 0, 'steps': 100}
RESUMED = {'unproven': None, 'result': 'resumed', 'dark': SAYS,
           'after': dict(SAYS, steps=200)}
GIVEN_UP = {'unproven': 'state of region 1 is unproven: there is no marker',
            'result': 'given up', 'dark': SAYS,
            'after': dict(SAYS, steps=70)}


def but(outcome, part=None, **changes):
    changed = copy.deepcopy(outcome)
    (changed[part] if part else changed).update(changes)
    return changed


@pytest.mark.parametrize('must_survive', [False, True])
def test_server_that_runs_on_has_survived(must_survive):
    assert drills.verdict(RESUMED, must_survive) == drills.SURVIVED


def test_server_that_was_cut_too_early_is_unproven():
    assert drills.verdict(GIVEN_UP, False) == drills.UNPROVEN


@pytest.mark.parametrize('outcome', [
    None,
    but(RESUMED, 'after', boots=2),
    but(RESUMED, 'after', wrong=1),
    but(RESUMED, result='failed: it does not get on'),
    but(RESUMED, result='given up'),
    # The law: never resumed.
    but(GIVEN_UP, result='resumed'),
    but(GIVEN_UP, 'after', wrong=1),
    but(GIVEN_UP, unproven='is unproven: the stream is damaged'),
])
def test_all_else_is_lost(outcome):
    assert drills.verdict(outcome, False) == drills.LOST


def test_server_that_was_fixated_must_survive():
    assert drills.verdict(GIVEN_UP, True) == drills.LOST


def test_failed_recovery_says_nothing_of_the_guest():
    outcome = but(RESUMED, result='failed: no QEMU')
    del outcome['after']
    assert drills.verdict(outcome, False) == drills.LOST
    del (outcome := but(GIVEN_UP, result='failed: no QEMU'))['after']
    assert drills.verdict(outcome, False) == drills.LOST


def test_rounds_can_be_replayed():
    assert drills.Round.of('seed', 3) == drills.Round.of('seed', 3)
    assert drills.Round.of('seed', 3) != drills.Round.of('seed', 4)
    assert drills.Round.of('seed', 3) != drills.Round.of('other', 3)
