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
a boot. So their ends are kept in seconds since the boot: a clock that is set
back must not make them last.
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

    :ivar until: its end, in seconds since 1970, as the clock is now
    :ivar names: what it covers; None: all
    """

    until: float
    names: tuple[str, ...] | None

    def covers(self, names: abc.Iterable[str]) -> bool:
        """Whether it covers all of these."""
        return self.names is None or set(names) <= set(self.names)


@dataclasses.dataclass(frozen=True)
class _Kept:
    """A mute as it is kept; ends: time.monotonic()."""

    ends: float
    names: tuple[str, ...] | None

    def mute(self) -> Mute:
        # Rounded, as the two clocks are not read at the same instant.
        return Mute(round(time.time() + self.ends - time.monotonic()),
                    self.names)


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
        now = time.monotonic()
        with self._lock:
            return {code: kept.mute() for code, kept in self._mutes.items()
                    if kept.ends > now}

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
        made = _Kept(time.monotonic() + seconds, tuple(names) or None)
        with self._lock:
            self._replace({**self._mutes, code: made})
        return made.mute()

    def unmute(self, code: str) -> None:
        """End a mute; harmless when there is none.

        :raises OSError: that cannot be kept
        """
        with self._lock:
            self._replace({other: kept for other, kept in self._mutes.items()
                           if other != code})

    def _replace(self, mutes: dict[str, _Kept]) -> None:
        with open(self._path + '.new', 'w', encoding='utf-8') as stream:
            os.fchmod(stream.fileno(), 0o600)
            json.dump({code: dataclasses.asdict(kept)
                       for code, kept in mutes.items()}, stream)
        os.rename(self._path + '.new', self._path)
        self._mutes = mutes


def _load(path: str) -> dict[str, _Kept]:
    try:
        with open(path, encoding='utf-8') as stream:
            stored: Any = json.load(stream)
        return {str(code): _Kept(float(kept['ends']), _names(kept['names']))
                for code, kept in stored.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as e:
        LOG.warning('Mutes cannot be read, and are forgotten: %s', e)
        return {}


def _names(stored: Any) -> tuple[str, ...] | None:
    return None if stored is None else tuple(map(str, stored))
