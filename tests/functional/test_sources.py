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


"""The notifier and what tells it that power fails, the real ones."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from tests.framework import machine
from tests.framework import pod_stand_in

GRACE_MS = 300

# What a detector does, in its own process: levels are lines of its input.
DETECTOR = '''
import json, sys, time
from oslo_config import cfg
from oslo_service import backend
backend.init_backend(backend.BackendType.THREADING)
import oslo_messaging
transport = oslo_messaging.get_rpc_transport(cfg.CONF, sys.argv[1])
client = oslo_messaging.get_rpc_client(transport, oslo_messaging.Target(
    exchange='temporality', topic='temporality-power', fanout=True))
for line in sys.stdin:
    message = dict(site='room 1', issued_at=time.time(), valid_ms=5000)
    message.update(json.loads(line))
    client.cast({}, 'power', **message)
    print('sent', flush=True)
'''


class Ups:
    """upsd with a UPS of which a file tells how it is."""

    def __init__(self, directory, spawn):
        self._file = directory / 'rack.dev'
        self.set('OL')
        (directory / 'ups.conf').write_text(
            '[rack]\n driver = dummy-ups\n mode = dummy-loop\n'
            ' pollinterval = 1\n port = %s\n' % self._file)
        self.port = machine.free_port()
        (directory / 'upsd.conf').write_text(
            'LISTEN 127.0.0.1 %d\nSTATEPATH %s\n' % (self.port, directory))
        (directory / 'upsd.users').write_text(
            '[pod]\n password = secret\n upsmon secondary\n')
        directory.chmod(0o700)
        self._spawn = spawn
        self._env = dict(os.environ, NUT_CONFPATH=str(directory),
                         NUT_STATEPATH=str(directory),
                         NUT_ALTPIDPATH=str(directory))
        self._start('dummy-ups', '-a', 'rack')
        machine.wait_for((directory / 'dummy-ups-rack').exists, 'the driver')
        self.start_upsd()

    def start_upsd(self):
        self.upsd = self._start('upsd')
        machine.wait_for(lambda: machine.accepts(self.port), 'upsd')

    def _start(self, program, *args):
        return self._spawn(['/lib/nut/' + program, *args, '-u', 'root', '-F'],
                           env=self._env, stderr=subprocess.DEVNULL)

    def set(self, status):
        new = self._file.with_suffix('.new')
        new.write_text('ups.status: %s\n' % status)
        new.rename(self._file)


class TestNut:

    @pytest.fixture
    def ups(self, tmp_path, spawn):
        if not os.path.exists('/lib/nut/upsd'):
            pytest.skip('nut-server is not installed')
        directory = tmp_path / 'nut'
        directory.mkdir()
        return Ups(directory, spawn)

    @pytest.fixture
    def notifier(self, host, ups):
        host.configure(pod_sources='signal,nut', nut_ups='rack',
                       nut_port=ups.port, nut_user='pod',
                       nut_password='secret', nut_poll_interval_ms=50,
                       grace_ms=GRACE_MS)
        return host.notifier()

    def test_brown_out(self, host, ups, notifier, capfd):
        guest = host.booted()
        notifier.protect(guest)
        logged_in(ups)
        ups.set('OB')
        machine.wait_for(lambda: 'warn' in read_log(capfd), 'the warning')
        guest.wait_counting()

        ups.set('OB LB')
        machine.wait_for(guest.proven, 'fixated')
        assert guest.stands_still()
        outage = notifier.outage()
        assert outage['event']['raised_by'] == ['nut']
        assert 'OB LB' in outage['event']['source']

        ups.set('OL')
        machine.wait_for(lambda: not guest.proven(), 'called off')
        guest.wait_counting()
        assert guest.capabilities() == set()
        notifier.called_off()
        assert notifier.state(guest) == 'armed'

    def test_upsd_dies_in_an_outage(self, host, ups, notifier, capfd):
        guest = host.booted()
        notifier.protect(guest)
        logged_in(ups)
        ups.set('FSD OB')
        machine.wait_for(guest.proven, 'fixated')
        ups.upsd.kill()
        ups.upsd.wait()
        machine.wait_for(lambda: 'nut_ups rack: upsd at' in read_log(capfd),
                         'noticed')
        ups.set('OL')
        assert guest.stands_still()
        assert guest.proven()

        ups.start_upsd()
        machine.wait_for(lambda: not guest.proven(), 'called off')
        guest.wait_counting()


def read_log(capfd):
    """What was logged since the last time."""
    return ''.join(capfd.readouterr())


def logged_in(ups):
    """Wait until upsd counts the notifier."""
    def clients():
        with socket.create_connection(('127.0.0.1', ups.port), 5) as sock:
            sock.sendall(b'GET NUMLOGINS rack\n')
            return sock.recv(100) == b'NUMLOGINS rack 1\n'
    machine.wait_for(clients, 'login')


class TestSignals:

    def test_sigpwr(self, host):
        host.configure(pod_sources='sigpwr')
        guest = host.booted()
        notifier = host.notifier()
        notifier.protect(guest)
        notifier.process.send_signal(44)  # not among the sources
        notifier.process.send_signal(signal.SIGPWR)
        machine.wait_for(guest.proven, 'fixated')
        report = notifier.outage()
        assert report['event']['raised_by'] == ['sigpwr']

    def test_unused_signals_kill_nobody(self, host):
        host.configure(pod_sources='')
        guest = host.booted()
        notifier = host.notifier()
        notifier.protect(guest)
        notifier.process.send_signal(signal.SIGPWR)
        notifier.process.send_signal(44)
        assert notifier.state(guest) == 'armed'
        assert not guest.proven()
        notifier.call('fixate')
        assert guest.proven()

    @pytest.mark.parametrize('option, value', [
        ('pod_sources', 'sun'), ('pod_confidence', 'signal:sun')])
    def test_bad_option(self, host, capfd, option, value):
        host.configure(**{option: value})
        notifier = host.notifier()
        notifier.launch()
        assert notifier.process.wait(machine.PATIENCE) == 1
        error = read_log(capfd)
        assert option in error
        assert 'sun' in error
        assert 'Traceback' not in error


def source_state(notifier):
    """Return the state of the only source."""
    source, = notifier.call('status')['sources']
    return source['state']


class Detector:
    """Tells of power on the bus."""

    def __init__(self, url, spawn):
        self._process = spawn([sys.executable, '-W', 'ignore', '-c', DETECTOR,
                               url], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True)

    def say(self, **message):
        print(json.dumps(message), file=self._process.stdin, flush=True)
        assert self._process.stdout.readline() == 'sent\n'


class TestMessaging:

    def test_fan_out(self, host, bus_url, spawn, capfd):
        host.configure(pod_sources='messaging', messaging_url=bus_url,
                       messaging_site='room 1', grace_ms=GRACE_MS)
        guest = host.booted()
        notifier = host.notifier()
        notifier.protect(guest)
        detector = Detector(bus_url, spawn)
        log = []

        def logged(words):
            log.append(read_log(capfd))
            return words in ''.join(log)

        def until_warned():
            # Nobody listens until the notifier has made its queue.
            detector.say(level='warn')
            return logged('says: warn')
        machine.wait_for(until_warned, 'the warning')
        detector.say(level='commit', site='room 2')
        machine.wait_for(lambda: logged("'room 2' is not"), 'ignored')
        detector.say(level='commit', issued_at=time.time() - 60)
        machine.wait_for(lambda: logged('ms ago, and counts'), 'ignored')
        assert not guest.proven()
        guest.wait_counting()

        detector.say(level='commit')
        machine.wait_for(guest.proven, 'fixated')
        detector.say(level='good', site='room 2')
        assert guest.stands_still()
        detector.say(level='good')
        machine.wait_for(lambda: not guest.proven(), 'called off')
        guest.wait_counting()

    def test_signed_announcements(self, host, bus_url, spawn, tmp_path,
                                  capfd):
        key = tmp_path / 'key'
        key.write_text('0123456789abcdef')
        key.chmod(0o600)
        host.configure(pod_sources='messaging', messaging_url=bus_url,
                       messaging_site='room 1', messaging_key_file=key,
                       grace_ms=GRACE_MS)
        guest = host.booted()
        notifier = host.notifier()
        notifier.protect(guest)

        def announce(level):
            subprocess.run(
                [sys.executable, '-m', 'nova_temporality.cmd.admin',
                 '--config-file', str(host.config_file), 'power', 'announce',
                 level], check=True, timeout=machine.PATIENCE,
                env=dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)))

        def source():
            return notifier.call('status')['sources'][0]

        def until_good():
            # Nobody listens until the notifier has made its queue.
            announce('good')
            return source()['state'] == 'good'
        machine.wait_for(until_good, 'it is heard')
        assert source()['is_sound']
        Detector(bus_url, spawn).say(level='commit')
        machine.wait_for(lambda: 'not signed' in read_log(capfd), 'ignored')
        assert not guest.proven()
        announce('commit')
        machine.wait_for(guest.proven, 'fixated')
        announce('good')
        machine.wait_for(lambda: not guest.proven(), 'called off')
        guest.wait_counting()

    def test_bus_that_is_down_stops_nothing(self, host):
        host.configure(pod_sources='messaging,signal', messaging_site='a',
                       messaging_url='rabbit://a:b@127.0.0.1:1/')
        guest = host.booted()
        notifier = host.notifier()
        notifier.protect(guest)
        report = notifier.power_fails()
        assert machine.outcome(report, guest)['result'] == 'fixated'
        assert notifier.end() == 0


class TestPod:

    @pytest.fixture
    def driver(self, tmp_path, monkeypatch):
        with pod_stand_in.seen(pod_stand_in.StandIn(tmp_path), tmp_path,
                               monkeypatch) as stand_in:
            yield stand_in

    @pytest.fixture
    def notifier(self, host, tmp_path):
        host.configure(pod_sources='pod', grace_ms=GRACE_MS)
        return host.notifier([pod_stand_in.__file__, str(tmp_path)])

    @staticmethod
    def acknowledged(driver, event):
        return ('acknowledge', event.sequence) in driver.told()

    def test_brown_out(self, host, driver, notifier):
        guest = host.booted()
        notifier.protect(guest)
        driver.tell(pod_stand_in.GOOD)
        failure = driver.tell(pod_stand_in.COMMIT)
        machine.wait_for(lambda: self.acknowledged(driver, failure), 'saving')
        assert guest.proven()
        assert guest.stands_still()

        driver.tell(pod_stand_in.GOOD)
        machine.wait_for(lambda: not guest.proven(), 'called off')
        guest.wait_counting()
        outage = notifier.outage()
        assert outage['event']['raised_by'] == ['pod']
        assert 'a line' in outage['event']['source']

    @pytest.mark.parametrize('how', [signal.SIGSTOP, signal.SIGKILL])
    def test_the_notifier_is_not_needed(self, host, driver, notifier, how):
        """It hears later what it has missed, and that power is back."""
        guest = host.booted()
        notifier.protect(guest)
        driver.tell(pod_stand_in.GOOD)
        machine.wait_for(lambda: source_state(notifier) == 'good', 'heard')
        notifier.process.send_signal(how)
        failure = driver.tell(pod_stand_in.COMMIT)
        machine.wait_for(guest.proven, 'fixated')
        machine.wait_for(lambda: self.acknowledged(driver, failure), 'saving')
        assert guest.stands_still()

        if how == signal.SIGSTOP:
            notifier.process.send_signal(signal.SIGCONT)
        else:
            notifier.process.wait()
            notifier.start()
        assert notifier.outage()['event']['raised_by'] == ['pod']
        assert source_state(notifier) == 'commit'
        driver.tell(pod_stand_in.GOOD)
        machine.wait_for(lambda: not guest.proven(), 'called off')
        guest.wait_counting()

    def test_driver_that_is_missing(self, host, driver, notifier):
        """The state of the source says why."""
        notifier.start()
        driver.tell(pod_stand_in.GOOD)
        machine.wait_for(lambda: source_state(notifier) == 'good', 'heard')
        os.rename(driver.path, driver.path + '.away')
        os.write(driver._fd, b'its end')

        def missing():
            source, = notifier.call('status')['sources']
            return 'No such file' in source['detail'] and source
        source = machine.wait_for(missing, 'told')
        assert source['state'] == 'lost'
        assert not source['is_sound']
        os.rename(driver.path + '.away', driver.path)
        driver.tell(pod_stand_in.GOOD)
        machine.wait_for(lambda: source_state(notifier) == 'good', 'heard')
        source, = notifier.call('status')['sources']
        assert source['is_sound'] and source['heard'] and source['since']

    def test_hung_qemu_holds_no_acknowledgement_up(self, host, driver,
                                                   tmp_path):
        # Enough for the other one on a busy machine.
        host.configure(timeout_ms=5000, pod_sources='pod')
        notifier = host.notifier([pod_stand_in.__file__, str(tmp_path)])
        hung, sound = host.booted(), host.booted()
        notifier.protect(hung, sound)
        hung.hang()
        failure = driver.tell(pod_stand_in.COMMIT, pod_stand_in.ORIGIN_NMI)
        machine.wait_for(lambda: self.acknowledged(driver, failure), 'saving')
        assert sound.proven()
        assert not hung.proven()
