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

"""What the news of all sources together mean.

Nothing in here waits or reads a clock: times are CLOCK_MONOTONIC in ns, given
by the caller. The rules:

* Power fails when sources of enough confidence together say COMMIT, each of
  them for the debouncing time. A momentary source, one that knows instants
  only, is not debounced; its COMMIT counts for VOTE_NS.
* Only news begin an outage. A condition that was acted upon already does not
  begin a second one.
* Power is back when a source that had raised an alarm says GOOD, no source
  that had raised one says anything else, and all have been calm for the grace
  period. A source that never raised an alarm cannot end one.
* Every call-off doubles the grace period, until power was good for
  FORGIVEN_NS. So a source that flaps leaves the pVMs fixated: they are not
  resumed and fixated again and again.
"""

from collections import abc

from nova_temporality.notifier import power

# What decide() may ask for.
NOTHING = 'nothing'
ALERT = 'alert'
FIXATE = 'fixate'
CALL_OFF = 'call off'

# For how long the COMMIT of a momentary source counts.
VOTE_NS = 10**9
# How often the grace period is doubled at most.
MAX_DOUBLINGS = 8
# How long power must be without an alarm before the grace period is as
# configured again.
FORGIVEN_NS = 600 * 10**9


class _SourceState:
    """The latest news of one source.

    :ivar confidence: percent
    :ivar news: the latest, or None
    :ivar since_ns: when the source reported the level of the latest news
                    first, without another level since; None before any news
    :ivar has_alarm: whether it reported WARN or COMMIT, and did not take
                     that back since
    :ivar warned_ns: CLOCK_REALTIME of its first WARN since its last GOOD, 0
                     without one
    :ivar is_handled: whether its COMMIT was acted upon
    """

    def __init__(self, momentary: bool, confidence: int) -> None:
        self._momentary = momentary
        self.confidence = confidence
        self.news: power.News | None = None
        self.since_ns: int | None = None
        self.has_alarm = False
        self.warned_ns = 0
        self.is_handled = False

    @property
    def is_momentary(self) -> bool:
        """Whether the source, or its latest news, is an instant only."""
        return self._momentary or (self.news is not None and
                                   self.news.momentary)

    @property
    def level(self) -> str:
        return self.news.level if self.news else power.LOST

    def debounced_ns(self, debounce_ns: int) -> int:
        """Return when its latest news, a COMMIT, begins to count."""
        assert self.news is not None and self.since_ns is not None
        if self.is_momentary:
            return self.news.monotonic_ns
        return max(self.news.monotonic_ns, self.since_ns + debounce_ns)

    def counts_as_commit(self, now_ns: int, debounce_ns: int) -> bool:
        if self.level != power.COMMIT:
            return False
        assert self.news is not None and self.since_ns is not None
        if self.is_momentary:
            return now_ns - self.news.monotonic_ns < VOTE_NS
        return now_ns - self.since_ns >= debounce_ns


