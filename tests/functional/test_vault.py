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

"""A host without NVRAM is rebooted as planned: its tmpfs is gone."""

import os
import pathlib
import re
import shutil
import signal
import urllib.request

from nova_temporality import vpm
from tests.framework import machine
from tests.framework import vault_machine


def test_planned_reboot(vaulted, accel):
    host = vaulted.host
    guest, suspended = host.booted(accel), host.booted(accel)
    notifier = host.notifier()
    notifier.protect(guest, suspended)
    assert notifier.call('status')['platform']['caches'] == 'vault'
    notifier.call('suspend', name=suspended.name)

    code, rows = vaulted.run('fixate', '--for-reboot')

    assert (code, rows[guest.name]['Result']) == (0, 'fixated')
    vaulted.reboot()
    code, rows = vaulted.restore(guest, suspended)
    assert code == 0
    assert {row['Result'] for row in rows.values()} == {'restored'}
    vault_machine.runs_on(guest)
    vault_machine.runs_on(suspended)
    # It is armed again.
    host.notifier().protect(guest)


def test_paged_server(vaulted, disk):
    guest = vaulted.host.vpm_guest(directory=pathlib.Path(disk))
    guest.boot()
    guest.run_until(lambda _, stats: stats.swap_outs)
    notifier = vaulted.host.notifier()
    notifier.protect(guest)
    assert vaulted.run('fixate', '--for-reboot')[0] == 0
    vaulted.reboot()
    assert vaulted.restore(guest)[0] == 0
    guest.recover()
    guest.run_steps(2000)
    assert guest.boots() == 1


def test_memory_is_written_ahead(vaulted, disk, capfd):
    """Little is left when it is fixated; what changed meanwhile is whole."""
    port = machine.free_port()
    vaulted.configure(metrics_port=port, vault_ahead_mb_per_s=1 << 20)
    guest = vaulted.host.booted()
    pattern = os.urandom(24 << 20)
    guest.poke(4 << 20, pattern)
    checker = vaulted.host.vpm_guest(directory=pathlib.Path(disk))
    checker.boot()
    notifier = vaulted.host.notifier()
    notifier.protect(guest, checker)
    machine.wait_for(
        lambda: vaulted.data(guest, 4 << 20, len(pattern)) == pattern,
        'it is written ahead')
    machine.wait_for(lambda: any(vaulted.data(
        checker, 0, checker.region.size)), 'the other one is begun')
    # Of what was written some is another now.
    checker.run_steps(2000)
    with urllib.request.urlopen('http://127.0.0.1:%d/metrics' % port,
                                timeout=machine.PATIENCE) as reply:
        metrics = dict(re.findall(r'(temporality_vault_\w+).*? (\S+)$',
                                  reply.read().decode(), re.MULTILINE))
    assert float(metrics['temporality_vault_ahead_bytes_total']) > 24 << 20
    assert 'temporality_vault_left_bytes' in metrics

    assert vaulted.run('fixate', '--for-reboot')[0] == 0

    log = ''.join(capfd.readouterr())
    written = dict(re.findall(
        r'(\S+) is durable in the vault: (\S+) MiB were written', log))
    assert guest.name in written, log
    assert float(written[guest.name]) < 8
    vaulted.reboot()
    assert vaulted.restore(guest, checker)[0] == 0
    assert guest.peek(4 << 20, len(pattern)) == pattern
    vault_machine.runs_on(guest)
    checker.recover()
    checker.run_rounds(1)
    assert checker.boots() == 1


def test_copy_never_runs(vaulted):
    guest = vaulted.host.booted()
    vaulted.host.notifier().protect(guest)
    assert vaulted.run('fixate', '--for-reboot')[0] == 0
    copy = vaulted.vault + '.copy'
    shutil.copytree(vaulted.vault, copy)
    vaulted.reboot()
    assert vaulted.restore(guest)[0] == 0
    guest.recover()
    guest.wait_counting()

    vaulted.reboot()
    shutil.rmtree(vaulted.vault)
    os.rename(copy, vaulted.vault)
    code, rows = vaulted.run('vault', 'restore')

    assert code == 1
    assert rows[guest.name]['Result'] == 'unproven'
    assert 'is a copy' in rows[guest.name]['Reason']
    with vpm.Pool(vaulted.host.pool.path) as pool:
        assert not pool.regions()


def test_power_cut_after_the_reboot(vaulted):
    """Nothing of what ran is proven; it is not taken back to the reboot."""
    guest = vaulted.host.booted()
    vaulted.host.notifier().protect(guest)
    assert vaulted.run('fixate', '--for-reboot')[0] == 0
    vaulted.reboot()
    vaulted.restore(guest)
    vault_machine.runs_on(guest)
    vaulted.reboot()
    code, rows = vaulted.restore(guest)
    assert (code, rows[guest.name]['Result']) == (1, 'unproven')
    assert 'stale' in rows[guest.name]['Reason']
    assert not guest.proven()


def test_reboot_that_is_called_off_without_the_vault(vaulted):
    """Who cannot be made stale on the disk does not run on."""
    guest = vaulted.host.booted()
    notifier = vaulted.host.notifier()
    notifier.protect(guest)
    notifier.power_fails()
    os.rename(vaulted.vault, vaulted.vault + '.away')
    result, = notifier.call('resume')
    assert result['result'] == 'failed'
    assert 'in the vault' in result['reason']
    assert guest.stands_still()
    assert guest.proven()
    os.rename(vaulted.vault + '.away', vaulted.vault)
    assert notifier.call('resume')[0]['result'] == 'resumed'
    guest.wait_counting()


def test_killed_in_the_midst_of_restoring(vaulted):
    guest = vaulted.host.booted()
    vaulted.host.notifier().protect(guest)
    assert vaulted.run('fixate', '--for-reboot')[0] == 0
    vaulted.reboot()
    process = vaulted.launch('vault', 'restore')
    machine.wait_for(
        lambda: process.poll() is not None or
        os.path.exists(vaulted.host.pool.path + '.restoring'), 'it begins')
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert vaulted.restore(guest)[0] == 0
    vault_machine.runs_on(guest)


def test_killed_in_the_midst_of_writing(vaulted):
    """The notifier is; nothing that was not written is ever proven."""
    guest = vaulted.host.booted()
    notifier = vaulted.host.notifier()
    notifier.protect(guest)
    process = vaulted.launch('fixate', '--for-reboot')
    machine.wait_for(guest.proven, 'the fixation')
    notifier.kill()
    process.communicate()
    # Again, as an operator would.
    guest.kill()
    vaulted.host.notifier().start()
    assert vaulted.run('fixate', '--for-reboot')[0] == 0
    vaulted.reboot()
    assert vaulted.restore(guest)[0] == 0
    vault_machine.runs_on(guest)
