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

"""Messages of a detector for a rack or a room, through oslo.messaging.

The detector casts to all notifiers, as ``temporality power announce`` does;
what a message holds is in the module announcement. A message that is too old,
from the future, overtaken by a later one, about another site, or without the
signature that was configured, is logged and ignored.
"""

import threading
import time
from typing import Any

from oslo_config import cfg
from oslo_log import log as logging

from nova_temporality.notifier import bus
from nova_temporality.notifier import power
from nova_temporality.notifier import sources
from nova_temporality.notifier.sources import announcement

LOG = logging.getLogger(__name__)

# Seconds within which a message of the same level is a repetition, if there
# is no limit of silence.
_REPETITION = 60


class MessagingSource(sources.Source):
    """Receives messages about the power of one site."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        opts = conf.temporality
        if not opts.messaging_site:
            raise sources.SourceError(
                '[temporality] messaging_site is not set; name the site '
                'whose power this host depends on, as its detector does')
        if not opts.messaging_url:
            raise sources.SourceError(
                '[temporality] messaging_url is not set; it looks like '
                'rabbit://user:password@host:5672/')
        self._key: bytes | None = None
        if opts.messaging_key_file:
            try:
                self._key = announcement.read_key(opts.messaging_key_file)
            except announcement.BadKey as e:
                raise sources.SourceError(
                    '[temporality] messaging_key_file: %s' % e)
        else:
            self.remark = ('messages are not signed: whoever may write to '
                           'the exchange can stop the servers; set '
                           'messaging_key_file')
        self._conf = conf
        self._opts = opts

    def run(self, report: sources.Report) -> None:
        opts = self._opts
        if self.remark:
            LOG.warning('The source messaging: %s', self.remark)
        endpoint = Endpoint(self, opts.messaging_site,
                            opts.messaging_max_age_ms,
                            opts.messaging_silence, self._key, report)
        bus.serve(self._conf, opts.messaging_url, opts.messaging_exchange,
                  opts.messaging_topic, endpoint)
        while True:
            threading.Event().wait(endpoint.look(time.monotonic()))


class Endpoint:
    """Takes the messages, in any thread.

    :param source: whose problem is set
    :param site: messages about other sites are ignored
    :param max_age_ms: for which a message counts at most, whatever it says
    :param silence: seconds without a message after which nobody is taken to
                    speak any more; 0 for never
    :param key: with which messages have to be signed, or None
    :param report: see sources.Source.run()
    """

    def __init__(self, source: sources.Source, site: str, max_age_ms: int,
                 silence: int, key: bytes | None,
                 report: sources.Report) -> None:
        self._source = source
        self._site = site
        self._max_age_ms = max_age_ms
        self._silence = silence
        self._key = key
        self._report = report
        self._lock = threading.Lock()
        self._order = announcement.Order()
        self._heard = time.monotonic()
        # Level of the latest report, which is not repeated.
        self._level: str | None = None
        # What was wrong with the latest messages, not to be logged again.
        self._told: set[str] = set()

    def power(self, _context: object, **message: Any) -> None:
        """Handle a message; never raises, whatever the message holds."""
        with self._lock:
            self._handle(message)

    def look(self, now: float) -> float:
        """Look whether there was silence for too long.

        :param now: time.monotonic()
        :returns: seconds until the next look
        """
        with self._lock:
            if not self._silence:
                return threading.TIMEOUT_MAX
            left = self._heard + self._silence - now
            if left > 0:
                return left
            if self._level != power.LOST:
                self._level = power.LOST
                self._report(power.News.now(
                    power.LOST, 'no message about %s for %d seconds; is the '
                    'bus up, and does the detector speak?'
                    % (self._site, self._silence)))
            return float(self._silence)

    def _handle(self, message: dict[str, Any]) -> None:
        try:
            heard = announcement.Announcement.parse(message)
        except announcement.BadAnnouncement as e:
            self._ignore('garbage', str(e))
            return
        if heard.site != self._site:
            self._ignore('site', 'site %.100r is not %r'
                         % (heard.site, self._site))
            return
        if self._key is not None and not heard.is_signed(
                message.get('signature'), self._key):
            self._ignore('signature', 'it is not signed with the key of '
                         'messaging_key_file')
            return
        age_ms = time.time_ns() / 1e6 - heard.issued_ms
        bound_ms = min(heard.valid_ms, self._max_age_ms)
        if not -self._max_age_ms <= age_ms <= bound_ms:
            problem = ('it was issued %d ms ago, and counts for %d ms; if it '
                       'is new, set the clocks' % (age_ms, bound_ms))
            # From here on the sender is believed, and it is not heard.
            self._source.problem = ('messages about %s are ignored: the last '
                                    'one %s' % (self._site, problem[3:]))
            self._ignore('age', problem)
            return
        if not self._order.is_news(heard):
            self._ignore('overtaken', 'a later one came before it, or it '
                         'came before')
            return
        self._take(heard, age_ms)

    def _take(self, heard: announcement.Announcement, age_ms: float) -> None:
        now = time.monotonic()
        is_repeated = (heard.level == self._level and now - self._heard <
                       (self._silence or _REPETITION))
        self._heard = now
        self._level = heard.level
        if not is_repeated:
            self._report(power.News(
                heard.level, 'message about %s%s' % (
                    heard.site,
                    ' of ' + heard.sender if heard.sender else ''),
                time.time_ns() - int(age_ms * 1e6),
                # The time that a fixation may take counts from now, whatever
                # date the sender gives.
                time.monotonic_ns()))
        self._source.heard()
        self._source.problem = None
        self._told.clear()

    def _ignore(self, kind: str, problem: str) -> None:
        """Log why messages are ignored, once until a good one comes."""
        if kind in self._told:
            LOG.debug('A message about power is ignored: %s', problem)
            return
        self._told.add(kind)
        log = LOG.error if kind == 'age' else LOG.warning
        log('A message about power is ignored: %s', problem)
