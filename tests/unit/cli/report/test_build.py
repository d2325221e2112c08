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

"""What is put together of an outage."""

import dataclasses

import pytest

from nova_temporality.cli.report import model
from nova_temporality.host import recovery_log
from nova_temporality.vpm import outcomes
from tests.framework import outages


def only(report):
    [server] = report.servers
    return server


def one(entry=None, **keys):
    """The one server of an outage."""
    outcome = outages.outcome(1, **keys)
    return only(outages.model_of([outcome], [entry] if entry else [],
                                 outages.report_of(outcome)))


class TestServers:

    def test_none(self):
        report = outages.model_of([], (), outages.report_of())
        assert report.servers == ()
        assert report.counts() == '0 servers'
        assert report.budget.used_ms is None
        assert report.troubles() == []

    def test_survived(self):
        server = one(outages.entry(1))
        assert (server.verdict, server.reason, server.remedy) == (
            model.SURVIVED, '', '')
        assert (server.name, server.display_name, server.label) == (
            outages.name_of(1), 'web-1', 'web-1')
        fixation, recovery = server.fixation, server.recovery
        instants = [fixation.command_ms, fixation.stopped_ms,
                    fixation.saved_ms, fixation.fixated_ms]
        assert instants == sorted(instants)
        assert fixation.command_ms > 0
        assert fixation.state_size == 412 * 1024
        dark_s = (outages.STARTED - outages.BEGAN) / 1e9
        assert recovery.began_s == pytest.approx(dark_s + 33.02)
        assert recovery.running_s == pytest.approx(dark_s + 33.49)

    def test_in_order(self):
        report = outages.mixed(200)
        ranks = [model.VERDICTS.index(server.verdict)
                 for server in report.servers]
        assert len(ranks) == 200
        assert ranks == sorted(ranks)
        survived = [server.recovery.running_s for server in report.servers
                    if server.verdict == model.SURVIVED]
        assert survived == sorted(survived, reverse=True)
        # In which a server is for which storage came late.
        assert report.servers[8].recovery.in_vain == (
            'Fixated, but not recovered: no volume (the state is kept)',)

    @pytest.mark.parametrize('result,fault,verdict,remedy', [
        (recovery_log.OFF, 'StateUnproven', model.LOST, 'reboot --hard'),
        (recovery_log.OFF, 'MemoryLost', model.LOST, 'swap_dir'),
        (recovery_log.BOOTED, 'OutageTooLong', model.BOOTED, 'max_outage'),
        (recovery_log.BOOTED, 'StateUnproven', model.BOOTED, 'memory only'),
        (recovery_log.FAILED, 'RecoveryFailed', model.WAITING, 'recover'),
        (recovery_log.FAILED, 'DiskChanged', model.WAITING,
         '--accept-disks'),
        (recovery_log.FAILED, 'NotOwner', model.WAITING, 'evacuations'),
    ])
    def test_trouble(self, result, fault, verdict, remedy):
        server = one(outages.entry(1, result, fault, 'why'))
        assert (server.verdict, server.reason) == (verdict, 'why')
        assert remedy in server.remedy

    @pytest.mark.parametrize('result,verdict', [
        (recovery_log.GONE, model.GONE),
        (recovery_log.SUSPENDED, model.SURVIVED)])
    def test_nobody_has_to_look_after_it(self, result, verdict):
        server = one(outages.entry(1, result, 'Fault', 'why'))
        assert (server.verdict, server.remedy) == (verdict, '')
        assert verdict not in model.TROUBLE

    @pytest.mark.parametrize('result,verdict', [
        (outcomes.FIXATED, model.UNKNOWN), (outcomes.SKIPPED, model.WAS_OFF),
        (outcomes.FAILED, model.NOT_FIXATED)])
    def test_no_recovery_is_on_record(self, result, verdict):
        server = one(result=result, reason='why')
        assert (server.verdict, server.recovery) == (verdict, None)
        assert bool(server.remedy) is (verdict in model.TROUBLE)

    def test_why_it_was_not_fixated_stays_known(self):
        server = one(outages.entry(1, recovery_log.OFF, 'StateUnproven',
                                   'no marker', began=0),
                     result=outcomes.FAILED, reason='disk hangs')
        assert server.reason == 'no marker (disk hangs)'

    def test_same_reasons_are_told_once(self):
        lost, *others = outages.mixed(200).troubles()
        assert (lost.verdict, len(lost.servers)) == (model.LOST, 5)
        assert 'SERVER' in lost.remedy
        assert [len(other.servers) for other in others] == [1, 1]
        assert outages.name_of(9) in others[0].remedy


