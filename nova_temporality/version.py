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

"""The version of the installed package, and of the Nova beside it."""

import functools
from importlib import metadata
import re
import sys

OLDEST_NOVA = (33, 0, 0)


@functools.cache
def version() -> str:
    """Return it as a string, e.g. "0.1.0".

    It is read once, at a program's start: one that runs on over an upgrade
    says what it is, not what lies on the disk by then.
    """
    return metadata.version('nova-temporality')


def require_nova() -> None:
    """Look for a Nova that is new enough in this Python environment.

    It does not import it: what imports a Nova that is too old, or none, ends
    in the middle of its imports, which tells nobody what to do.

    :raises ImportError: there is none, with the remedy
    """
    try:
        found = metadata.version('nova')
    except metadata.PackageNotFoundError:
        raise ImportError(
            'There is no Nova in the Python environment %s; install '
            'nova-temporality into the environment that has Nova' % sys.prefix
        ) from None
    if tuple(int(part) for part in
             re.findall(r'\d+', found)[:3]) < OLDEST_NOVA:
        raise ImportError(
            'Nova in the Python environment %s is %s, older than %s, the '
            'oldest that was tested; upgrade it, or install nova-temporality '
            'into the environment that has a later one' %
            (sys.prefix, found, '.'.join(map(str, OLDEST_NOVA))))
