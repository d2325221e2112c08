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

"""Words of QEMU, for logs, terminals and messages.

QEMU is not trusted. What it says could move a terminal's cursor, begin a line
of a log that looks like one of ours, or be megabytes long.
"""

from typing import Any

# Characters that are kept of what is said in one piece.
LIMIT = 300


def printable(said: Any, limit: int = LIMIT) -> str:
    """Return text on one line, without control characters, and not long.

    :param said: mostly a string; anything may come from QEMU
    :param limit: characters that are kept
    """
    text = said if isinstance(said, str) else repr(said)
    kept = ''.join(
        one if one.isprintable() else ascii(one)[1:-1]
        for one in text[:limit])
    return kept[:limit] + ('...' if len(text) > limit or len(kept) > limit
                           else '')
