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

``level`` is good, warn or commit. The bus authenticates its users. A message
that is too old, from the future or about another site is logged and ignored.
"""

import threading
import time
from typing import Any

from oslo_config import cfg
from oslo_log import log as logging

from nova_temporality.notifier import bus
from nova_temporality.notifier import power
from nova_temporality.notifier import sources

LOG = logging.getLogger(__name__)

_LEVELS = (power.GOOD, power.WARN, power.COMMIT)


class Endpoint:
    """Takes the messages.

    :param site: messages about other sites are ignored
    :param max_age_ms: for which a message counts at most, whatever it says
    :param report: see sources.Source.run()
    """

    def __init__(self, site: str, max_age_ms: int,
                 report: sources.Report) -> None:
        self._site = site
        self._max_age_ms = max_age_ms
        self._report = report

    def power(self, _context: object, site: Any = None, level: Any = None,
              issued_at: Any = None, valid_ms: Any = None,
              **_more: Any) -> None:
        """Handle a message; never raises, whatever the message holds."""
        problem = self._problem(site, level, issued_at, valid_ms)
        if problem:
            LOG.warning('A message about power is ignored: %s', problem)
            return
        age_ns = int((time.time() - issued_at) * 1e9)
        self._report(power.News(
            level, 'message about %s' % site, time.time_ns() - age_ns,
            # The time that a fixation may take counts from now, whatever
            # date the sender gives.
            time.monotonic_ns()))

    def _problem(self, site: Any, level: Any, issued_at: Any,
                 valid_ms: Any) -> str | None:
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
        self._conf = conf
        self._opts = opts

    def run(self, report: sources.Report) -> None:
        opts = self._opts
        bus.serve(self._conf, opts.messaging_url, opts.messaging_exchange,
                  opts.messaging_topic, Endpoint(
                      opts.messaging_site, opts.messaging_max_age_ms, report))
        threading.Event().wait()
