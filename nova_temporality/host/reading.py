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

"""Reading what may not be there, where "cannot tell" is no "no".

Somebody who has no descriptor or memory left cannot read a file that is there.
That says nothing of the file, so it is no answer.
"""

import errno
import pathlib

_SHORTAGES = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOMEM))


def attribute(path: pathlib.Path) -> str | None:
    """A line of sysfs or procfs; None if there is none, or an error instead.

    :raises OSError: nobody can tell now
    """
    try:
        return path.read_text(encoding='utf-8', errors='replace').strip()
    except OSError as exc:
        refuse_shortage(exc)
        return None


def refuse_shortage(exc: OSError) -> None:
    """Make sure that an error says something of what was to be read.

    :raises OSError: it does not
    """
    if exc.errno in _SHORTAGES:
        raise exc
