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

"""temporality status"""

import argparse
from typing import Any

from cliff import show

from nova_temporality.cli import columns
from nova_temporality.cli import config
from nova_temporality.cli import sizes
from nova_temporality.host import budget
from nova_temporality.notifier import client
from nova_temporality.notifier.reports import outage
from nova_temporality.notifier.sources import state
from nova_temporality import vpm


class _Platform(columns.Formattable[dict[str, str] | None]):
    """What saves the CPU caches; a line for people."""

    def human_readable(self) -> str:
        return self._value['detail'] if self._value else 'unknown'


class _Nvdimms(columns.Formattable[list[dict[str, Any]]]):
    """The NVDIMMs below the pool; a line each for people."""

    def human_readable(self) -> str:
        return '\n'.join(map(_nvdimm, self._value)) or 'none'


def _nvdimm(nvdimm: dict[str, Any]) -> str:
    count = nvdimm['dirty_shutdowns']
    return ' - '.join(filter(None, (
        nvdimm['name'] + (' armed' if nvdimm['is_armed'] else ' NOT ARMED'),
        *nvdimm['losses'], *nvdimm['events'],
        None if count is None else '%d dirty shutdowns' % count)))


class _Pvms(columns.Formattable[list[dict[str, Any]]]):
    """pVMs as the notifier describes them; a line each for people."""

    def human_readable(self) -> str:
        return '\n'.join(
            ' - '.join(filter(None, (
                '%(name)s %(state)s' % pvm,
                'route ' + pvm['route'] if pvm['route'] else None,
                pvm['reason'], pvm['remedy'])))
            for pvm in self._value) or 'none'


class _Sources(
        columns.Formattable[list[state.SourceStatus]]):
    """The sources that tell of power; a line each for people."""

    def human_readable(self) -> str:
        return '\n'.join(map(_source, self._value)) or (
            'none: nobody tells when power fails; see pod_sources')


def _source(source: state.SourceStatus) -> str:
    since = source['since']
    return ' - '.join(filter(None, (
        '%(name)s %(state)s' % source + (' since ' + since if since else ''),
        source['detail'],
        'PROBLEM: %(problem)s' % source if source['problem'] else None,
        source['remark'],
        'last heard ' + source['heard'] if source['heard'] else None)))


class _LastOutage(columns.Formattable[outage.OutageReport | None]):
    """The report of the last outage; a line for people."""

    def human_readable(self) -> str:
        return outage.summary(self._value) if self._value else 'none'


class _LastDrill(columns.Formattable[outage.OutageReport | None]):
    """The report of the last drill; a line for people."""

    def human_readable(self) -> str:
        if not self._value:
            return 'none'
        return '%s: %s, all after %.1f ms' % (
            self._value['event']['time'], outage.counts(self._value),
            self._value['acknowledged_ms'])


class _Budget(
        columns.Formattable[budget.BudgetStatus | None]):
    """Whether all fits into the hold-up time; a line for people."""

    def human_readable(self) -> str:
        if not self._value:
            return 'unknown'
        text = '%(predicted_ms).1f of %(hold_up_ms)d ms predicted' % (
            self._value)
        if self._value['not_drilled']:
            text += (', %(not_drilled)d not drilled and assumed to take '
                     '%(assumed_ms).1f ms' % self._value)
        if self._value['drilled_at']:
            text += ('; last drill (%(drilled_at)s): %(drilled_ms).1f ms' %
                     self._value)
        errors = self._value.get('errors')
        if errors:
            text += ('; the latest drills took %.1f to %.1f times what was '
                     'predicted for them' % (min(errors), max(errors)))
        if not self._value['fits']:
            text += ('; DOES NOT FIT: see "Too many for the hold-up time" in '
                     'the operator\'s manual')
        return text


