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

"""Codes of health that an operator does not want to hear of for a while.

A mute covers what its code was about when it was muted. So a second server
that is not armed shows, although the first one was muted. A code that was not
raised then is muted altogether, for works that are planned.

Mutes are kept in run_dir: they survive restarts of the notifier, and end with
a boot.
"""

from collections import abc
import dataclasses
import json
import os
import threading
import time
from typing import Any

from oslo_log import log as logging

LOG = logging.getLogger(__name__)

# For how many seconds a code may be muted at most. None is muted for good:
# nobody would remember it.
LONGEST = 366 * 24 * 3600


@dataclasses.dataclass(frozen=True)
class Mute:
    """One mute.

    :ivar until: its end, in seconds since 1970
    :ivar names: what it covers; None: all
    """

    until: float
    names: tuple[str, ...] | None

    def covers(self, names: abc.Iterable[str]) -> bool:
        """Whether it covers all of these."""
        return self.names is None or set(names) <= set(self.names)


class Mutes:
    """All mutes of this host; to be used by any thread.

    :param path: where they are kept
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._mutes = _load(path)

    def active(self) -> dict[str, Mute]:
        """Return those that are on, by code."""
        now = time.time()
        with self._lock:
            return {code: mute for code, mute in self._mutes.items()
                    if mute.until > now}

    def mute(self, code: str, seconds: float,
             names: abc.Collection[str]) -> Mute:
        """Mute a code, or mute it anew.

        :param seconds: for how long
        :param names: what it is about now; if that is nothing, all is muted
        :raises ValueError: that is too long
        :raises OSError: it cannot be kept
        """
        if not 0 < seconds <= LONGEST:
            raise ValueError('a code can be muted for %d days at most'
                             % (LONGEST // 86400))
        made = Mute(time.time() + seconds, tuple(names) or None)
        with self._lock:
            self._replace({**self._mutes, code: made})
        return made

    def unmute(self, code: str) -> None:
        """End a mute; harmless when there is none.

        :raises OSError: that cannot be kept
        """
        with self._lock:
            self._replace({other: mute for other, mute in self._mutes.items()
                           if other != code})

    def _replace(self, mutes: dict[str, Mute]) -> None:
        with open(self._path + '.new', 'w', encoding='utf-8') as stream:
            os.fchmod(stream.fileno(), 0o600)
            json.dump({code: dataclasses.asdict(mute)
                       for code, mute in mutes.items()}, stream)
        os.rename(self._path + '.new', self._path)
        self._mutes = mutes


def _load(path: str) -> dict[str, Mute]:
    try:
        with open(path, encoding='utf-8') as stream:
            stored: Any = json.load(stream)
        return {str(code): Mute(float(mute['until']), _names(mute['names']))
                for code, mute in stored.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as e:
        LOG.warning('Mutes cannot be read, and are forgotten: %s', e)
        return {}


def _names(stored: Any) -> tuple[str, ...] | None:
    return None if stored is None else tuple(map(str, stored))
