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

"""temporality status, fixate, resume, drill and outage show."""

import datetime

from cliff import columns
from cliff import lister
from cliff import show

from nova_temporality.cli import sizes
from nova_temporality.notifier import client
from nova_temporality.notifier import power
from nova_temporality.notifier.reports import outage
from nova_temporality import vpm
from nova_temporality.vpm import outcomes


class _Platform(columns.FormattableColumn):
    """What the host saves; a line for people."""

    def human_readable(self):
        return self._value['detail'] if self._value else 'unknown'


class _Pvms(columns.FormattableColumn):
    """pVMs as the notifier describes them; a line each for people."""

    def human_readable(self):
        return '\n'.join(
            ' - '.join(filter(None, (
                '%(name)s %(state)s' % pvm,
                'route ' + pvm['route'] if pvm['route'] else None,
                pvm['reason'], pvm['remedy'])))
            for pvm in self._value) or 'none'


class _LastOutage(columns.FormattableColumn):
    """The report of the last outage; a line for people."""

    def human_readable(self):
        return outage.summary(self._value) if self._value else 'none'


class _LastDrill(columns.FormattableColumn):
    """The report of the last drill; a line for people."""

    def human_readable(self):
        if not self._value:
            return 'none'
        return '%s: %s, all after %.1f ms' % (
            self._value['event']['time'], outage.counts(self._value),
            self._value['acknowledged_ms'])


class _Budget(columns.FormattableColumn):
    """Whether all fits into the hold-up time; a line for people."""

    def human_readable(self):
        if not self._value:
            return 'unknown'
        text = '%(predicted_ms).1f of %(hold_up_ms)d ms predicted' % (
            self._value)
        if self._value['not_drilled']:
            text += (', %(not_drilled)d not drilled and taken for '
                     '%(assumed_ms).1f ms' % self._value)
        if self._value['drilled_at']:
            text += ('; last drill (%(drilled_at)s): %(drilled_ms).1f ms' %
                     self._value)
        if not self._value['fits']:
            text += ('; DOES NOT FIT: see "Too many for the hold-up time" in '
                     'the operator\'s manual')
        return text


class _Paused(columns.FormattableColumn):
    """Why background work waits, if it does."""

    def human_readable(self):
        return self._value or 'no'


class Status(show.ShowOne):
    """Show whether this host's servers would survive a power cut.

    Exits with 1 if the notifier is down, a running server is not armed, or
    not all fit into the hold-up time.
    """

    def run(self, parsed_args):
        self.sound = True
        super().run(parsed_args)
        return 0 if self.sound else 1

    def take_action(self, parsed_args):
        conf = self.app.conf.temporality
        try:
            status = client.call(conf.run_dir, 'status')
            notifier = 'up'
        except client.NotifierDown as e:
            status = {'engine': 'down', 'pvms': [], 'pool_error': None,
                      'platform': None, 'budget': None,
                      'background_paused': None,
                      'last_outage': None, 'last_drill': None}
            notifier = 'down: %s' % e
        pool = status['pool_error'] or self._pool(conf.pool_path)
        self.sound = notifier == 'up' and not status['pool_error'] and all(
            pvm['state'] not in ('not armed', 'stopped')
            for pvm in status['pvms']) and status['budget']['fits']
        return (('notifier', 'engine', 'pool', 'platform', 'pvms', 'budget',
                 'background_paused', 'last_outage', 'last_drill'),
                (notifier, status['engine'], pool,
                 _Platform(status['platform']), _Pvms(status['pvms']),
                 _Budget(status['budget']),
                 _Paused(status['background_paused']),
                 _LastOutage(status['last_outage']),
                 _LastDrill(status['last_drill'])))

    @staticmethod
    def _pool(path):
        try:
            with vpm.Pool(path) as pool:
                info = pool.info()
        except vpm.VpmError as e:
            return str(e)
        text = '%s (%s): %s of %s used' % (
            path, info.medium, sizes.show(info.used_size),
            sizes.show(info.total_size))
        if info.freed_size:
            text += ', of which %s were freed and are not scrubbed yet' % (
                sizes.show(info.freed_size))
        return text


