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

"""Whether an outage is on, and what is reported about it."""

import itertools

import pytest

from nova_temporality.notifier import current_outage
from nova_temporality.notifier import power
from nova_temporality.notifier.pvm import attempts
from nova_temporality.notifier.reports import archive
from nova_temporality.notifier.reports import outage


# A millisecond after the other.
_instants = itertools.count(10**18, 10**6)


def begin(current, *raised_by):
    """Have an event begin or extend the outage."""
    event = power.PowerEvent('test', next(_instants), 1, raised_by)
    report = outage.report(
        event, [attempts.PvmReport('pvm', attempts.FIXATED, fixated_ms=5.0)],
        event.monotonic_ns)
    current.store(current.extend(event, report))


def make(directory):
    return current_outage.CurrentOutage(
        str(directory / 'last'), archive.Archive(str(directory / 'outages')))


@pytest.fixture
def current(tmp_path):
    return make(tmp_path)


def test_each_outage_has_a_report_of_its_own(current, tmp_path):
    ids = []
    for _ in range(2):
        begin(current, 'nut')
        begin(current, 'signal')
        current.call_off()
        ids.append(current.report['id'])
    reports = archive.Archive(str(tmp_path / 'outages'))
    assert reports.ids() == ids
    for one in ids:
        report = reports.load(one)
        assert report['called_off']
        assert len(report['events']) == 2
        assert report['events'][0] == one


def test_no_outage(current):
    assert current.reason() is None
    assert current.report is None
    assert current.call_off() is None


def test_is_on_until_it_is_called_off(current):
    begin(current, 'nut')
    assert current.raised_by == ('nut',)
    assert 'raised by nut' in current.reason()
    assert current.call_off()['called_off']
    assert current.reason() is None
    assert current.call_off() is None


def test_later_events_are_part_of_it(current):
    begin(current, 'nut')
    first = current.report['event']['time']
    begin(current, 'signal')
    assert current.raised_by == ('nut', 'signal')
    assert current.report['event']['raised_by'] == ['nut', 'signal']
    assert current.report['event']['time'] == first


def test_next_outage_has_a_report_of_its_own(current):
    begin(current, 'nut')
    current.call_off()
    begin(current, 'signal')
    assert current.report['event']['raised_by'] == ['signal']


def test_next_notifier_takes_it_over(current, tmp_path):
    begin(current, 'nut', 'signal')
    following = make(tmp_path)
    assert following.reason() is None
    following.restore({'nut'})
    assert following.raised_by == ('nut', 'signal')


def test_what_was_called_off_is_not_taken_over(current, tmp_path):
    begin(current, 'nut')
    current.call_off()
    following = make(tmp_path)
    following.restore({'gpio'})
    assert following.raised_by == ('gpio',)


@pytest.mark.parametrize('name', sorted(power.NO_OUTAGE))
def test_pvm_that_is_resumed_by_itself_is_no_outage(current, name):
    begin(current, 'nut')
    current.restore({name})
    assert current.raised_by == ()


def test_report_that_cannot_be_written_is_kept(tmp_path, caplog):
    current = make(tmp_path / 'none')
    (tmp_path / 'none').write_text('no directory')
    begin(current, 'nut')
    assert current.report['event']['raised_by'] == ['nut']
    assert 'Cannot write' in caplog.text
