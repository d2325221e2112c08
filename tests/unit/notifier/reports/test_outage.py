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

"""The report of an outage."""

import dataclasses
import json
import os

import pytest

from nova_temporality.notifier import power
from nova_temporality.notifier.pvm import attempts
from nova_temporality.notifier.reports import outage
from nova_temporality.vault import writing

EVENT = power.PowerEvent('test', 10**18, 5 * 10**9)


class TestOutage:

    @staticmethod
    def report(*outcomes, event=EVENT):
        return outage.report(event, outcomes, event.monotonic_ns + 7900000)

    def test_report(self):
        report = self.report(
            attempts.PvmReport('b', attempts.FIXATED, fixated_ms=5.0),
            attempts.PvmReport('a', attempts.FAILED, reason='why'))
        assert report['id'] == '20010909T014640.000Z'
        assert report['events'] == [report['id']]
        assert report['id'] in outage.summary(report)
        assert report['acknowledged_ms'] == 7.9
        assert report['event'] == {
            'source': 'test', 'time': '2001-09-09T01:46:40.000+00:00',
            'raised_by': ['operator']}
        assert [pvm['name'] for pvm in report['pvms']] == ['a', 'b']
        assert [pvm['name'] for pvm in outage.failures(report)] == ['a']
        assert json.loads(json.dumps(report)) == report
        assert '1 fixated, 1 failed, 0 skipped' in outage.summary(report)

    def test_warning_before(self):
        report = self.report(event=dataclasses.replace(
            EVENT, warned_ns=EVENT.wall_ns - 10**9))
        assert report['event']['warned'] == '2001-09-09T01:46:39.000+00:00'
        merged = outage.merge(report, self.report())
        assert merged['event']['warned'] == report['event']['warned']

    def test_merge(self):
        fixated = attempts.PvmReport('x', attempts.FIXATED, fixated_ms=5.0)
        known = dataclasses.replace(fixated, fixated_ms=None, reason='known')
        failed = attempts.PvmReport('x', attempts.FAILED)
        later = dataclasses.replace(EVENT, source='later')
        again = dataclasses.replace(fixated, fixated_ms=6.0)
        for first, second, expected in (
                (fixated, known, fixated), (failed, fixated, fixated),
                (fixated, again, again),
                (failed, known, known), (fixated, failed, failed)):
            merged = outage.merge(self.report(first),
                                  self.report(second, event=later))
            assert merged['pvms'] == [dataclasses.asdict(expected)]
            assert merged['event']['source'] == 'test'

    def test_merge_is_raised_by_all(self):
        by_nut = dataclasses.replace(EVENT, raised_by=('nut',))
        merged = outage.merge(self.report(event=by_nut), self.report())
        assert merged['event']['raised_by'] == ['nut', 'operator']

    def test_merge_keeps_who_was_in_one_event_only(self):
        merged = outage.merge(
            self.report(attempts.PvmReport('b', attempts.FIXATED)),
            self.report(attempts.PvmReport('a', attempts.SKIPPED)))
        assert [pvm['name'] for pvm in merged['pvms']] == ['a', 'b']

    def test_call_off_is_noted_once(self):
        called_off = outage.call_off(self.report(), 10**18)
        assert called_off['called_off'] == '2001-09-09T01:46:40.000+00:00'
        assert outage.call_off(called_off, 10**18 + 10**9) == called_off
        assert 'called off' in outage.summary(called_off)

    def test_store_and_load(self, tmp_path):
        path = str(tmp_path / 'last')
        assert outage.load(path) is None
        report = self.report(attempts.PvmReport('x', attempts.FIXATED))
        for stored in (report, {**report, 'hold_up_ms': 10}):
            outage.store(stored, path)
            assert outage.load(path) == stored
        assert os.listdir(tmp_path) == ['last']
        # It names servers.
        assert os.stat(path).st_mode & 0o777 == 0o640

    def test_mode_of_a_file_that_was_left_behind(self, tmp_path):
        left = tmp_path / 'last.new'
        left.write_text('')
        left.chmod(0o644)
        outage.store(self.report(), str(tmp_path / 'last'))
        assert os.stat(tmp_path / 'last').st_mode & 0o777 == 0o640

    @pytest.mark.parametrize('content', ['', '{', '[]', '{"event": 1}',
                                         '{"id": 1, "events": [], "event": [],'
                                         ' "pvms": [], "acknowledged_ms": 1,'
                                         ' "called_off": null}',
                                         '{"event": {}, "pvms": [],'
                                         ' "acknowledged_ms": 1,'
                                         ' "called_off": null}'])
    def test_damaged_report_is_ignored(self, tmp_path, content):
        path = tmp_path / 'last'
        path.write_text(content)
        assert outage.load(str(path)) is None


