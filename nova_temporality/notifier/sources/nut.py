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

"""UPSes that Network UPS Tools (NUT) watch, asked through upsd."""

import queue
import ssl
import threading
import time

from oslo_config import cfg
from oslo_log import log as logging

from nova_temporality.notifier import power
from nova_temporality.notifier import sources
from nova_temporality.notifier.sources import nut_client
from nova_temporality.notifier.sources import nut_supply

LOG = logging.getLogger(__name__)

# What a thread that asks one UPS has learnt: its number, the words of
# ups.status, or None, and what is wrong.
_Heard = tuple[int, str | None, str]


class NutSource(sources.Source):
    """On battery is WARN; battery low and forced shutdown are COMMIT.

    Each UPS is asked by a thread of its own: an upsd that hangs must not
    make us deaf to another one.
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        opts = conf.temporality
        self._user = opts.nut_user or ''
        self._password = opts.nut_password or ''
        self._interval = opts.nut_poll_interval_ms / 1000
        self._min_supplies = opts.nut_min_supplies
        for name, value in (('nut_user', self._user),
                            ('nut_password', self._password),
                            *(('nut_ups', ups) for ups in opts.nut_ups)):
            # Other characters would need quoting, or begin a command.
            if (not value.isascii() or not value.isprintable() or
                    set(value) & set(' "\\')):
                raise sources.SourceError(
                    '[temporality] %s: use printable ASCII characters only, '
                    'without blanks, quotes and backslashes' % name)
        if not opts.nut_ups:
            raise sources.SourceError(
                '[temporality] nut_ups is not set; name the UPS as '
                '"upsc -l %s" does' % opts.nut_host)
        if bool(self._user) != bool(self._password):
            raise sources.SourceError(
                '[temporality] nut_user and nut_password: set both or none')
        if self._min_supplies > len(opts.nut_ups):
            raise sources.SourceError(
                '[temporality] nut_min_supplies is %d, but nut_ups names %d '
                'UPSes only' % (self._min_supplies, len(opts.nut_ups)))
        self._tls = _tls(opts.nut_ca_file)
        self._upses = [_address(ups, opts.nut_host, opts.nut_port)
                       for ups in opts.nut_ups]
        self._supplies = [nut_supply.Supply(name, opts.nut_dead_time * 10**9)
                          for name in opts.nut_ups]
        self._level: str | None = None
        # What operators have to mend, by the number of the UPS.
        self._problems: dict[int, str] = {}

    def run(self, report: sources.Report) -> None:
        heard: queue.SimpleQueue[_Heard] = queue.SimpleQueue()
        stop = threading.Event()
        for number in range(len(self._upses)):
            threading.Thread(target=self._ask, args=(number, heard, stop),
                             daemon=True, name='nut-%d' % number).start()
        try:
            while True:
                answer = self._take(heard)
                # Before anything is logged.
                self._report_change(report)
                if answer is not None:
                    self._note(*answer)
        finally:
            stop.set()

    def _take(self, heard: queue.SimpleQueue[_Heard]
              ) -> tuple[int, str] | None:
        """Wait for an answer, or until silence has a meaning; take it.

        :returns: the number of the UPS, and what is wrong, '' if nothing
        """
        now_ns = time.monotonic_ns()
        deaths = [dies_ns for supply in self._supplies
                  if (dies_ns := supply.dies_ns(now_ns)) is not None]
        try:
            number, status, problem = heard.get(
                timeout=(max(min(deaths) - now_ns, 0) / 1e9 + 0.001
                         if deaths else None))
        except queue.Empty:
            return None
        if status is None:
            self._supplies[number].lose(problem)
        else:
            self._supplies[number].hear(status, time.monotonic_ns())
            self.heard()
        return number, problem

    def _note(self, number: int, problem: str) -> None:
        """Note what is wrong with one UPS, '' if nothing; log what is new."""
        words = '%s: %s' % (self._supplies[number].name, problem)
        if problem and words != self._problems.get(number):
            LOG.error('nut_ups %s', words)
        if problem:
            self._problems[number] = words
        else:
            self._problems.pop(number, None)
        self.problem = '; '.join(
            self._problems[at] for at in sorted(self._problems)) or None

    def _report_change(self, report: sources.Report) -> None:
        now_ns = time.monotonic_ns()
        level = nut_supply.together(
            [supply.level(now_ns) for supply in self._supplies],
            self._min_supplies)
        if level != self._level:
            self._level = level
            report(power.News.now(level, ', '.join(
                supply.describe() for supply in self._supplies)))

    def _ask(self, number: int, heard: queue.SimpleQueue[_Heard],
             stop: threading.Event) -> None:
        """Ask one UPS again and again."""
        name, host, port = self._upses[number]
        while not stop.is_set():
            try:
                with nut_client.Connection(host, port,
                                           self._tls) as connection:
                    problem = self._log_in(connection, name)
                    while not stop.is_set():
                        status = connection.status(name)
                        heard.put((number, status, problem))
                        stop.wait(self._interval)
            except (OSError, nut_client.NutError) as e:
                heard.put((number, None, 'upsd at %s:%d: %s'
                           % (host, port, e)))
            stop.wait(self._interval)

    def _log_in(self, connection: nut_client.Connection, ups: str) -> str:
        """Log in; return what is wrong, in words, '' if nothing.

        A wrong password is no reason to be deaf: upsd answers all the same.
        """
        if not self._user:
            return ''
        try:
            connection.log_in(ups, self._user, self._password)
        except nut_client.NutDenied as e:
            return str(e)
        return ''


def _tls(ca_file: str | None) -> ssl.SSLContext | None:
    if not ca_file:
        return None
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as e:
        raise sources.SourceError(
            '[temporality] nut_ca_file: cannot read certificates from %s: %s'
            % (ca_file, e))


def _address(ups: str, default_host: str,
             default_port: int) -> tuple[str, str, int]:
    """Return name, host and port of "name[@host[:port]]"."""
    name, _at, address = ups.partition('@')
    host, _colon, port = address.rpartition(':')
    if not host or port.endswith(']'):  # no port
        host, port = address, ''
    if not name or (port and not port.isdigit()):
        raise sources.SourceError(
            '[temporality] nut_ups: "%s" is not "name", "name@host" or '
            '"name@host:port"' % ups)
    return (name, host.strip('[]') or default_host,
            int(port) if port else default_port)
