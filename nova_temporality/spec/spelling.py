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

"""Keys that somebody typed in other capitals than ours.

They mean nothing, so a server would silently not be what its tenant wanted.
"""

from collections import abc

from nova_temporality.spec import errors


def check(place: str, keys: abc.Iterable[str],
          meant: abc.Iterable[str]) -> None:
    """Refuse a key that only differs from one of ours in capitals or spaces.

    :param place: what the keys are of, in words
    :param keys: that are there
    :param meant: those of ours
    :raises InvalidSpec: naming the key and the one that is meant
    """
    ours = set(meant)
    for key in keys:
        right = key.strip().lower()
        if key != right and right in ours:
            raise errors.InvalidSpec(
                "%s '%s' means nothing; '%s' is meant. Use that name, or "
                'remove it' % (place, key, right))
