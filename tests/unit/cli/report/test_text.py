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

"""The report of an outage on the terminal."""

import dataclasses

import pytest

from nova_temporality.cli.report import text
from tests.framework import outages


@pytest.fixture
def shown():
    return text.render(outages.mixed(3))


def test_what_happened_when(shown):
    assert shown.startswith(
        'Outage %s: power failed (raised by signal)\n' % outages.ID)
    assert '3 servers: 1 lost, 2 survived' in shown
    assert '2026-01-31 22:59:46.100 UTC       -13.0 s  a source warned' in (
        shown)
    assert '+4 min 57 s  the host\'s kernel started' in shown


def test_budget(shown):
    assert 'hold-up time 10.0 ms; used 4.7 ms (47 %), 5.3 ms left' in shown
    assert '[###################.....................]' in shown


def test_budget_that_was_not_enough():
    report = outages.model_of([outages.outcome(1)], hold_up_ms=2)
    shown = text.render(report)
    assert ('hold-up time 2.0 ms (as configured now); used 4.7 ms (235 %), '
            '2.7 ms TOO LONG') in shown
    assert '[#################!!!!!!!!!!!!!!!!!!!!!!!]' in shown


def test_servers(shown):
    lines = shown.splitlines()
    [lost] = [line for line in lines if 'LOST  ' in line]
    assert lost.split()[:4] == ['1.6', '-', '-', '-']
    assert lost.endswith('web-2 (%s)' % outages.name_of(2))
    [survived] = [line for line in lines if 'web-0' in line]
    assert '5 min 30 s  survived  web-0' in survived


def test_what_to_look_after(shown):
    end = shown[shown.index('WHAT TO LOOK AFTER'):]
    assert '  LOST: web-2\n' in end
    assert 'there is no valid marker (disk virtio-disk0 has not' in end
    assert '-> "openstack server reboot --hard %s"' % outages.name_of(2) in (
        end)


def test_many_are_not_all_named():
    shown = text.render(outages.mixed(200))
    assert 'LOST: web-53, web-52, web-51 and 2 more' in shown


def test_all_is_well():
    shown = text.render(outages.mixed(1))
    assert 'LOOK AFTER' not in shown


def test_no_server():
    assert 'SERVERS\n  none' in text.render(outages.mixed(0))


def test_clock_that_is_wrong():
    report = outages.mixed(1)
    report = dataclasses.replace(report, host=dataclasses.replace(
        report.host, clock_is_right=False))
    assert text.CLOCK_IS_WRONG in text.render(report)
