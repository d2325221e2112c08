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

"""How a source is: whether it is heard, since when, and what it said last."""

import datetime
import threading
from typing import TypedDict

from nova_temporality.notifier import power
from nova_temporality.notifier import sources

# State of a source that has said nothing yet, and need not have.
LISTENING = 'listening'


class SourceStatus(TypedDict):
    """A source, in plain data.

    state is LISTENING or a level of power; since and heard are ISO 8601 or
    None; is_sound says whether nobody has to look after it.
    """

    name: str
    state: str
    since: str | None
    heard: str | None
    detail: str | None
    problem: str | None
    remark: str | None
    is_sound: bool


class SourceState:
    """What is known of one source; to be used by any thread."""

    def __init__(self, name: str, source: sources.Source) -> None:
        self._name = name
        self._source = source
        self._lock = threading.Lock()
        self._news: power.News | None = None
        self._since_ns = 0

    def take(self, news: power.News) -> None:
        """Take news of the source."""
        if news.level != power.LOST:
            self._source.heard()
        with self._lock:
            if self._news is None or news.level != self._news.level:
                self._since_ns = news.wall_ns
            self._news = news

    def began(self) -> None:
        """The source is run, again perhaps.

        One that knows instants only could not take back that it was lost.
        """
        with self._lock:
            if (self._source.momentary and self._news is not None and
                    self._news.level == power.LOST):
                self._news = None

    def status(self) -> SourceStatus:
        """Return how it is."""
        with self._lock:
            news, since_ns = self._news, self._since_ns
        heard_ns = self._source.heard_ns
        if news is not None and (news.level == power.LOST and
                                 heard_ns > news.wall_ns):
            news = None
        problem = self._source.problem
        return {
            'name': self._name,
            'state': news.level if news else LISTENING,
            'since': _iso(since_ns) if news else None,
            'heard': _iso(heard_ns) if heard_ns else None,
            'detail': news.detail if news else None,
            'problem': problem, 'remark': self._source.remark,
            'is_sound': not problem and (news is None or
                                         news.level != power.LOST)}


def _iso(wall_ns: int) -> str:
    when = datetime.datetime.fromtimestamp(wall_ns / 1e9, datetime.UTC)
    return when.isoformat(timespec='seconds')