class Fixate(lister.Lister):
    """Fixate all persistent servers now, as if power failed.

    They stand still until "temporality resume". Exits with 1 if one of them
    could not be fixated. Times are milliseconds since the event.
    """

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument(
            '--for-reboot', action='store_true',
            help='then end the QEMUs of the servers that are fixated, so '
                 'that nothing is in the way of a reboot or kexec; '
                 'nova-compute must be stopped before, and recovers the '
                 'servers when it starts again')
        return parser

    def run(self, parsed_args):
        self.report = client.call(
            self.app.conf.temporality.run_dir,
            'fixate-for-reboot' if parsed_args.for_reboot else 'fixate')
        super().run(parsed_args)
        self.app.LOG.info('%s', outage.summary(self.report))
        return 1 if outage.failures(self.report) else 0

    def take_action(self, parsed_args):
        keys = ['name', 'result', 'runstate', 'stopped_ms', 'saved_ms',
                'fixated_ms', 'state_size', 'reason']
        columns = ['Server', 'Result', 'Run State', 'Stopped ms', 'Saved ms',
                   'Fixated ms', 'State Size', 'Reason']
        if parsed_args.for_reboot:
            keys.append('ended')
            columns.append('Ended')
        return columns, [[pvm[key] for key in keys]
                         for pvm in self.report['pvms']]


class Resume(lister.Lister):
    """Call a fixation off: power is back before it was gone.

    Servers that ran before run on. Exits with 1 if one of them could not be
    resumed.
    """

    def run(self, parsed_args):
        self.results = client.call(self.app.conf.temporality.run_dir,
                                   'resume')
        super().run(parsed_args)
        return 1 if any(result['result'] == 'failed'
                        for result in self.results) else 0

    def take_action(self, parsed_args):
        return ('Server', 'Result', 'Reason'), [
            (result['name'], result['result'], result['reason'])
            for result in self.results]


class Drill(lister.Lister):
    """Fixate all servers that run, verify their states, and resume them.

    They stand still for some milliseconds. Refused while an outage is on or
    power may fail. Exits with 1 if a server could not be fixated or does not
    run on; the notifier goes on trying to resume it. Times are milliseconds
    since the beginning; the cost is what it took when it was alone, which
    follows.
    """

    def run(self, parsed_args):
        self.report = client.call(self.app.conf.temporality.run_dir, 'drill')
        super().run(parsed_args)
        return 1 if outage.failures(self.report) else 0

    def take_action(self, parsed_args):
        return ('Server', 'Result', 'Stopped ms', 'Saved ms', 'Fixated ms',
                'State Size', 'Resumed', 'Cost ms', 'Reason'), [
            (pvm['name'], pvm['result'], pvm['stopped_ms'], pvm['saved_ms'],
             pvm['fixated_ms'], pvm['state_size'], pvm['resumed'],
             pvm['cost_ms'], pvm['reason']) for pvm in self.report['pvms']]


class OutageShow(lister.Lister):
    """Show what became of servers in the last outage, from the pool's ring.

    It survives the outage as the servers' states do. Times are milliseconds
    since the event: the first command to QEMU, vCPUs stopped and disks
    drained, the first bytes of the state, all of it, and the valid marker.
    """

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument(
            '--all', action='store_true',
            help='show all outages and drills that the pool remembers')
        return parser

    def take_action(self, parsed_args):
        with vpm.Pool(self.app.conf.temporality.pool_path) as pool:
            found = outcomes.read(pool)
        if not parsed_args.all:
            found = _latest_outage(found)
        return ('Time', 'Raised By', 'Server', 'Result', 'Run State',
                'Command ms', 'Stopped ms', 'Stream ms', 'Saved ms',
                'Fixated ms', 'State Size', 'Route', 'Reason'), [
            (_time(one), ', '.join(one.raised_by), one.name, one.result,
             one.runstate, _since(one, one.command_ns),
             _since(one, one.stopped_ns), _since(one, one.stream_ns),
             _since(one, one.saved_ns), _since(one, one.fixated_ns),
             one.length, one.route, one.reason) for one in found]


def _latest_outage(outcomes):
    outages = [one for one in outcomes if one.raised_by not in (
        (power.DRILL,), (power.SNAPSHOT,))]
    return [one for one in outages if one.wall_ns == outages[-1].wall_ns]


def _time(outcome):
    when = datetime.datetime.fromtimestamp(outcome.wall_ns / 1e9,
                                           datetime.UTC)
    return when.isoformat(timespec='milliseconds')


def _since(outcome, instant_ns):
    if not instant_ns:
        return None
    return round((instant_ns - outcome.signal_ns) / 1e6, 3)
