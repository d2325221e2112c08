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

"""Values that people and programs read in different forms."""

from collections import abc
from typing import Any
from typing import Generic
from typing import TypeVar

from cliff import columns

from nova_temporality.cli import sizes

# What a command shows: names of columns, and rows, or one value of each.
Table = tuple[abc.Sequence[str], abc.Iterable[Any]]


T = TypeVar('T')


class Formattable(
        columns.FormattableColumn, Generic[T]):  # type: ignore[type-arg]
    """A value of some type; cliff's own class has none in Debian 12."""

    _value: T


class Size(Formattable[int]):
    """Bytes."""

    def human_readable(self) -> str:
        return sizes.show(self._value)
