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

"""Words of QEMU neither forge logs nor fill them."""

import pytest

from nova_temporality.qemu import words


@pytest.mark.parametrize('said, printed', [
    ('Device busy', 'Device busy'), ('\xe4\u4e2d', '\xe4\u4e2d'), ('', ''),
    ('a\nERROR forged', 'a\\nERROR forged'), ('\x1b[2Jgone', '\\x1b[2Jgone'),
    ('a\r\t\0', 'a\\r\\t\\x00'), ('\x9b31m\x85', '\\x9b31m\\x85'),
    # Right-to-left override, line separator, a lone surrogate.
    ('\u202e\u2028\ud800', '\\u202e\\u2028\\ud800'),
    ({'a': '\n'}, "{'a': '\\n'}"), (None, 'None')])
def test_printable(said, printed):
    assert words.printable(said) == printed


@pytest.mark.parametrize('said', ['a' * (4 << 20), '\n' * 1000,
                                  ['x'] * 10000])
def test_long(said):
    assert len(words.printable(said)) == words.LIMIT + 3
    assert words.printable(said).endswith('...')
