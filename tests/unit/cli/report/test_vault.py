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

"""What the report of an outage tells of the vault."""

import pytest

from nova_temporality.cli.report import html
from nova_temporality.cli.report import text
from nova_temporality.notifier.reports import outage
from nova_temporality.vault import writing
from tests.framework import outages

RESTORED = outages.STARTED + 5 * outages.S


def report_of(is_restored=True):
    """Two servers were fixated; the first one is in the vault."""
    ring = [outages.outcome(1), outages.outcome(2)]
    report = outage.vault_began(outages.report_of(*ring), outages.BEGAN)
    for number, written in enumerate((
            writing.Written(outages.name_of(1), 3 << 20),
            writing.Written(outages.name_of(2), 0, 'no room'))):
        report = outage.vaulted(
            report, written, outages.BEGAN + (2 + number) * outages.S)
    if is_restored:
        report = outage.restored(report, RESTORED,
                                 RESTORED + outages.S // 2, 1, 7 << 20)
    return outages.model_of(ring, [outages.entry(1)], report)


@pytest.fixture
def report():
    return report_of()


def test_instants(report):
    vault = report.vault
    assert (vault.durable_s, vault.servers, vault.written_bytes) == (
        2.0, 1, 3 << 20)
    assert (vault.restore_began_s, vault.restored_s) == (302.0, 302.5)
    assert (vault.restored, vault.read_bytes) == (1, 7 << 20)
    assert {server.name: server.fixation.vaulted_ms
            for server in report.servers} == {
        outages.name_of(1): 2000.0, outages.name_of(2): None}


def test_moments_in_order(report):
    whats = [moment.what for moment in report.moments]
    found = [whats.index(what) for what in (
        'the last marker was durable',
        '1 server durable in the vault, 3.0 MiB written',
        "the host's kernel started", 'the vault began to be read',
        'the pool was there again: 1 server as before, 7.0 MiB read',
        'nova-compute counted as up: recoveries began')]
    assert found == sorted(found)


def test_host_did_not_come_back():
    report = report_of(is_restored=False)
    assert report.vault.restored_s is None
    assert 'the pool was there again' not in text.render(report)


def test_tables(report):
    lines = text.render(report).splitlines()
    [header] = [line for line in lines if 'Fixated ms' in line]
    assert header.split()[4:8] == ['Fixated', 'ms', 'Vault', 'ms']
    [row] = [line for line in lines if 'web-1' in line]
    assert row.split()[3] == '2000.0'
    page = html.render(report)
    assert 'In the vault' in page
    assert '2000.0' in page


def test_pools_without_one():
    report = outages.mixed(3)
    assert report.vault is None
    assert 'ault' not in text.render(report)
    assert 'ault' not in html.render(report)
