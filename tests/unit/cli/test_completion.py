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

"""Bash completes the command as the file that is installed says."""

import os
import pathlib
import subprocess
import sys

import pytest

TOP = pathlib.Path(__file__).parents[3]

# What bash-completion has, as far as it is used.
WORDS = """
_get_comp_words_by_ref() {
    cur=$LAST prev=${COMP_WORDS[-2]} words=("${COMP_WORDS[@]}")
}
"""


@pytest.fixture(scope='module')
def complete(tmp_path_factory):
    """What bash offers, given the words before and the beginning of one."""
    directory = tmp_path_factory.mktemp('bin')
    program = directory / 'temporality'
    program.write_text('#!/bin/sh\nexec %s -m nova_temporality.cmd.admin "$@"'
                       % sys.executable)
    program.chmod(0o755)
    environment = dict(
        os.environ, PATH='%s:%s' % (directory, os.environ['PATH']),
        PYTHONPATH=str(TOP))

    def run(*words):
        script = 'set -e\n' + WORDS + (
            'source etc/bash-completion/temporality\n'
            '[[ $(complete -p temporality) == *"-F _temporality "* ]]\n'
            'COMP_WORDS=("$@") LAST=${*: -1} COMP_CWORD=$(($# - 1))\n'
            '_temporality\n'
            'echo "${COMPREPLY[@]}"\n')
        return subprocess.run(
            ['bash', '-c', script, 'bash', 'temporality', *words], cwd=TOP,
            env=environment, check=True, capture_output=True,
            text=True).stdout.split()
    return run


def test_commands(complete):
    assert complete('re') == ['recover', 'region', 'resume']


def test_commands_of_a_subject(complete):
    assert complete('outage', '') == ['list', 'report', 'show']


def test_options(complete):
    assert '--for-reboot' in complete('fixate', '--f')
