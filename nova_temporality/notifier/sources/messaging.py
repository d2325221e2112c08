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

The detector casts to all notifiers (its transport made with cfg.CONF, as
clients of oslo.messaging need it)::

    client = oslo_messaging.get_rpc_client(transport, oslo_messaging.Target(
        exchange='temporality', topic='temporality-power', fanout=True))
    client.cast({}, 'power', site='room 1', level='commit',
                issued_at=time.time(), valid_ms=2000)

``level`` is good, warn or commit. The bus authenticates its users. What is
old, from the future or about another site does nothing but a line in the log.
"""

import threading
import time

from oslo_log import log as logging

from nova_temporality.notifier import bus
from nova_temporality.notifier import power
from nova_temporality.notifier import sources

LOG = logging.getLogger(__name__)

_LEVELS = (power.GOOD, power.WARN, power.COMMIT)


class Endpoint:
    """Takes the messages.

    :param site: the only one that counts
    :param max_age_ms: upper bound for what messages call fresh
    :param report: see sources.Source.run()
    """

    def __init__(self, site, max_age_ms, report):
        self._site = site
        self._max_age_ms = max_age_ms
        self._report = report

    def power(self, _context, site=None, level=None, issued_at=None,
              valid_ms=None, **_more):
        """Handle a message; it must not raise, whatever it is."""
        problem = self._problem(site, level, issued_at, valid_ms)
        if problem:
            LOG.warning('A message about power is ignored: %s', problem)
            return
        age_ns = int((time.time() - issued_at) * 1e9)
        self._report(power.News(
            level, 'message about %s' % site, time.time_ns() - age_ns,
            # No sender can date an event before it came to be known here:
            # the time that a fixation may take counts from now.
            time.monotonic_ns()))

    def _problem(self, site, level, issued_at, valid_ms):
        if site != self._site:
            return 'site %.100r is not %r' % (site, self._site)
        if level not in _LEVELS:
            return 'level %.100r is none of %s' % (level, ', '.join(_LEVELS))
        for name, value in (('issued_at', issued_at), ('valid_ms', valid_ms)):
            if type(value) not in (int, float) or not 0 <= value < 1e12:
                return '%s %.100r is no number' % (name, value)
        age_ms = (time.time() - issued_at) * 1000
        bound_ms = min(valid_ms, self._max_age_ms)
        if not -self._max_age_ms <= age_ms <= bound_ms:
            return ('it was issued %d ms ago, and counts for %d ms; if it '
                    'is new, set the clocks' % (age_ms, bound_ms))
        return None


class MessagingSource(sources.Source):
    """A fan-out that says how the power of one site is."""

    def __init__(self, conf):
        opts = conf.temporality
        if not opts.messaging_site:
            raise sources.SourceError(
                '[temporality] messaging_site is not set; name the site '
                'whose power this host depends on, as its detector does')
        if not opts.messaging_url:
            raise sources.SourceError(
                '[temporality] messaging_url is not set; it looks like '
                'rabbit://user:password@host:5672/')
        self._conf = conf
        self._opts = opts

    def run(self, report):
        opts = self._opts
        bus.serve(self._conf, opts.messaging_url, opts.messaging_exchange,
                  opts.messaging_topic, Endpoint(
                      opts.messaging_site, opts.messaging_max_age_ms, report))
        threading.Event().wait()
