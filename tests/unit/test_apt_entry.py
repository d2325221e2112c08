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

"""Entries for apt that are derived from the machine's own."""

import pathlib
import runpy

import pytest

SCRIPT = runpy.run_path(str(
    pathlib.Path(__file__).parents[2] / 'tools/install/apt_entry.py'))
SOURCES = """\
# the administrator's choice
Types: deb deb-src
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main non-free-firmware
Signed-By: /etc/apt/keyrings/mirror.gpg

Types: deb
Enabled: no
URIs: http://mirror.example/debian
Suites: trixie
Components: main
"""
LIST = """\
deb cdrom:[Debian 12]/ bookworm main
deb [signed-by=/etc/apt/keyrings/mirror.gpg] http://mirror.example/debian \
bookworm main contrib
deb http://mirror.example/debian bookworm-backports main
"""


@pytest.fixture
def apt(tmp_path):
    (tmp_path / 'sources.list.d').mkdir()
    return tmp_path


def _entries(apt):
    return SCRIPT['entries'](apt, apt / 'sources.list.d/earlier')


def test_deb822(apt):
    (apt / 'sources.list.d/debian.sources').write_text(SOURCES)
    suffix, text = SCRIPT['derive'](_entries(apt), 'bookworm', 'trixie')
    assert suffix == '.sources'
    assert text == ('Types: deb\n'
                    'URIs: http://mirror.example/debian\n'
                    'Suites: trixie\n'
                    'Components: main\n'
                    'Signed-By: /etc/apt/keyrings/mirror.gpg\n')


def test_one_line(apt):
    (apt / 'sources.list').write_text(LIST)
    assert SCRIPT['derive'](_entries(apt), 'bookworm', 'trixie') == (
        '.list', 'deb [signed-by=/etc/apt/keyrings/mirror.gpg] '
        'http://mirror.example/debian trixie main\n')


def test_disabled_entries_and_earlier_results_offer_nothing(apt):
    (apt / 'sources.list.d/debian.sources').write_text(SOURCES)
    (apt / 'sources.list.d/earlier.sources').write_text(
        SOURCES.replace('bookworm', 'forky'))
    with pytest.raises(LookupError, match='no apt entry offers trixie main'):
        SCRIPT['derive'](_entries(apt), 'trixie', 'forky')
    assert [suites for suites, *_ in _entries(apt)] == [
        ['bookworm', 'bookworm-updates']]
