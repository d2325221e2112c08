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

"""temporality outage report"""

import argparse
import dataclasses
import json

from cliff import command

from nova_temporality.cli import config
from nova_temporality.cli import outage
from nova_temporality.cli import output
from nova_temporality.cli.report import build
from nova_temporality.cli.report import html
from nova_temporality.cli.report import model
from nova_temporality.cli.report import records
from nova_temporality.cli.report import svg
from nova_temporality.cli.report import text
from nova_temporality.host import paths
from nova_temporality.host import recovery_log
from nova_temporality.notifier.reports import archive
from nova_temporality import vpm
from nova_temporality.vpm import outcomes

# Of the form of the JSON document; it grows if a key goes, or means something
# else.
_VERSION = 1


class OutageReport(command.Command):
    """Tell what happened in an outage, and what became of each server.

    On the terminal, as JSON, as a picture (SVG), or as one page (HTML) to
    print or to send. Also takes the id of a drill that the pool remembers.
    Files are written as a whole or not at all; one that is there is replaced.
    They name servers, so only their owner and group may read them.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        outage.add_outage(parser)
        form = parser.add_mutually_exclusive_group()
        form.add_argument('--html', metavar='<file>',
                          help='write a page to this file ("-": print it)')
        form.add_argument('--svg', metavar='<file>',
                          help='write a picture to this file ("-": print it)')
        form.add_argument('-f', '--format', choices=('text', 'json'),
                          default='text', help='(default: text)')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        report = self._report(parsed_args.outage)
        path = '-'
        if parsed_args.html is not None:
            path, shown = parsed_args.html, html.render(report)
        elif parsed_args.svg is not None:
            path, shown = parsed_args.svg, svg.picture(report)
        elif parsed_args.format == 'json':
            shown = json.dumps(plain(report), indent=2) + '\n'
        else:
            shown = text.render(report) + '\n'
        if path == '-':
            self.app.stdout.write(shown)
        else:
            output.write(path, shown)
            self.app.stdout.write('Written: %s\n' % path)

    def _report(self, wanted: str | None) -> model.Report:
        opts = config.options(self)
        with vpm.Pool(opts.pool_path) as pool:
            ring = outcomes.read(pool)
        known = records.Records(
            archive.Archive(paths.outages(opts.pool_path)), ring,
            recovery_log.read(opts.pool_path))
        return build.build(known.find(wanted), known, opts.hold_up_ms)


def plain(report: model.Report) -> dict[str, object]:
    """Return a report as it goes into JSON."""
    return {'version': _VERSION, **dataclasses.asdict(report)}
