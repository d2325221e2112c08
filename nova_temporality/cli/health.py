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

"""temporality health"""

import argparse
import json
import re

from cliff import command

from nova_temporality.cli import config
from nova_temporality.notifier import client
from nova_temporality.notifier import health
from nova_temporality.notifier import mutes

# Seconds; a monitoring plug-in is given up after ten, mostly.
_PATIENCE = 8.0

_UNITS = {'s': 1, 'm': 60, 'h': 3600, 'd': 24 * 3600}


def duration(text: str) -> int:
    """Return the seconds that e.g. "90m", "2h" or "7d" means."""
    match = re.fullmatch('([0-9]{1,9})([smhd])', text)
    seconds = int(match[1]) * _UNITS[match[2]] if match else 0
    if not 0 < seconds <= mutes.LONGEST:
        raise argparse.ArgumentTypeError(
            '%r is not a time; give e.g. 90m, 2h or 7d, at most %dd' % (
                text, mutes.LONGEST // _UNITS['d']))
    return seconds


class Health(command.Command):
    """Show how this host is: one word, then what is wrong.

    The word is OK, WARN, CRITICAL or, if the notifier does not answer,
    UNKNOWN. Exits with 0, 1, 2 or 3, as monitoring plug-ins do. Codes that are
    muted are shown, but do not count.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument('-f', '--format', choices=('text', 'json'),
                            default='text', help='(default: text)')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        try:
            report: health.Report = client.call(
                config.options(self).run_dir, 'health', _PATIENCE)
        except client.NotifierError as e:
            report = health.away(str(e))
        text = (json.dumps(report, indent=2) if parsed_args.format == 'json'
                else _text(report))
        self.app.stdout.write(text + '\n')
        return health.RANKS[report['health']]


def _text(report: health.Report) -> str:
    lines = [report['health']]
    for finding in report['findings']:
        muted = finding['muted_until']
        lines.append('%(code)s (%(severity)s' % finding + (
            ', muted until %s)' % muted if muted else ')'))
        lines += ['    %(name)s: %(detail)s' % concern
                  for concern in finding['concerns']]
        lines += ['    ' + finding['meaning'], '    ' + finding['remedy']]
    raised = {finding['code'] for finding in report['findings']}
    lines += ['%s (not raised, muted until %s)' % (code, until)
              for code, until in report['mutes'].items()
              if code not in raised]
    return '\n'.join(lines)


class HealthMute(command.Command):
    """Mute a code for a while, as far as it is raised now.

    It shows again when it is about something else too, for example a second
    server. A code that is not raised is muted whatever comes. nova-compute
    does not ask for mutes.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument('code', metavar='<code>', choices=health.CODES,
                            help='one of: %s' % ', '.join(health.CODES))
        parser.add_argument('--for', metavar='<time>', type=duration,
                            dest='seconds', required=True,
                            help='e.g. 90m, 2h or 7d')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        until = client.call(
            config.options(self).run_dir, 'mute', code=parsed_args.code,
            seconds=parsed_args.seconds)
        self.app.stdout.write('%s is muted until %s\n' % (parsed_args.code,
                                                          until))


class HealthUnmute(command.Command):
    """End the mute of a code."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument('code', metavar='<code>',
                            help='that "temporality health" shows as muted')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        client.call(config.options(self).run_dir, 'unmute',
                    code=parsed_args.code)
