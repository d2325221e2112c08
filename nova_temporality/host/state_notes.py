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

"""Notes that count for one state of a pVM only.

Each is a JSON object beside the pool, with members that tell whose it is.
"""

from collections import abc
import contextlib
import json
import os
from typing import Any
from typing import TypeVar

from nova_temporality.host import durable
from nova_temporality.host import reading
from nova_temporality import vpm

_T = TypeVar('_T')


def owner(region: vpm.RegionInfo, epoch: int) -> dict[str, int]:
    """What tells the state that a note is of.

    :param epoch: of the state
    """
    return {'region': region.id, 'created': region.created_ns, 'epoch': epoch}


def write(path: str, region: vpm.RegionInfo, epoch: int,
          content: abc.Mapping[str, Any]) -> None:
    """Make or replace a state's note, durably, as a whole or not at all.

    Its directory is made if need be.

    :param epoch: of the state
    :raises OSError: that is not possible
    """
    with contextlib.suppress(FileExistsError):
        durable.make_directory(os.path.dirname(path))
    durable.write(path, json.dumps(
        {**owner(region, epoch), **content}).encode())


def latest_epoch(path: str, region: vpm.RegionInfo) -> int | None:
    """The epoch that a note is of; None if it is none of this region.

    :raises OSError: nobody can tell now
    """
    try:
        with open(path, encoding='utf-8') as stream:
            note: Any = json.load(stream)
        epoch = int(note['epoch'])
        return epoch if note == {**note, **owner(region, epoch)} else None
    except OSError as exc:
        reading.refuse_shortage(exc)
        return None
    except (ValueError, TypeError, KeyError, OverflowError):
        return None


def read(path: str, region: vpm.RegionInfo, epoch: int,
         content: abc.Callable[[Any], _T]) -> _T | None:
    """The content of a state's note; None if there is none, or of another.

    :param epoch: of the state
    :param content: makes it of the note; what it cannot read is no note
    :raises OSError: nobody can tell now
    """
    try:
        with open(path, encoding='utf-8') as stream:
            note: Any = json.load(stream)
        if any(note[name] != value
               for name, value in owner(region, epoch).items()):
            return None
        return content(note)
    except OSError as exc:
        reading.refuse_shortage(exc)
        return None
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
