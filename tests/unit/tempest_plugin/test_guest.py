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

"""How the tempest plugin asks guests for their lives."""

import shlex
import sys

import pytest

from nova_temporality.tempest_plugin import guest

pytestmark = pytest.mark.native_threads


def _python(program):
    """A command that runs a program with {address} as its argument."""
    return '%s -c %s {address}' % (shlex.quote(sys.executable),
                                   shlex.quote(program))


def test_first_two_words_count():
    command = _python('import sys; print(sys.argv[1] + "\\n12.5 99")')
    assert guest.life(command, '10.0.0.7', 0) == ('10.0.0.7', 12.5)


def test_asks_until_the_guest_answers(tmp_path):
    once = tmp_path / 'asked'
    command = _python(
        'import pathlib, sys; asked = pathlib.Path(%r); '
        'print("boot", 1) if asked.exists() else '
        'sys.exit(asked.touch() or "not yet")' % str(once))
    assert guest.life(command, '10.0.0.7', 30).identity == 'boot'


def test_tells_why_a_guest_does_not_answer():
    command = _python('import sys; sys.exit("no route")')
    with pytest.raises(RuntimeError, match='no route'):
        guest.life(command, '10.0.0.7', 0)


@pytest.mark.parametrize('answer', ['', 'boot', 'boot early'])
def test_nonsense_is_no_life(answer):
    with pytest.raises(RuntimeError, match='identity and an uptime'):
        guest.life(_python('print(%r)' % answer), '10.0.0.7', 0)


def test_a_command_that_hangs_is_ended():
    with pytest.raises(RuntimeError, match='timed out'):
        guest.run(_python('import time; time.sleep(60)'), 0.2, address='')
