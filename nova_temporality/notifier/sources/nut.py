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

"""A UPS that Network UPS Tools (NUT) watch, asked through upsd.

The protocol is that of RFC 9271 and of NUT's own "Network protocol
information": lines of ASCII over TCP.
"""

import socket
import time
from typing import Self

from oslo_config import cfg

from nova_temporality.notifier import power
from nova_temporality.notifier import sources

_MAX_LINE = 1024
# Seconds that upsd may take for an answer.
_PATIENCE = 5.0


class NutError(Exception):
    """upsd does not answer, or does not know the status of the UPS."""


def level(status: str) -> str:
    """Return the power level that the words of ups.status mean."""
    words = status.split()
    if 'FSD' in words or ('OB' in words and 'LB' in words):
        return power.COMMIT
    if 'OB' in words:
        return power.WARN
    if 'OL' in words:
        return power.GOOD
    return power.LOST


class Connection:
    """One connection to upsd.

    :raises: OSError, NutError; as do its methods
    """

    def __init__(self, host: str, port: int) -> None:
        self._sock = socket.create_connection((host, port), _PATIENCE)
        self._buffer = b''

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._sock.close()

    def log_in(self, ups: str, user: str, password: str) -> None:
        """Log in: upsd counts the hosts that depend on the UPS."""
        self._expect_ok('USERNAME ' + user)
        self._expect_ok('PASSWORD ' + password)
        self._expect_ok('LOGIN ' + ups)

    def status(self, ups: str) -> str:
        """Return the words of ups.status, e.g. "OB LB"."""
        reply = self._ask('GET VAR %s ups.status' % ups)
        start = 'VAR %s ups.status "' % ups
        if not reply.startswith(start) or not reply.endswith('"'):
            raise NutError('upsd answers %.100r' % reply)
        return reply[len(start):-1]

    def _expect_ok(self, request: str) -> None:
        reply = self._ask(request)
        if not reply.startswith('OK'):
            raise NutError('upsd answers %.100r to %s'
                           % (reply, request.split()[0]))

    def _ask(self, request: str) -> str:
        deadline = time.monotonic() + _PATIENCE
        self._sock.settimeout(_PATIENCE)
        self._sock.sendall(request.encode() + b'\n')
        while b'\n' not in self._buffer:
            left = deadline - time.monotonic()
            if left <= 0:
                raise NutError('upsd does not answer within %d seconds'
                               % _PATIENCE)
            self._sock.settimeout(left)
            data = self._sock.recv(_MAX_LINE)
            if not data:
                raise NutError('upsd closed the connection')
            self._buffer += data
            if len(self._buffer) > _MAX_LINE:
                raise NutError('upsd sends more than a line')
        line, self._buffer = self._buffer.split(b'\n', 1)
        reply = line.decode('ascii', 'replace')
        if reply.startswith('ERR'):
            raise NutError('upsd answers %s to %s'
                           % (reply, request.split()[0]))
        return reply


class NutSource(sources.Source):
    """On battery is WARN; battery low and forced shutdown are COMMIT."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        opts = conf.temporality
        self._address = opts.nut_host, opts.nut_port
        self._ups = opts.nut_ups
        self._user = opts.nut_user
        self._password = opts.nut_password
        self._interval = opts.nut_poll_interval_ms / 1000
        for name in ('nut_ups', 'nut_user', 'nut_password'):
            value = getattr(opts, name) or ''
            # Other characters would need quoting, or begin a command.
            if (not value.isascii() or not value.isprintable() or
                    set(value) & set(' "\\')):
                raise sources.SourceError(
                    '[temporality] %s: use printable ASCII characters only, '
                    'without blanks, quotes and backslashes' % name)
        if not self._ups:
            raise sources.SourceError(
                '[temporality] nut_ups is not set; name the UPS as '
                '"upsc -l %s" does' % opts.nut_host)
        if bool(self._user) != bool(self._password):
            raise sources.SourceError(
                '[temporality] nut_user and nut_password: set both or none')
        self._level: str | None = None

    def run(self, report: sources.Report) -> None:
        while True:
            try:
                with Connection(*self._address) as connection:
                    if self._user:
                        connection.log_in(self._ups, self._user,
                                          self._password)
                    while True:
                        status = connection.status(self._ups)
                        self._report_change(
                            report, level(status),
                            'UPS %s: %s' % (self._ups, status))
                        time.sleep(self._interval)
            except (OSError, NutError) as e:
                self._report_change(
                    report, power.LOST, 'UPS %s at %s:%d: %s'
                    % (self._ups, *self._address, e))
            time.sleep(self._interval)

    def _report_change(self, report: sources.Report, level: str,
                       detail: str) -> None:
        if level != self._level:
            self._level = level
            report(power.News.now(level, detail))
