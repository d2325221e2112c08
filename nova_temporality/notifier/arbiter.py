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

Nothing in here waits, or asks a clock: times are CLOCK_MONOTONIC, given by
the caller. The rules:

* Power fails when sources of enough confidence together say COMMIT, each of
  them for the time of debouncing. Sources that know instants only need no
  debouncing, and their word counts for a moment.
* An outage is begun by news only, never by a condition that was acted upon.
* Power is back when a source that had raised an alarm says GOOD, none that
  had raised one says anything else, and all have been calm for the grace
  period. What never raised an alarm cannot take one back.
* Every call-off doubles the grace period, until power was good for a while: a
  source that flaps leaves the pVMs fixated instead of wearing them out.
"""

from nova_temporality.notifier import power

# What decide() may ask for.
NOTHING = 'nothing'
ALERT = 'alert'
FIXATE = 'fixate'
CALL_OFF = 'call off'

# For how long the word of a momentary source counts.
VOTE_NS = 10**9
# The grace period is doubled so many times at most,
MAX_DOUBLINGS = 8
# and is what it was after so long a time without an alarm.
FORGIVEN_NS = 600 * 10**9


class _Voice:
    """The latest word of one source."""

    def __init__(self, momentary, confidence):
        self._momentary = momentary
        self.confidence = confidence
        self.news = None
        # When it said so first, and not something else since.
        self.since_ns = None
        # Whether it said WARN or COMMIT, and did not take it back since.
        self.alarmed = False
        # Whether its COMMIT was acted upon.
        self.spent = False

    @property
    def momentary(self):
        """Whether its word, or its latest one, is but an instant."""
        return self._momentary or (self.news is not None and
                                   self.news.momentary)

    @property
    def level(self):
        return self.news.level if self.news else power.LOST

    def counts_ns(self, debounce_ns):
        """From when on its COMMIT counts."""
        if self.momentary:
            return self.news.monotonic_ns
        return max(self.news.monotonic_ns, self.since_ns + debounce_ns)

    def says_commit(self, now_ns, debounce_ns):
        if self.level != power.COMMIT:
            return False
        if self.momentary:
            return now_ns - self.news.monotonic_ns < VOTE_NS
        return now_ns - self.since_ns >= debounce_ns


class Judge:
    """Weighs the news.

    :param momentary: dict of Source.momentary by name
    :param confidence: dict of percent by name; 100 if it is not there
    :param min_confidence: percent that it takes to act
    :param debounce_ns: that a COMMIT must stand
    :param grace_ns: that GOOD must stand
    :param raised_by: names of the sources that raised an outage before which
                      is still on
    """

    def __init__(self, momentary, confidence, min_confidence, debounce_ns,
                 grace_ns, raised_by=()):
        self._voices = {
            name: _Voice(instant, confidence.get(name, 100))
            for name, instant in momentary.items()}
        self._min_confidence = min_confidence
        self._debounce_ns = debounce_ns
        self._grace_ns = grace_ns
        self._doublings = 0
        # When a source last said WARN or COMMIT.
        self._alarm_ns = 0
        # Whether the latest warnings were acted upon.
        self._alert_told = False
        self._handled_ns = 0
        for name in raised_by:
            if name in self._voices:
                self._voices[name].alarmed = True

    @property
    def alerted(self):
        """Whether a source says, and not for an instant, WARN or COMMIT."""
        return any(voice.level in (power.WARN, power.COMMIT)
                   for voice in self._voices.values() if not voice.momentary)

    def suffices(self, name):
        """Whether a single word of a source always begins a fixation."""
        voice = self._voices[name]
        return voice.momentary and voice.confidence >= self._min_confidence

    def hear(self, name, news):
        """Take news of the source *name*."""
        voice = self._voices[name]
        if news.level != voice.level or voice.since_ns is None:
            voice.since_ns = news.monotonic_ns
        # What was said while the pVMs were fixated is part of that.
        voice.spent = news.monotonic_ns <= self._handled_ns
        voice.news = news
        if news.level in (power.WARN, power.COMMIT):
            voice.alarmed = True
            if news.monotonic_ns - self._alarm_ns > FORGIVEN_NS:
                self._doublings = 0
            self._alarm_ns = news.monotonic_ns

    def handled(self, monotonic_ns):
        """Note that the pVMs were fixated by then."""
        self._handled_ns = monotonic_ns

    def decide(self, now_ns, outage_raised_by):
        """Say what is to be done now.

        :param outage_raised_by: names of who raised the outage that is on,
                                 empty when none is
        :returns: (NOTHING, ALERT, FIXATE or CALL_OFF, PowerEvent or None)
        """
        event = self._failure(now_ns)
        if event:
            return FIXATE, event
        if outage_raised_by:
            if self._is_back(now_ns, outage_raised_by):
                for voice in self._voices.values():
                    voice.alarmed = False
                self._doublings = min(self._doublings + 1, MAX_DOUBLINGS)
                return CALL_OFF, None
            return NOTHING, None
        for voice in self._voices.values():
            if voice.level == power.GOOD:
                voice.alarmed = False
        return self._alert(), None

    def next_ns(self, now_ns):
        """When to ask again if there are no news until then, or None."""
        times = []
        for voice in self._voices.values():
            if voice.level == power.COMMIT and not voice.momentary:
                times.append(voice.since_ns + self._debounce_ns)
            if voice.news is not None:
                times.append(voice.news.monotonic_ns + self.grace_ns)
        return min((one for one in times if one > now_ns), default=None)

    @property
    def grace_ns(self):
        """The grace period, as it is now."""
        return self._grace_ns << self._doublings

    def _failure(self, now_ns):
        agreed = {name: voice for name, voice in self._voices.items()
                  if voice.says_commit(now_ns, self._debounce_ns)}
        if (all(voice.spent for voice in agreed.values()) or
                sum(voice.confidence for voice in agreed.values()) <
                self._min_confidence):
            return None
        for voice in agreed.values():
            voice.spent = True
        last = max(agreed.values(),
                   key=lambda voice: voice.counts_ns(self._debounce_ns))
        instant_ns = last.counts_ns(self._debounce_ns)
        return power.PowerEvent(
            ', '.join(voice.news.detail for voice in agreed.values()),
            last.news.wall_ns + instant_ns - last.news.monotonic_ns,
            instant_ns, tuple(sorted(agreed)))

    def _is_back(self, now_ns, outage_raised_by):
        if power.OPERATOR in outage_raised_by:
            return False
        alarmed = [voice for voice in self._voices.values()
                   if voice.alarmed and not voice.momentary]
        if not alarmed or any(voice.level != power.GOOD for voice in alarmed):
            return False
        latest_ns = max(voice.news.monotonic_ns
                        for voice in self._voices.values() if voice.news)
        return now_ns - latest_ns >= self.grace_ns

    def _alert(self):
        """Say ALERT once when a first source warns."""
        told, self._alert_told = self._alert_told, self.alerted
        return ALERT if self.alerted and not told else NOTHING
