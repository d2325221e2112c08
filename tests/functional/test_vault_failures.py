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

"""Power fails on a host without NVRAM, and lasts for writing the vault."""

import os
import pathlib

import pytest

from nova_temporality.host import paths
from nova_temporality.notifier.reports import archive
from nova_temporality.vault import place
from tests.framework import machine
from tests.framework import upsd
from tests.framework import vault_machine


@pytest.fixture
def vaulted(vaulted):
    vaulted.configure(vault_hold_up=600)
    return vaulted


def servers(report):
    """What became of which server in the vault."""
    return report.get('vault', {}).get('servers', [])


def all_durable(notifier, *guests):
    """Wait until these are in the vault; return their names in order."""
    found = servers(notifier.outage(
        lambda report: len(servers(report)) == len(guests)))
    assert all(one['durable'] for one in found), found
    return [one['name'] for one in found]


def at(host, point):
    return host.notifier([machine.NOTIFIER_AT, point])


def test_power_failure(vaulted, disk):
    host = vaulted.host
    paged = host.vpm_guest(directory=pathlib.Path(disk))
    paged.boot()
    paged.run_until(lambda _, stats: stats.swap_outs)
    guest = host.booted(number=60)
    notifier = host.notifier()
    notifier.protect(paged, guest)
    assert 'vault measure' in notifier.call('status')['vault']['problem']

    report = notifier.power_fails()

    assert {one['result'] for one in report['pvms']} == {'fixated'}
    assert all_durable(notifier, guest, paged) == [guest.name, paged.name]
    vaulted.reboot()
    code, rows = vaulted.restore(guest, paged)
    assert code == 0
    assert {row['Result'] for row in rows.values()} == {'restored'}
    vault_machine.runs_on(guest)
    paged.recover()
    paged.run_steps(2000)
    assert paged.boots() == 1
    # The report was kept, too.
    _code, rows = vaulted.run('outage', 'show')
    assert rows[guest.name]['Vault ms'] < rows[paged.name]['Vault ms']
    reports = archive.Archive(paths.outages(host.pool.path))
    [outage_id] = reports.ids()
    restored = reports.load(outage_id)['vault']['restored']
    assert restored['servers'] == 2
    assert restored['bytes'] > 0


@pytest.fixture
def two(vaulted):
    """Two guests; the first one has the higher priority."""
    return vaulted.host.booted(number=60), vaulted.host.booted(number=40)


def die_after_the_first(host, two):
    """Power fails; the notifier dies when one server is in the vault."""
    notifier = at(host, 'after-vaulting')
    notifier.protect(*two)
    host.engine.process.send_signal(44)
    machine.wait_for(lambda: notifier.process.poll() is not None, 'it died')


def test_energy_ends_after_the_first_server(vaulted, two):
    first, second = two
    die_after_the_first(vaulted.host, two)
    assert second.proven()
    vaulted.reboot()

    code, rows = vaulted.restore(first, second)

    assert (code, rows[first.name]['Result'], rows[second.name]['Result']) == (
        1, 'restored', 'unproven')
    assert 'not in the vault yet' in rows[second.name]['Reason']
    assert not second.proven()
    vault_machine.runs_on(first)


def test_next_notifier_goes_on(vaulted, two):
    first, second = two
    die_after_the_first(vaulted.host, two)
    notifier = vaulted.host.notifier()
    notifier.start()
    assert set(all_durable(notifier, *two)) == {first.name, second.name}
    vaulted.reboot()
    assert vaulted.restore(*two)[0] == 0
    vault_machine.runs_on(second)


@pytest.fixture
def ups():
    made = upsd.Upsd()
    yield made
    made.close()


def test_power_returns_in_the_midst(vaulted, ups):
    vaulted.configure(vault_hold_up=600, pod_sources='nut', nut_ups='rack',
                      nut_port=ups.port, nut_poll_interval_ms=10, grace_ms=20)
    guest = vaulted.host.booted()
    notifier = at(vaulted.host, 'vault-for-ever')
    notifier.protect(guest)
    ups.status = 'OB LB'
    notifier.outage(lambda report: 'vault' in report)
    machine.wait_for(lambda: os.path.exists(
        os.path.join(vaulted.vault, 'manifest')), 'it writes')
    # It is no less at anybody's service.
    assert notifier.state(guest) == 'fixated'
    assert place.is_locked(vaulted.vault)
    ups.status = 'OL'
    assert servers(notifier.called_off()) == []
    guest.wait_counting()
    machine.wait_for(lambda: not place.is_locked(vaulted.vault), 'it ends')
    machine.wait_for(lambda: notifier.state(guest) == 'armed', 'armed again')
    # What was written of it is worth nothing.
    vaulted.reboot()
    code, rows = vaulted.restore(guest)
    assert (code, rows[guest.name]['Result']) == (1, 'unproven')
    assert not guest.proven()
