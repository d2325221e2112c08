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

"""What a detector announces about the power of a site, and its signature.

The signature is the hexadecimal HMAC-SHA256 of the lines that
Announcement.signed_text() returns, with the key that detector and notifiers
share.
"""

import dataclasses
import hashlib
import hmac
import os
import stat
from typing import Any

from nova_temporality.notifier import power

LEVELS = (power.GOOD, power.WARN, power.COMMIT)
# Bytes that a key has at least.
_MIN_KEY = 16
_MAX_WORDS = 255
_MAX_NUMBER = 1 << 63
# Senders that are known apart.
_MAX_SENDERS = 64


class BadAnnouncement(Exception):
    """A message is not an announcement; the text says why."""


class BadKey(Exception):
    """A key cannot be used; the text names the file and the remedy."""


@dataclasses.dataclass(frozen=True)
class Announcement:
    """What a detector says.

    :ivar site: whose power it is about
    :ivar level: one of LEVELS
    :ivar issued_ms: CLOCK_REALTIME when it was issued
    :ivar valid_ms: for how long it counts
    :ivar sequence: that later announcements of the same sender exceed
    :ivar sender: name of the detector
    """

    site: str
    level: str
    issued_ms: int
    valid_ms: int
    sequence: int = 0
    sender: str = ''

    @classmethod
    def parse(cls, message: dict[str, Any]) -> 'Announcement':
        """Make it of the arguments of a message.

        :raises: BadAnnouncement
        """
        words = {name: message.get(name, '')
                 for name in ('site', 'level', 'sender')}
        for name, word in words.items():
            if (not isinstance(word, str) or len(word) > _MAX_WORDS or
                    not word.isprintable()):
                raise BadAnnouncement('%s %.100r is no name' % (name, word))
        if words['level'] not in LEVELS:
            raise BadAnnouncement('level %.100r is none of %s' % (
                words['level'], ', '.join(LEVELS)))
        for name in ('issued_at', 'valid_ms'):
            value: Any = message.get(name)
            if type(value) not in (int, float) or not 0 <= value < 1e12:
                raise BadAnnouncement('%s %.100r is no number'
                                      % (name, value))
        sequence = message.get('sequence', 0)
        if type(sequence) is not int or not 0 <= sequence < _MAX_NUMBER:
            raise BadAnnouncement('sequence %.100r is no number'
                                  % (sequence,))
        return cls(words['site'], words['level'],
                   round(message['issued_at'] * 1000),
                   round(message['valid_ms']), sequence, words['sender'])

    def message(self, key: bytes | None) -> dict[str, Any]:
        """Return the arguments of the message, signed if there is a key."""
        arguments = {'site': self.site, 'level': self.level,
                     'issued_at': self.issued_ms / 1000,
                     'valid_ms': self.valid_ms, 'sequence': self.sequence,
                     'sender': self.sender}
        if key is not None:
            arguments['signature'] = self._signature(key)
        return arguments

    def is_signed(self, signature: Any, key: bytes) -> bool:
        """Whether a signature is that of this announcement."""
        return (isinstance(signature, str) and signature.isascii() and
                hmac.compare_digest(signature, self._signature(key)))

    def signed_text(self) -> str:
        """Return what is signed; no line can hold a newline."""
        return '\n'.join((
            'temporality power 1', self.site, self.level, str(self.issued_ms),
            str(self.valid_ms), str(self.sequence), self.sender))

    def _signature(self, key: bytes) -> str:
        return hmac.new(key, self.signed_text().encode(),
                        hashlib.sha256).hexdigest()


def read_key(path: str) -> bytes:
    """Read the key that announcements are signed with.

    White space around it does not count.

    :raises: BadKey
    """
    try:
        with open(path, 'rb') as f:
            mode = os.fstat(f.fileno()).st_mode
            key = f.read().strip()
    except OSError as e:
        raise BadKey('cannot read the key %s: %s' % (path, e.strerror or e))
    if mode & (stat.S_IROTH | stat.S_IWOTH | stat.S_IWGRP):
        raise BadKey('the key %s may be read or written by others; set its '
                     'mode to 0600 or 0640' % path)
    if len(key) < _MIN_KEY:
        raise BadKey('the key %s has %d bytes; it needs %d, for example of '
                     '"openssl rand -hex 32"' % (path, len(key), _MIN_KEY))
    return key


class Order:
    """Which announcements are news: not those that were overtaken.

    Messages come more than once, late, and handled by several threads. In
    doubt an alarm counts, and that power is good does not.
    """

    def __init__(self) -> None:
        # The latest announcement of each sender, and the latest alarm.
        self._latest: dict[str, Announcement] = {}
        self._alarm_ms = 0

    def is_news(self, heard: Announcement) -> bool:
        """Take an announcement; return whether it counts."""
        latest = self._latest.get(heard.sender)
        if latest is not None:
            later = (heard.issued_ms > latest.issued_ms,
                     heard.sequence > latest.sequence)
            earlier = (heard.issued_ms < latest.issued_ms or
                       heard.sequence < latest.sequence)
            graver = (heard.issued_ms == latest.issued_ms and
                      heard.sequence == latest.sequence and
                      LEVELS.index(heard.level) > LEVELS.index(latest.level))
            if not any(later) and not graver:
                return False
            if heard.level == power.GOOD and earlier:
                return False
        if heard.level == power.GOOD:
            # Another sender's alarm may be later than this.
            if heard.issued_ms < self._alarm_ms:
                return False
        else:
            self._alarm_ms = max(self._alarm_ms, heard.issued_ms)
        self._latest[heard.sender] = heard
        if len(self._latest) > _MAX_SENDERS:
            oldest = min(self._latest.values(), key=lambda one: one.issued_ms)
            del self._latest[oldest.sender]
        return True
