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

"""Which records belong to which outage."""

import dataclasses

import pytest

from nova_temporality.cli.report import records
from nova_temporality.host import recovery_log
from nova_temporality.notifier.reports import outage
from nova_temporality.vpm import outcomes
from tests.framework import outages

LATER = outages.BEGAN + 3600 * outages.S


def known(reports=(), ring=(), entries=()):
    return records.Records(outages.Archive(*reports), list(ring),
                           list(entries))


def report(began=outages.BEGAN, results=None, **keys):
    ring = [outages.outcome(number, result)
            for number, result in (results or {1: outcomes.FIXATED}).items()]
    return {**outages.report_of(*ring), 'id': outage.id_of(began),
            'events': [outage.id_of(began)],
            'event': {'source': 'x', 'raised_by': ['signal'],
                      'time': outage._iso(began)}, **keys}


def found(records_, report_):
    return {name: [entry.result for entry in entries]
            for name, entries in records_.recoveries_of(report_).items()}


class TestFind:

    def test_last_one_is_meant(self):
        first, second = report(), report(LATER)
        assert known([first, second]).find(None) is second
        assert known([first, second]).find(outages.ID) is first

    def test_ring_may_be_ahead(self):
        ring = [outages.outcome(1), outages.outcome(1, began=LATER)]
        assert known([report()], ring).find(None)['id'] == outage.id_of(LATER)

    def test_later_event_of_an_outage(self):
        merged = report(events=[outages.ID, 'later'])
        assert known([merged]).find('later') is merged

    def test_drill_is_not_the_last_outage(self):
        drill = outages.outcome(1, began=LATER, raised_by='drill')
        records_ = known([report()], [drill])
        assert records_.find(None)['id'] == outages.ID
        assert records_.find(outage.id_of(LATER))['event']['raised_by'] == [
            'drill']

    def test_unknown_one(self):
        with pytest.raises(records.UnknownOutage) as raised:
            known([report(), report(LATER)]).find('nonsense\x1b')
        assert "'nonsense\\x1b'" in str(raised.value)
        assert '%s, %s' % (outage.id_of(LATER), outages.ID) in str(
            raised.value)

    def test_none_at_all(self):
        with pytest.raises(records.UnknownOutage, match='no outage is known'):
            known().find(None)
        with pytest.raises(records.UnknownOutage, match='first: none'):
            known().find('x')


class TestRecoveries:
    """What is written down of recoveries is of the outage before."""

    def test_by_the_event(self):
        first, second = report(), report(LATER)
        records_ = known([first, second], (), [
            outages.entry(1), outages.entry(2, began=LATER)])
        assert found(records_, first) == {outages.name_of(1): ['resumed']}
        assert found(records_, second) == {outages.name_of(2): ['resumed']}

    def off(self, number=1, **keys):
        return outages.entry(number, recovery_log.OFF, 'StateUnproven',
                             began=0, **keys)

    def test_without_a_state_it_is_the_latest_before(self):
        before, after = report(), report(
            outages.STARTED + 1000 * outages.S)
        records_ = known([before, after], (), [self.off()])
        assert found(records_, before) == {outages.name_of(1): ['off']}
        assert found(records_, after) == {}

    def test_called_off_is_no_reason(self):
        called_off = report(called_off='2026-01-31T23:00:03.500+00:00')
        assert found(known([called_off], (), [self.off()]), called_off) == {}

    def test_host_booted_again_since(self):
        """It crashed, and no source had said anything."""
        first = report()
        crashed = self.off(2, boot_id='next')
        records_ = known([first], (), [outages.entry(1), crashed])
        assert found(records_, first) == {outages.name_of(1): ['resumed']}

    def test_restart_of_nova_compute_later(self):
        """It could not be told whose the servers are, which run."""
        first = report()
        later = outages.entry(1, recovery_log.FAILED, 'NotOwner', began=0,
                              late=outages.S)
        records_ = known([first], (), [outages.entry(1), later])
        assert found(records_, first) == {outages.name_of(1): ['resumed']}

    def test_server_that_came_later(self):
        """nova-compute looks after it, too, when it is restarted."""
        first = report()
        later = outages.entry(2, recovery_log.FAILED, 'NotOwner', began=0)
        assert found(known([first], (), [later]), first) == {}

    def test_server_that_was_off(self):
        first = report(results={1: outcomes.SKIPPED})
        later = outages.entry(1, recovery_log.FAILED, 'NotOwner', began=0)
        assert found(known([first], (), [later]), first) == {}

    def test_report_that_may_not_have_all(self):
        """Power was gone before; it is made of the pool's ring."""
        first = report()
        del first['hold_up_ms']
        assert found(known([first], (), [self.off(2)]), first) == {
            outages.name_of(2): ['off']}

    def test_failures_come_before_the_end(self):
        first = report()
        unknown = outages.entry(1, recovery_log.FAILED, 'NotOwner', began=0)
        assert found(known([first], (), [unknown, outages.entry(1)]),
                     first) == {outages.name_of(1): ['failed', 'resumed']}

    def test_drill_has_none(self):
        drill = outages.outcome(1, raised_by='drill')
        records_ = known((), [drill], [self.off()])
        assert found(records_, records_.find(outages.ID)) == {}


def test_entry_from_before_the_outage():
    early = dataclasses.replace(
        outages.entry(1, recovery_log.OFF, began=0),
        host_started_ns=outages.BEGAN - 3600 * outages.S)
    first = report()
    assert found(known([first], (), [early]), first) == {}
