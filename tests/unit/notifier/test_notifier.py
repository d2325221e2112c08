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


import dataclasses
import json
import os
import socket
import subprocess
import sys
import threading
import time

import pytest

from nova_temporality.host import paths
from nova_temporality.notifier import power
from nova_temporality.notifier.pvm import attempts
from nova_temporality.notifier.pvm import stopped_note
from nova_temporality.notifier.reports import outage
from nova_temporality.notifier.reports import systemd
from nova_temporality.qemu import migration
from nova_temporality.qemu import qmp
from nova_temporality.vpm import engine
from nova_temporality.vpm import runlock

pytestmark = pytest.mark.native_threads

EVENT = power.PowerEvent('test', 10**18, 5 * 10**9)


def attempt(seconds=60):
    return attempts.Attempt('pvm', power.PowerEvent.now('test'),
                            time.monotonic_ns() + int(seconds * 1e9))


class TestAttempt:

    def test_first_outcome_counts(self):
        one = attempt()
        one.settle(attempts.FIXATED, runstate='running')
        one.settle(attempts.FAILED)
        assert one.wait_report().result == attempts.FIXATED
        assert one.wait_report().runstate == 'running'

    def test_given_up_at_deadline(self):
        one = attempt(0)
        assert one.wait_report().result == attempts.FAILED
        one.settle(attempts.FIXATED)
        assert one.wait_report().result == attempts.FAILED

    def test_settled_as_the_engine_says(self):
        one = attempt()
        start = one.event.monotonic_ns
        one.settle_as(engine.Outcome(
            'pvm', engine.FIXATED, runstate='running',
            stopped_ns=start + 1500000, saved_ns=start + 2000000,
            fixated_ns=start + 2500000))
        assert one.wait_report() == attempts.PvmReport(
            'pvm', attempts.FIXATED, runstate='running', stopped_ms=1.5,
            saved_ms=2.0, fixated_ms=2.5)

    def test_what_did_not_happen_has_no_time(self):
        one = attempt()
        one.settle_as(engine.Outcome('pvm', engine.FAILED, reason='why'))
        assert one.wait_report() == attempts.PvmReport(
            'pvm', attempts.FAILED, reason='why')

    def test_outcome_waits_for_worker(self):
        one = attempt()
        threading.Timer(0.05, one.settle, [attempts.FIXATED]).start()
        assert one.wait_report().result == attempts.FIXATED


class FakeQemu:
    """Answers commands from lists, one answer after the other."""

    def __init__(self, **answers):
        self._answers = {name.replace('_', '-'): list(replies)
                         for name, replies in answers.items()}
        self.commands = []

    def command(self, name, args=None, timeout=None):
        self.commands.append(name)
        replies = self._answers.get(name, [{}])
        reply = replies.pop(0) if len(replies) > 1 else replies[0]
        if isinstance(reply, Exception):
            raise reply
        return reply


class TestCleanUp:

    def test_save_under_way_is_cancelled(self):
        qemu = FakeQemu(
            query_migrate=[{'status': 'active'}, {'status': 'cancelling'},
                           {'status': 'cancelled'}],
            query_status=[{'status': 'paused'}])
        migration.clean_up(qemu, 10)
        assert 'migrate_cancel' in qemu.commands
        assert qemu.commands[-1] == 'migrate-set-capabilities'

    @pytest.mark.parametrize('status', [{}, {'status': 'none'},
                                        {'status': 'completed'},
                                        {'status': 'failed'}])
    def test_nothing_to_cancel(self, status):
        qemu = FakeQemu(query_migrate=[status],
                        query_status=[{'status': 'paused'}])
        migration.clean_up(qemu, 10)
        assert 'migrate_cancel' not in qemu.commands
        assert qemu.commands[-1] == 'migrate-set-capabilities'

    def test_completed_save_is_waited_for(self):
        qemu = FakeQemu(query_migrate=[{'status': 'completed'}],
                        query_status=[{'status': 'finish-migrate'},
                                      {'status': 'finish-migrate'},
                                      {'status': 'postmigrate'}])
        migration.clean_up(qemu, 10)
        assert qemu.commands.count('query-status') == 3

    def test_stuck(self):
        qemu = FakeQemu(query_migrate=[{'status': 'cancelling'}],
                        query_status=[{'status': 'paused'}])
        with pytest.raises(migration.MigrationStuck):
            migration.clean_up(qemu, 0.01)
        assert 'migrate-set-capabilities' not in qemu.commands


class TestOutage:

    @staticmethod
    def report(*outcomes, event=EVENT):
        return outage.report(event, outcomes, event.monotonic_ns + 7900000)

    def test_report(self):
        report = self.report(
            attempts.PvmReport('b', attempts.FIXATED, fixated_ms=5.0),
            attempts.PvmReport('a', attempts.FAILED, reason='why'))
        assert report['acknowledged_ms'] == 7.9
        assert report['event'] == {
            'source': 'test', 'time': '2001-09-09T01:46:40.000+00:00',
            'raised_by': ['operator']}
        assert [pvm['name'] for pvm in report['pvms']] == ['a', 'b']
        assert [pvm['name'] for pvm in outage.failures(report)] == ['a']
        assert json.loads(json.dumps(report)) == report
        assert '1 fixated, 1 failed, 0 skipped' in outage.summary(report)

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
        outage.store(report, path)
        assert outage.load(path) == report
        assert os.listdir(tmp_path) == ['last']

    @pytest.mark.parametrize('content', ['', '{', '[]', '{"event": 1}',
                                         '{"event": {}, "pvms": [],'
                                         ' "acknowledged_ms": 1,'
                                         ' "called_off": null}'])
    def test_damaged_report_is_ignored(self, tmp_path, content):
        path = tmp_path / 'last'
        path.write_text(content)
        assert outage.load(str(path)) is None