class Arbiter:
    """Weighs the news.

    :param momentary: Source.momentary by name of the source
    :param confidence: percent by name of the source; 100 if not given
    :param min_confidence: percent that is needed to act
    :param debounce_ns: how long a COMMIT must stand
    :param grace_ns: how long GOOD must stand
    :param raised_by: names of the sources that raised an outage earlier
                      which is still on
    """

    def __init__(self, momentary: abc.Mapping[str, bool],
                 confidence: abc.Mapping[str, int], min_confidence: int,
                 debounce_ns: int, grace_ns: int,
                 raised_by: abc.Collection[str] = ()) -> None:
        self._sources = {
            name: _SourceState(is_momentary, confidence.get(name, 100))
            for name, is_momentary in momentary.items()}
        self._min_confidence = min_confidence
        self._debounce_ns = debounce_ns
        self._grace_ns = grace_ns
        self._doublings = 0
        # When a source last reported WARN or COMMIT.
        self._alarm_ns = 0
        # Whether the latest warnings were acted upon.
        self._alert_handled = False
        self._fixated_ns = 0
        for name in raised_by:
            if name in self._sources:
                self._sources[name].has_alarm = True

    @property
    def is_alerted(self) -> bool:
        """Whether WARN or COMMIT is the lasting condition of a source.

        A source that was lost after it had warned did not take that back.
        """
        return any(source.level in (power.WARN, power.COMMIT) or
                   (source.level == power.LOST and source.has_alarm)
                   for source in self._sources.values()
                   if not source.is_momentary)

    def is_sufficient(self, name: str) -> bool:
        """Whether COMMIT of a source alone begins a fixation.

        It does at once if it is momentary, else after debounce_ns.
        """
        return self._sources[name].confidence >= self._min_confidence

    def add(self, name: str, news: power.News) -> None:
        """Take news of the source *name*."""
        source = self._sources[name]
        if news.level != source.level or source.since_ns is None:
            source.since_ns = news.monotonic_ns
        # News from the time of a fixation belong to that fixation.
        source.is_handled = news.monotonic_ns <= self._fixated_ns
        source.news = news
        if news.level == power.GOOD:
            source.warned_ns = 0
        elif news.level == power.WARN and not news.momentary:
            source.warned_ns = source.warned_ns or news.wall_ns
        if news.level in (power.WARN, power.COMMIT):
            source.has_alarm = True
            if news.monotonic_ns - self._alarm_ns > FORGIVEN_NS:
                self._doublings = 0
            self._alarm_ns = news.monotonic_ns

    def fixation_ended(self, monotonic_ns: int) -> None:
        """Note when the fixation that decide() asked for had ended."""
        self._fixated_ns = monotonic_ns

    def decide(self, now_ns: int, outage_raised_by: abc.Collection[str]
               ) -> tuple[str, power.PowerEvent | None]:
        """Say what is to be done now.

        :param outage_raised_by: names of who raised the outage that is on,
                                 empty when none is
        :returns: NOTHING, ALERT, FIXATE or CALL_OFF; and the event for
                  FIXATE, else None
        """
        event = self._failure(now_ns)
        if event:
            return FIXATE, event
        if outage_raised_by:
            if self._is_power_back(now_ns, outage_raised_by):
                for source in self._sources.values():
                    source.has_alarm = False
                self._doublings = min(self._doublings + 1, MAX_DOUBLINGS)
                return CALL_OFF, None
            return NOTHING, None
        for source in self._sources.values():
            if source.level == power.GOOD:
                source.has_alarm = False
        return self._alert(), None

    def next_ns(self, now_ns: int) -> int | None:
        """Return when to decide again if there are no news, or None."""
        times = []
        for source in self._sources.values():
            if source.news is None or source.since_ns is None:
                continue
            if source.level == power.COMMIT and not source.is_momentary:
                times.append(source.since_ns + self._debounce_ns)
            times.append(source.news.monotonic_ns + self.grace_ns)
        return min((time for time in times if time > now_ns), default=None)

    @property
    def grace_ns(self) -> int:
        """The grace period, with its doublings."""
        return self._grace_ns << self._doublings

    def _failure(self, now_ns: int) -> power.PowerEvent | None:
        agreed = {name: source for name, source in self._sources.items()
                  if source.counts_as_commit(now_ns, self._debounce_ns)}
        if (all(source.is_handled for source in agreed.values()) or
                sum(source.confidence for source in agreed.values()) <
                self._min_confidence):
            return None
        for source in agreed.values():
            source.is_handled = True
        last = max(agreed.values(),
                   key=lambda source: source.debounced_ns(self._debounce_ns))
        instant_ns = last.debounced_ns(self._debounce_ns)
        assert last.news is not None
        return power.PowerEvent(
            ', '.join(source.news.detail for source in agreed.values()
                      if source.news),
            last.news.wall_ns + instant_ns - last.news.monotonic_ns,
            instant_ns, tuple(sorted(agreed)),
            min((source.warned_ns for source in self._sources.values()
                 if source.warned_ns), default=0))

    def _is_power_back(self, now_ns: int,
                       outage_raised_by: abc.Collection[str]) -> bool:
        if power.OPERATOR in outage_raised_by:
            return False
        alarmed = [source for source in self._sources.values()
                   if source.has_alarm and not source.is_momentary]
        if not alarmed or any(source.level != power.GOOD
                              for source in alarmed):
            return False
        latest_ns = max(source.news.monotonic_ns
                        for source in self._sources.values() if source.news)
        return now_ns - latest_ns >= self.grace_ns

    def _alert(self) -> str:
        """Return ALERT once when a first source warns."""
        was_alerted, self._alert_handled = (self._alert_handled,
                                            self.is_alerted)
        return ALERT if self.is_alerted and not was_alerted else NOTHING
