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

"""temporality vault restore and vault measure"""

import argparse
import time

from cliff import lister
from cliff import show

from nova_temporality.cli import columns
from nova_temporality.cli import config
from nova_temporality.host import paths
from nova_temporality.notifier.reports import archive
from nova_temporality.notifier.reports import outage
from nova_temporality.vault import measuring
from nova_temporality.vault import place
from nova_temporality.vault import restoring


class VaultRestore(lister.Lister):
    """Make the pool again from its vault, after the host has booted.

    A pool that is there is left alone. Without a vault nothing is done. Exits
    with 1 if a server is unproven: its memory is not what was written to the
    vault, or is stale.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        _add_vault(parser)
        return parser

    def run(self, parsed_args: argparse.Namespace) -> int:
        self.outcomes: list[restoring.Outcome] = []
        options = config.options(self)
        vault = parsed_args.vault or options.vault_path
        if not vault:
            self.app.LOG.info('[temporality] vault_path names no vault: '
                              'nothing is restored')
            return 0
        began_ns = time.time_ns()
        outcomes = restoring.restore(vault, options.pool_path)
        if outcomes is None:
            self.app.LOG.info('The pool %s is there: nothing is restored',
                              options.pool_path)
            return 0
        self.outcomes = outcomes
        super().run(parsed_args)
        self._note(options.pool_path, began_ns)
        return 1 if any(outcome.result == restoring.UNPROVEN
                        for outcome in outcomes) else 0

    def take_action(self, parsed_args: argparse.Namespace) -> columns.Table:
        return ('Server', 'Result', 'Bytes', 'Reason'), [
            (outcome.name, outcome.result, outcome.size, outcome.reason)
            for outcome in self.outcomes]

    def _note(self, pool_path: str, began_ns: int) -> None:
        """Note in the report of the outage what was read; nobody needs it."""
        restored = [outcome for outcome in self.outcomes
                    if outcome.result == restoring.RESTORED]
        reports = archive.Archive(paths.outages(pool_path))
        try:
            for report in map(reports.load, reports.ids()[-1:]):
                if report:
                    reports.store(outage.restored(
                        report, began_ns, time.time_ns(), len(restored),
                        sum(outcome.size for outcome in restored)))
        except OSError as e:
            self.app.LOG.warning('The report of the outage will not tell what '
                                 'was restored: %s', e)


class VaultMeasure(show.ShowOne):
    """Measure how fast the disk of the vault is, and note it there.

    From that follows whether a power supply lasts for writing all servers
    (vault_hold_up). It writes for about ten seconds, up to 4 GiB to a spare
    file, which takes bandwidth from other users of the disk.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        _add_vault(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> columns.Table:
        vault = parsed_args.vault or config.options(self).vault_path
        if not vault:
            raise place.VaultError('[temporality] vault_path names no vault; '
                                   'name one with --vault')
        measured = measuring.measure(vault)
        return ('path', 'mib_per_s', 'measured_at'), (
            measured.path, measured.mib_per_s, measured.measured_at)


def _add_vault(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--vault', metavar='<directory>',
        help='of the vault (default: [temporality] vault_path)')