class TestNote:

    @pytest.fixture
    def open_one(self, tmp_path):
        (tmp_path / 'stopped').mkdir()
        return lambda: stopped_note.StoppedNote(str(tmp_path), 'pvm')

    def test_is_about_one_process(self, open_one):
        one = open_one()
        assert one.read(7) is None
        stopped = engine.Stopped(7, 'running', ('nut', 'operator'))
        one.write(stopped)
        assert one.read(7) == stopped
        assert one.read(8) is None

    def test_outlives_the_notifier(self, open_one):
        stopped = engine.Stopped(7, 'suspended', ())
        open_one().write(stopped)
        assert open_one().read(7) == stopped

    def test_remove(self, open_one):
        one = open_one()
        one.write(engine.Stopped(7, 'running', ()))
        one.remove()
        one.remove()
        assert one.read(7) is None
        assert open_one().read(7) is None

    def test_names_that_do_not_fit_are_left_out(self, open_one):
        one = open_one()
        one.write(engine.Stopped(7, 'running', ('a' * 90, 'nut', 'signal')))
        assert one.read(7).raised_by == ('a' * 90, 'nut')

    @pytest.mark.parametrize('size', [0, 10, 2 * 144, 10000])
    def test_damaged_note_is_none(self, open_one, tmp_path, size):
        with open(paths.stopped_note(str(tmp_path), 'pvm'), 'wb') as f:
            f.write(b'\x01' * size)
        one = open_one()
        assert one.read(0x1010101) is None
        one.write(engine.Stopped(7, 'running', ()))
        assert one.read(7)

    def test_torn_note_leaves_the_earlier_one(self, open_one, tmp_path):
        one = open_one()
        earlier = engine.Stopped(7, 'running', ('nut',))
        one.write(earlier)
        one.write(engine.Stopped(7, 'running', ('nut', 'signal')))
        path = paths.stopped_note(str(tmp_path), 'pvm')
        with open(path, 'r+b') as f:
            at = f.read().index(b'nut,signal')
            f.seek(at)
            f.write(b'X')
        assert open_one().read(7) == earlier


class TestRunLock:

    @pytest.fixture
    def region(self, tmp_path):
        (tmp_path / 'state').touch()

        class Region:
            name = 'pvm'
            ram_path = str(tmp_path / 'ram')
        return Region

    def test_excludes_threads_of_one_process_too(self, region):
        with runlock.RunLock(region):
            with pytest.raises(runlock.RunLockTimeout) as e:
                runlock.RunLock(region).acquire(0)
        assert 'temporality resume' in str(e.value)
        with runlock.RunLock(region):
            pass

    def test_waits(self, region):
        first, second = runlock.RunLock(region), runlock.RunLock(region)
        first.acquire(0)
        threading.Timer(0.05, first.release).start()
        second.acquire(60)
        second.release()

    def test_acquire_twice_and_release_twice(self, region):
        lock = runlock.RunLock(region)
        lock.acquire(0)
        lock.acquire(0)
        lock.release()
        lock.release()
        with runlock.RunLock(region):
            pass

    def test_killed_owner_leaves_none(self, region):
        code = ('from nova_temporality.vpm import runlock\n'
                'class Region:\n'
                '    name = "pvm"\n'
                '    ram_path = %r\n'
                'runlock.RunLock(Region).acquire(0)\n'
                'print("locked", flush=True)\n'
                'input()\n' % region.ram_path)
        owner = subprocess.Popen(
            [sys.executable, '-c', code], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)))
        with owner:
            assert owner.stdout.readline() == b'locked\n'
            with pytest.raises(runlock.RunLockTimeout):
                runlock.RunLock(region).acquire(0)
            owner.kill()
            owner.wait()
        runlock.RunLock(region).acquire(0)


class TestSystemd:

    @pytest.mark.parametrize('prefix', ['', '@'])
    def test_notify(self, tmp_path, monkeypatch, prefix):
        address = prefix + str(tmp_path / 'notify')
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.bind(address.replace('@', '\0'))
            monkeypatch.setenv('NOTIFY_SOCKET', address)
            systemd.notify('READY=1')
            assert sock.recv(100) == b'READY=1'

    def test_nobody_listens(self, tmp_path, monkeypatch):
        monkeypatch.setenv('NOTIFY_SOCKET', str(tmp_path / 'nobody'))
        systemd.notify('READY=1')
        monkeypatch.delenv('NOTIFY_SOCKET')
        systemd.notify('READY=1')

    def test_watchdog_interval(self, monkeypatch):
        monkeypatch.delenv('WATCHDOG_USEC', raising=False)
        monkeypatch.delenv('WATCHDOG_PID', raising=False)
        assert systemd.watchdog_interval() is None
        monkeypatch.setenv('WATCHDOG_USEC', '3000000')
        assert systemd.watchdog_interval() == 1.5
        monkeypatch.setenv('WATCHDOG_PID', '1')
        assert systemd.watchdog_interval() is None


def test_qmp_errors_are_told_apart():
    assert issubclass(qmp.QmpTimeout, qmp.QmpConnectionError)
    assert issubclass(qmp.QmpRefused, qmp.QmpConnectionError)
    assert not issubclass(qmp.QmpCommandError, qmp.QmpConnectionError)
