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

"""temporality power announce"""

import argparse
import socket
import threading
import time
from typing import Any

from cliff import command

from nova_temporality.cli import config
from nova_temporality.notifier.sources import announcement


class CannotAnnounce(Exception):
    """What has to be changed before it can."""


class PowerAnnounce(command.Command):
    """Announce on the message bus how the power of a site is.

    All notifiers with the source "messaging" and this site hear it. URL,
    exchange, topic, site and key are those of the options messaging_* in
    [temporality]; the clocks of this host and of theirs must not differ by
    more than messaging_max_age_ms.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            'level', choices=announcement.LEVELS,
            help='power is good, may fail soon (warn), or fails (commit)')
        parser.add_argument(
            '--site', metavar='<name>',
            help='whose power it is about (default: messaging_site)')
        parser.add_argument(
            '--valid-ms', type=int, default=5000, metavar='<number>',
            help='for how long the message counts, in milliseconds '
                 '(default: %(default)s)')
        parser.add_argument(
            '--sender', default=socket.gethostname(), metavar='<name>',
            help='name of this detector; each of several needs its own '
                 '(default: %(default)s)')
        parser.add_argument(
            '--repeat', type=float, metavar='<seconds>',
            help='say it again and again, until the command is ended. '
                 'Notifiers notice silence, see messaging_silence')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        opts = config.options(self)
        site = parsed_args.site or opts.messaging_site
        for value, name in ((site, 'messaging_site'),
                            (opts.messaging_url, 'messaging_url')):
            if not value:
                raise CannotAnnounce('[temporality] %s is not set' % name)
        if parsed_args.repeat is not None and parsed_args.repeat <= 0:
            raise CannotAnnounce('--repeat %s: give more than 0 seconds'
                                 % parsed_args.repeat)
        key = (announcement.read_key(opts.messaging_key_file)
               if opts.messaging_key_file else None)
        if key is None:
            self.app.LOG.warning('The message is not signed; set '
                                 '[temporality] messaging_key_file')
        # Importing it takes long.
        from nova_temporality.notifier import bus
        client = bus.client(opts.messaging_url, opts.messaging_exchange,
                            opts.messaging_topic)
        while True:
            client.cast({}, 'power', **_message(parsed_args, site, key))
            if parsed_args.repeat is None:
                return
            threading.Event().wait(parsed_args.repeat)


def _message(args: argparse.Namespace, site: str,
             key: bytes | None) -> dict[str, Any]:
    now_ns = time.time_ns()
    said = announcement.Announcement(
        site, args.level, now_ns // 1000000, args.valid_ms, sequence=now_ns,
        sender=args.sender)
    message = said.message(key)
    # What no notifier takes is an error here.
    announcement.Announcement.parse(message)
    return message