class TestVault:
    """What is said of the vault."""

    S = 10**9

    @pytest.fixture
    def report(self):
        made = outage.report(EVENT, [], EVENT.monotonic_ns)
        return outage.vault_began(made, EVENT.wall_ns + self.S)

    def test_durable(self, report):
        after = outage.vaulted(report, writing.Written('a', 3 << 20),
                               EVENT.wall_ns + 4 * self.S)
        assert after['vault']['servers'] == [{
            'name': 'a', 'bytes': 3 << 20, 'reason': None,
            'durable': '2001-09-09T01:46:44.000+00:00'}]
        assert (after['vault']['bytes'], after['vault']['seconds']) == (
            3 << 20, 3.0)
        assert outage.vaulted_ms(after, 'a') == 4000.0
        assert outage.not_vaulted(after, 'a') is None
        assert '1 servers are durable in the vault, 0 are not: 3.0 MiB in ' \
            '3.0 s' in outage.vault_summary(after)
        assert json.loads(json.dumps(after)) == after

    def test_failed(self, report):
        after = outage.vaulted(report, writing.Written('a', 0, 'no room'),
                               EVENT.wall_ns)
        assert outage.vaulted_ms(after, 'a') is None
        assert outage.not_vaulted(after, 'a') == 'no room'
        assert '0 servers are durable in the vault, 1 are not' in (
            outage.vault_summary(after))

    def test_order_is_that_of_writing(self, report):
        for name in 'bac':
            report = outage.vaulted(report, writing.Written(name, 1),
                                    EVENT.wall_ns)
        assert [one['name'] for one in report['vault']['servers']] == [
            'b', 'a', 'c']

    def test_found_there_by_a_second_event(self, report):
        first = outage.vaulted(report, writing.Written('a', 5),
                               EVENT.wall_ns + 2 * self.S)
        again = outage.vaulted(first, writing.Written('a', 0),
                               EVENT.wall_ns + 9 * self.S)
        assert again['vault']['servers'] == first['vault']['servers']

    def test_began_once(self, report):
        assert outage.vault_began(report, 0) == report

    def test_restored_once(self, report):
        began = EVENT.wall_ns + 60 * self.S
        after = outage.restored(report, began, began + self.S // 2, 1, 5)
        assert after['vault']['restored'] == {
            'began': '2001-09-09T01:47:40.000+00:00', 'bytes': 5,
            'seconds': 0.5, 'servers': 1}
        assert outage.restored(after, 0, 1, 2, 3) == after

    @pytest.mark.parametrize('called_off', [False, True])
    def test_nothing_to_be_restored(self, report, called_off):
        if called_off:
            report = outage.call_off(report, EVENT.wall_ns)
        else:
            del report['vault']
        assert outage.restored(report, 0, 1, 1, 1) == report

    def test_survives_a_merge(self, report):
        later = outage.report(EVENT, [], EVENT.monotonic_ns)
        assert outage.merge(report, later)['vault'] == report['vault']

    def test_stored(self, report, tmp_path):
        report = outage.vaulted(report, writing.Written('a', 5), 10**18)
        outage.store(report, str(tmp_path / 'report'))
        assert outage.load(str(tmp_path / 'report')) == report

    def test_without_one(self):
        report = outage.report(EVENT, [], EVENT.monotonic_ns)
        assert outage.vaulted_ms(report, 'a') is None
        assert outage.not_vaulted(report, 'a') is None
