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


"""The operator's commands, as processes."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from tests.framework import machine
from tests.framework import snapshots


@pytest.fixture
def temporality(host):
    """Run a command; return its completed process."""
    def run(*args):
        return subprocess.run(
            [sys.executable, '-m', 'nova_temporality.cmd.admin',
             '--config-file', str(host.config_file)] + list(args),
            env=dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    return run


def test_status_of_armed_guest(host, temporality):
    guest = host.booted()
    notifier = host.notifier()
    notifier.protect(guest)

    result = temporality('status', '-f', 'json')

    assert result.returncode == 0, result.stderr
    status = json.loads(result.stdout)
    assert status['notifier'] == 'up'
    assert status['pvms'] == [{'name': guest.name, 'state': 'armed',
                               'reason': None, 'remedy': None,
                               'code': None, 'route': 'migrate',
                               'priority': 50}]
    assert status['budget']['fits'] is True
    assert status['platform']['caches'] == 'emulated'
    shown = temporality('status').stdout
    assert guest.name + ' armed' in shown
    assert status['platform']['detail'] in ' '.join(shown.split())


def test_status_of_guest_that_is_not_armed(host, temporality):
    guest = host.guest()
    guest.start('-device', 'piix3-usb-uhci', '-device',
                'usb-mtp,rootdir=/,readonly=on')
    notifier = host.notifier()
    notifier.start()
    notifier.call('refresh')

    result = temporality('status')

    assert result.returncode == 1
    assert 'usb-mtp' in result.stdout


def test_status_of_guests_that_do_not_fit(host, temporality):
    host.configure(hold_up_ms=1)
    guest = host.booted()
    notifier = host.notifier()
    notifier.protect(guest)

    result = temporality('status')

    assert result.returncode == 1
    assert guest.name + ' armed' in result.stdout
    assert '5.0 of 1 ms' in result.stdout
    assert 'DOES NOT FIT' in result.stdout

    assert temporality('drill').returncode == 0
    assert '1 not drilled' not in temporality('status').stdout


def test_status_without_notifier(temporality):
    result = temporality('status')
    assert result.returncode == 1
    assert 'down' in result.stdout
    assert 'systemctl start' in result.stdout
    assert 'Traceback' not in result.stderr


def test_outage_show_after_the_reboot(host, temporality):
    assert json.loads(temporality('outage', 'show', '-f',
                                  'json').stdout) == []
    guest = host.booted()
    notifier = host.notifier()
    notifier.protect(guest)
    notifier.call('drill')
    notifier.power_fails()
    host.power_cut()
    shutil.rmtree(host.run_dir)

    result = temporality('outage', 'show', '-f', 'json')

    assert result.returncode == 0, result.stderr
    row, = json.loads(result.stdout)
    assert row['Server'] == guest.name
    assert row['Result'] == 'fixated'
    assert row['Raised By'] == 'signal'
    assert row['Run State'] == 'running'
    assert (0 < row['Command ms'] < row['Stopped ms'] < row['Stream ms'] <
            row['Saved ms'] < row['Fixated ms'])
    assert row['State Size'] > 0
    report = json.loads(temporality('outage', 'report', '-f', 'json').stdout)
    [server] = report['servers']
    assert (server['name'], server['verdict']) == (guest.name, 'not known')
    assert server['fixation'] == {
        'result': 'fixated', 'command_ms': row['Command ms'],
        'stopped_ms': row['Stopped ms'], 'saved_ms': row['Saved ms'],
        'fixated_ms': row['Fixated ms'], 'state_size': row['State Size'],
        'vaulted_ms': None}
    assert report['budget']['used_ms'] == row['Fixated ms']
    assert report['budget']['hold_up_is_of_then']
    drill, outage = json.loads(temporality('outage', 'show', '--all', '-f',
                                           'json').stdout)
    assert drill['Raised By'] == 'drill'
    assert outage == row


@pytest.mark.parametrize('command', ['fixate', 'resume', 'drill'])
def test_commands_without_notifier(temporality, command):
    result = temporality(command)
    assert result.returncode == 1
    assert 'systemctl start' in result.stderr
    assert 'Traceback' not in result.stderr


def test_fixate_and_resume(host, temporality):
    guest = host.booted()
    notifier = host.notifier()
    notifier.protect(guest)

    result = temporality('fixate', '-f', 'json')

    assert result.returncode == 0, result.stderr
    row, = json.loads(result.stdout)
    assert row['Server'] == guest.name
    assert row['Result'] == 'fixated'
    assert row['Fixated ms'] > 0
    assert guest.proven()
    region, = json.loads(temporality('region', 'list', '-f', 'json').stdout)
    assert region['Server'] == guest.name
    assert region['State'] == 'proven'
    assert region['Size'] == machine.MEMORY

    result = temporality('resume', '-f', 'json')

    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)[0]['Result'] == 'resumed'
    guest.wait_counting()
    region, = json.loads(temporality('region', 'list', '-f', 'json').stdout)
    assert region['State'] == 'unproven'
    assert region['Reason']


def test_fixate_for_reboot(host, temporality):
    guest, unsound, off = host.booted(), host.guest(), host.guest()
    unsound.start('-device', 'piix3-usb-uhci', '-device',
                  'usb-mtp,rootdir=/,readonly=on')
    notifier = host.notifier()
    notifier.protect(guest)

    result = temporality('fixate', '--for-reboot', '-f', 'json')

    assert result.returncode == 1  # because of the one
    rows = {row['Server']: row for row in json.loads(result.stdout)}
    assert [(rows[one.name]['Result'], rows[one.name]['Ended'])
            for one in (guest, unsound, off)] == [
        ('fixated', True), ('failed', False), ('skipped', False)]
    # It has ended when the command returns.
    assert guest.process.wait(0) == 0
    assert unsound.process.poll() is None
    host.power_cut()
    before = guest.counter()
    guest.recover()
    guest.wait_counting()
    assert guest.counter() > before
    assert guest.boots() == 1


def test_reboot_that_is_cancelled(host, temporality):
    guest = host.booted()
    notifier = host.notifier()
    notifier.protect(guest)
    result = temporality('fixate', '--for-reboot')
    assert result.returncode == 0, result.stderr
    assert guest.proven()

    assert temporality('resume').returncode == 0

    # It lets nova-compute recover the server, and gives up no state.
    assert guest.proven()
    guest.recover()
    guest.wait_counting()


def test_fixate_alone_ends_no_qemu(host, temporality):
    guest = host.booted()
    notifier = host.notifier()
    notifier.protect(guest)
    assert temporality('fixate').returncode == 0
    machine.wait_for(lambda: guest.runstate() == 'postmigrate', 'the end')


def test_drill(host, temporality):
    guest = host.booted()
    notifier = host.notifier()
    notifier.protect(guest)

    result = temporality('drill', '-f', 'json')

    assert result.returncode == 0, result.stderr
    row, = json.loads(result.stdout)
    assert (row['Server'], row['Result'], row['Resumed']) == (
        guest.name, 'fixated', True)
    assert 'All together took ' in result.stderr
    assert 'a guess: 1 had never been drilled' in result.stderr
    result = temporality('drill')
    assert 'a guess' not in result.stderr
    assert 'times what was predicted for them' in ' '.join(
        temporality('status').stdout.split())
    guest.wait_counting()
    assert '1 fixated' in temporality('status').stdout
    notifier.call('fixate')
    result = temporality('drill')
    assert result.returncode == 1
    assert 'an outage is on' in result.stderr


def test_drill_tells_of_failures(host, temporality):
    host.configure(timeout_ms=300)
    guest = host.booted()
    notifier = host.notifier(
        [machine.NOTIFIER_AT, 'hang-qemu-at-first-save'])
    notifier.protect(guest)
    result = temporality('drill')
    assert result.returncode == 1
    assert 'failed' in result.stdout


def test_fixate_tells_of_failures(host, temporality):
    host.configure(timeout_ms=300)
    guest = host.booted()
    notifier = host.notifier()
    notifier.protect(guest)
    guest.hang()

    result = temporality('fixate')
    assert result.returncode == 1
    assert 'failed' in result.stdout

    # It does not answer to that either.
    result = temporality('resume')
    assert result.returncode == 1
    assert 'does not' in result.stdout


def test_snapshots(host, temporality, tmp_path):
    guest = host.guest()
    kept, notifier = snapshots.protected(host, guest, tmp_path)
    kept.make(notifier)
    kept.named('rubbish').make()
    where = ['--directory', kept.top]

    listed = json.loads(temporality('snapshot', 'list', *where, '-f',
                                    'json').stdout)
    assert {(one['Name'], one['State'], one['Memory'])
            for one in listed} == {('one', 'complete', machine.MEMORY),
                                   ('rubbish', 'incomplete', None)}
    refused = temporality('snapshot', 'load', guest.name, 'one', *where)
    assert refused.returncode == 1
    assert '--fork' in refused.stderr
    for name in ('one', 'rubbish'):
        done = temporality('snapshot', 'delete', guest.name, name, *where)
        assert done.returncode == 0, done.stderr
    again = temporality('snapshot', 'delete', guest.name, 'one', *where)
    assert again.returncode == 1
    assert "no snapshot 'one'" in again.stderr
    assert json.loads(temporality('snapshot', 'list', *where, '-f',
                                  'json').stdout) == []
