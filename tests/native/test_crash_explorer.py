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

"""Runs a small part of the crash explorer; ``make crash-explore`` runs all."""

import json
import re
import subprocess

from tests.framework import native_build


def explore(*arguments):
    """Return exit status, output and the result in its last line."""
    result = subprocess.run([native_build.explorer(), *arguments], text=True,
                            stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    print(result.stdout)
    return (result.returncode, result.stdout,
            json.loads(result.stdout.splitlines()[-1]))


def test_no_crash_harms():
    status, _, result = explore('--exhaustive', '200', '--samples', '50',
                                '--no-mutants')
    assert status == 0
    assert result['states'] >= 9000
    assert result['violations'] == 0


def test_mutants_of_a_fixation_are_killed():
    status, output, result = explore('--scenario', 'stale-marker',
                                     '--exhaustive', '200', '--samples',
                                     '50')
    assert status == 0
    assert result['mutants'] >= 8
    assert result['mutants_survived'] == 0
    assert re.search('killed without this fence.*\n.*persist at fixation.c',
                     output)


def test_mutants_of_paging_are_killed():
    """In particular a page that is named to be in a slot before it is."""
    status, output, result = explore('--scenario', 'vpm-swap',
                                     '--exhaustive', '50', '--samples', '20')
    assert status == 0
    assert result['mutants'] >= 14
    assert result['mutants_survived'] == 0
    assert re.search('killed without this sync.*\n.*vpm_move_write at',
                     output)


def test_mutants_of_dropping_a_slot_are_killed():
    """A slot that has a new owner before the old one gave it up durably."""
    _, output, result = explore('--scenario', 'vpm-drop', '--exhaustive',
                                '50', '--samples', '20')
    assert result['violations'] == 0
    for dropped in ('flush', 'fence'):
        assert re.search('killed without this %s.*\n.*\n.*from '
                         'vpm_move_drop at' % dropped, output)


def test_mutants_of_freeing_in_a_pause_are_killed():
    """The mark that is to be durable, and the memory that waits for zeros."""
    _, output, result = explore('--scenario', 'paused-nvfree', '--exhaustive',
                                '200', '--samples', '50')
    assert result['violations'] == 0
    assert re.search('killed without this fence.*(\n    .*)*\n'
                     '    from mark_freeing at', output)
    assert re.search('killed without this sync.*\n.*vpm_drain at.*\n.*\n.*\n'
                     '.*\n.*\n.*from vpm_pool_finish_freed at', output)


def test_a_violation_can_be_replayed():
    """Without the sync that makes a new pool's name durable there is none.

    The power is cut when the pool was made, and nothing that is pending
    survives.
    """
    _, output, _ = explore('--scenario', 'create', '--exhaustive', '10',
                           '--samples', '0')
    state = re.search(r'killed without this sync \((create!drop=\d+)/(\S+)\)'
                      r'\n    sync_parent at pool.c', output)
    replay = subprocess.run([native_build.explorer(), '--replay',
                             '/'.join(state.groups())], text=True,
                            stdout=subprocess.PIPE)
    assert replay.returncode == 1
    assert replay.stdout.splitlines()[-1] == (
        'the pool was made, and is not there')
