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

"""temporality fixate, resume, drill and outage show"""

import datetime

from cliff import lister

from nova_temporality.notifier import client
from nova_temporality.notifier import power
from nova_temporality.notifier.reports import outage
from nova_temporality import vpm
from nova_temporality.vpm import engine


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
            found = engine.outcomes(pool)
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