class TestHalf:
    """Power was gone in the midst."""

    def test_who_was_not_noted_is_shown(self):
        unproven = outages.entry(2, recovery_log.OFF, 'StateUnproven',
                                 'no marker', began=0)
        report = outages.model_of([outages.outcome(1)],
                                  [outages.entry(1), unproven])
        lost, survived = report.servers
        assert lost.name == outages.name_of(2)
        assert lost.fixation == model.Fixation()
        assert 'power was gone before' in lost.reason
        assert survived.verdict == model.SURVIVED

    def test_hold_up_time_is_that_of_now(self):
        report = outages.model_of([outages.outcome(1)], hold_up_ms=17)
        assert report.budget.hold_up_ms == 17
        assert not report.budget.hold_up_is_of_then

    def test_what_left_the_ring_is_in_the_report(self):
        outcome = outages.outcome(1)
        server = only(outages.model_of([], (), outages.report_of(outcome)))
        assert server.fixation.command_ms is None
        assert server.fixation.fixated_ms > 0

    def test_reason_that_is_in_the_ring_only(self):
        outcome = outages.outcome(1, outcomes.FAILED, reason='disk hangs')
        server = only(outages.model_of([outcome], (), outages.report_of()))
        assert server.reason == 'disk hangs'

    def test_report_knows_better_than_the_ring(self):
        outcome = outages.outcome(1)
        report = outages.report_of(outcome)
        report['pvms'][0].update(result='failed', reason='damaged')
        server = only(outages.model_of([outcome], (), report))
        assert (server.verdict, server.reason) == (model.NOT_FIXATED,
                                                   'damaged')


class TestHost:

    def test_booted(self):
        host = outages.mixed(3).host
        assert host.started_s == 297
        assert (host.libvirt_s, host.up_s) == (321, 328)
        assert host.clock_is_right

    def test_not_booted(self):
        """Only QEMU ended, as in the demonstration."""
        ago = 5000 * outages.S
        entry = outages.entry(1)
        entry = dataclasses.replace(
            entry, host_started_ns=outages.BEGAN - ago, instants={
                step: instant + ago
                for step, instant in entry.instants.items()})
        host = outages.model_of([outages.outcome(1)], [entry]).host
        assert (host.started_s, host.libvirt_s) == (None, 24)

    def test_nova_compute_was_there_before(self):
        entry = dataclasses.replace(
            outages.entry(1), host_started_ns=outages.BEGAN - outages.LIBVIRT)
        host = outages.model_of([outages.outcome(1)], [entry]).host
        assert (host.started_s, host.libvirt_s, host.up_s) == (None, None, 7)

    def test_clock_that_was_set_right_meanwhile(self):
        """The latest entry of a boot has it right."""
        wrong = dataclasses.replace(outages.entry(1), clock_is_right=False,
                                    host_started_ns=1)
        report = outages.model_of(
            [outages.outcome(1), outages.outcome(2)],
            [wrong, outages.entry(2, late=outages.S)])
        assert report.host.clock_is_right
        assert all(server.recovery.running_s > 297
                   for server in report.servers)

    def test_none(self):
        assert outages.model_of([outages.outcome(1)]).host is None


class TestMoments:

    @staticmethod
    def words(report):
        return [moment.what for moment in report.moments]

    def test_in_order(self):
        report = outages.mixed(3)
        instants = [moment.since_s for moment in report.moments]
        assert instants == sorted(instants)
        assert [moment.what.split(':')[0] for moment in report.moments] == [
            'a source warned that power may fail', 'power failed',
            'the last marker was durable',
            'each server was fixated or given up',
            "the host's kernel started", 'libvirt had answered nova-compute',
            'nova-compute counted as up', 'the first server ran on',
            'the last server ran on']
        assert report.moments[0].time == '2026-01-31T22:59:46.100+00:00'

    def test_called_off(self):
        outcome = outages.outcome(1)
        report = outages.model_of([outcome], (), outages.report_of(
            outcome, called_off='2026-01-31T23:00:03.500+00:00'))
        assert 'called off: the servers ran on' in self.words(report)
        assert only(report).verdict == model.SURVIVED

    def test_request_of_an_operator(self):
        report = outages.report_of(outages.outcome(1))
        report['event']['raised_by'] = ['operator']
        assert outages.model_of([], (), report).event == (
            'an operator had the servers fixated')

    def test_drill(self):
        report = outages.model_of(
            [outages.outcome(1, raised_by='drill')], wanted=outages.ID)
        assert not report.is_outage
        assert report.title == 'Drill ' + outages.ID
        assert only(report).verdict == model.SURVIVED
        assert report.event == 'no outage'


def texts_in(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from texts_in(list(value.values()))
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from texts_in(one)


def test_nothing_unprintable_comes_in():
    ring = [outages.outcome(number, outcomes.FAILED, reason=text)
            for number, text in enumerate(outages.HOSTILE)]
    entries = [outages.entry(number, recovery_log.FAILED, 'x', text,
                             display_name=text)
               for number, text in enumerate(outages.HOSTILE)]
    report = outages.report_of(*ring)
    report['event'].update(source='\x1b[2J', raised_by=['a\nb'])
    for some in ([], entries):
        texts = list(texts_in(dataclasses.asdict(
            outages.model_of(ring, some, report))))
        assert len(texts) > 50
        assert all(text.isprintable() for text in texts)
