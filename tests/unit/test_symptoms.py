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

"""The index of symptoms has all of them, in the program's own words."""

import pathlib
import re

import pytest

from nova_temporality.notifier import health

pytestmark = pytest.mark.native_threads

TOP = pathlib.Path(__file__).parents[2]
OPERATE = TOP / 'doc' / 'source' / 'operate'
PAGE = (OPERATE / 'symptoms.rst').read_text()
# What is in italics, but a heading of another page.
QUOTED = [' '.join(words.split()) for words in re.findall(
    r'(?:says|;|names|has)\s\*([^*]+)\*', PAGE)]


@pytest.fixture(scope='module')
def words():
    """All texts of the programs, with those joined that are in pieces."""
    return '\n'.join(
        re.sub(r"""['"]\s*\n\s*['"]""", '', path.read_text())
        for place, kind in (('nova_temporality', '*.py'),
                            ('nova_temporality', '*.c'), ('pod', '*.c'))
        for path in (TOP / place).rglob(kind))


@pytest.mark.parametrize('code', (health.AWAY, *health.CODES))
def test_each_code(code):
    assert '``%s``' % code in PAGE


@pytest.mark.parametrize('alert', [path.stem for path in sorted(
    (OPERATE / 'alerts').glob('*.rst')) if path.stem != 'index'])
def test_each_alert(alert):
    assert ':doc:`alerts/%s`' % alert in PAGE


@pytest.mark.parametrize('quoted', QUOTED)
def test_what_is_quoted_is_said(quoted, words):
    assert quoted in words


def test_something_is_quoted():
    assert len(QUOTED) > 10