class _Vault(columns.Formattable[dict[str, Any] | None]):
    """Whether power lasts for writing all to the vault; a line for people."""

    def human_readable(self) -> str:
        vault = self._value
        if not vault:
            return 'none'
        if not vault['hold_up']:
            return ('%(path)s: for planned reboots only; the supply does not '
                    'last for it (vault_hold_up is 0)' % vault)
        if vault['problem']:
            return '%(path)s: PROBLEM: %(problem)s' % vault
        text = ('%s: %s in %.1f of %d s predicted; its disk takes %.1f MiB/s, '
                'measured %s' % (
                    vault['path'], sizes.show(vault['bytes']),
                    vault['predicted'], vault['hold_up'], vault['mib_per_s'],
                    vault['measured_at']))
        # A notifier of an earlier version does not tell.
        if vault.get('bounded'):
            text += '; of %s of bounded servers %s may be left' % (
                sizes.show(vault['bounded']),
                sizes.show(vault['room'] >> 20 << 20))
        return text if vault['fits'] else (
            text + '; DOES NOT FIT: servers of the lowest priority would be '
            'lost')


class _Paused(columns.Formattable[str | None]):
    """Why background work waits, if it does."""

    def human_readable(self) -> str:
        return self._value or 'no'


class Status(show.ShowOne):
    """Show whether this host's servers would survive a power cut.

    Exits with 1 if the notifier or the engine is down, if the notifier does
    not hear a source that tells of power, if it cannot read the pool, if that
    is not on the medium that it was made on, if a running server is not armed,
    or if the hold-up time is too short to fixate all of them, or to write all
    of them to the vault (vault_hold_up).
    """

    def run(self, parsed_args: argparse.Namespace) -> int:
        self.sound = True
        super().run(parsed_args)
        return 0 if self.sound else 1

    def take_action(self, parsed_args: argparse.Namespace) -> columns.Table:
        opts = config.options(self)
        try:
            status = client.call(opts.run_dir, 'status')
            notifier = 'up'
        except client.NotifierDown as e:
            status = {'engine': 'down', 'pvms': [], 'pool_error': None,
                      'platform': None, 'budget': None,
                      'background_paused': None, 'vault': None,
                      'last_outage': None, 'last_drill': None}
            notifier = 'down: %s' % e
        pool, pool_sound = self._pool(opts.pool_path)
        pool = status['pool_error'] or pool
        # A notifier of an earlier version tells neither of them.
        sources = status.get('sources', [])
        vault = status.get('vault')
        self.sound = notifier == 'up' and pool_sound and not (
            status['pool_error'] or status.get('engine_problem')) and all(
            pvm['state'] not in ('not armed', 'stopped')
            for pvm in status['pvms']) and all(
            source['is_sound'] for source in sources) and (
                status['budget']['fits']) and (
                    vault is None or vault['fits'])
        return (('notifier', 'engine', 'sources', 'pool', 'nvdimms',
                 'platform', 'pvms', 'budget', 'vault', 'background_paused',
                 'last_outage', 'last_drill'),
                (notifier, status['engine'], _Sources(sources), pool,
                 _Nvdimms(status.get('nvdimms', [])),
                 _Platform(status['platform']), _Pvms(status['pvms']),
                 _Budget(status['budget']), _Vault(vault),
                 _Paused(status['background_paused']),
                 _LastOutage(status['last_outage']),
                 _LastDrill(status['last_drill'])))

    @staticmethod
    def _pool(path: str) -> tuple[str, bool]:
        """Return what the pool is, in words, and whether its medium is right.

        The notifier tells whether it can be read: not everybody may.
        """
        try:
            with vpm.Pool(path) as pool:
                info = pool.info()
        except vpm.VpmError as e:
            return str(e), True
        text = '%s (%s): %s of %s used' % (
            path, info.medium_shown, sizes.show(info.used_size),
            sizes.show(info.total_size))
        if info.freed_size:
            text += ', of which %s were freed and are not scrubbed yet' % (
                sizes.show(info.freed_size))
        if info.medium_problem:
            text += '\nPROBLEM: ' + info.medium_problem
        return text, not info.medium_problem
