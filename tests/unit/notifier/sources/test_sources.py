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


import os
import signal
import socket
import subprocess
import sys
import threading
import time

import gpiod
from gpiod import line
from oslo_config import cfg
import pytest

from nova_temporality.conf import opts
from nova_temporality.notifier import background as background_module
from nova_temporality.notifier import power
from nova_temporality.notifier import sources
from nova_temporality.notifier.sources import gpio
from nova_temporality.notifier.sources import nut
from nova_temporality.notifier.sources import signals
from nova_temporality.notifier import watch

pytestmark = pytest.mark.native_threads


def make_conf(**values):
    conf = cfg.ConfigOpts()
    opts.register_opts(conf)
    conf([], default_config_files=[])
    for name, value in values.items():
        conf.set_override(name, value, 'temporality')
    return conf


class Stop(Exception):
    """Ends a source."""


class TestLoad:

    def test_default(self):
        loaded = sources.load(make_conf())
        assert list(loaded) == ['signal']
        assert loaded['signal'].momentary

    def test_several(self):
        loaded = sources.load(make_conf(pod_sources=['nut', 'sigpwr'],
                                        nut_ups='rack'))
        assert list(loaded) == ['nut', 'sigpwr']
        assert not loaded['nut'].momentary

    def test_none(self):
        assert sources.load(make_conf(pod_sources=[])) == {}

    def test_unknown(self):
        with pytest.raises(sources.SourceError) as e:
            sources.load(make_conf(pod_sources=['sun']))
        assert '"sun"' in str(e.value)
        assert 'gpio, messaging, nut, pod, signal, sigpwr' in str(e.value)

    def test_module_is_missing(self, monkeypatch):
        monkeypatch.setitem(sys.modules, 'gpiod', None)
        monkeypatch.delitem(
            sys.modules, 'nova_temporality.notifier.sources.gpio')
        with pytest.raises(sources.SourceError) as e:
            sources.load(make_conf(pod_sources=['gpio']))
        assert 'gpiod' in str(e.value)

    def test_confidence_of_others(self):
        with pytest.raises(sources.SourceError) as e:
            sources.load(make_conf(pod_confidence={'nut': 50}))
        assert '"nut"' in str(e.value)

    def test_confidence_that_cannot_be_reached(self):
        with pytest.raises(sources.SourceError) as e:
            sources.load(make_conf(pod_sources=['signal', 'sigpwr'],
                                   pod_confidence={'signal': 20,
                                                   'sigpwr': 70}))
        assert '90' in str(e.value)

    @pytest.mark.parametrize('name, values, words', [
        ('nut', {}, 'nut_ups is not set'),
        ('nut', {'nut_ups': 'a b'}, 'nut_ups'),
        ('nut', {'nut_ups': 'a', 'nut_user': 'x\nFSD a',
                 'nut_password': 'y'}, 'nut_user'),
        ('nut', {'nut_ups': 'a', 'nut_user': 'x'}, 'both or none'),
        ('messaging', {'messaging_url': 'fake:/'}, 'messaging_site'),
        ('messaging', {'messaging_site': 'a'}, 'messaging_url'),
        ('gpio', {'gpio_line': 1}, 'gpio_chip'),
        ('gpio', {'gpio_chip': '/dev/gpiochip0'}, 'gpio_line')])
    def test_bad_options(self, name, values, words):
        with pytest.raises(sources.SourceError) as e:
            sources.load(make_conf(pod_sources=[name], **values))
        assert words in str(e.value)


class TestSignals:

    @pytest.mark.parametrize('cls, number', [
        ('SignalSource', signals.POD_SIGNAL),
        ('SigpwrSource', signal.SIGPWR)])
    def test_every_signal_is_reported(self, cls, number):
        code = (
            'from nova_temporality.notifier.sources import signals\n'
            'signals.block()\n'
            'def report(news):\n'
            '    print(news.level, news.detail, flush=True)\n'
            'print("ready", flush=True)\n'
            'signals.%s(None).run(report)\n' % cls)
        process = subprocess.Popen(
            [sys.executable, '-c', code], stdout=subprocess.PIPE, text=True,
            env=dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)))
        with process:
            assert process.stdout.readline() == 'ready\n'
            for _ in range(3):
                process.send_signal(number)
                assert (process.stdout.readline() ==
                        'commit signal %d from process %d\n'
                        % (number, os.getpid()))
            process.kill()

    @pytest.mark.parametrize('confidence, direct', [(100, True), (60, False)])
    def test_fires_directly_if_its_word_is_enough(self, confidence, direct):
        conf = make_conf(pod_sources=['signal', 'sigpwr'],
                         pod_confidence={'signal': confidence})
        loaded = sources.load(conf)
        waited = []

        class Notifier:
            background = background_module.Background(None)

            def outage_raised_by(self):
                return ()

            def wait_signal(self, number, raised_by):
                waited.append((number, raised_by))
                return 1, 2, 3

        watch.Watch(loaded, Notifier(), conf)
        assert (loaded['signal'].trigger is not None) == direct
        if direct:
            heard = []

            def report(news):
                heard.append(news)
                raise Stop()

            with pytest.raises(Stop):
                loaded['signal'].run(report)
            assert heard == [power.News(
                power.COMMIT, 'signal 44 from process 3', 1, 2)]
            assert waited == [(44, 'signal')]

    def test_number(self):
        assert signals.POD_SIGNAL == signal.SIGRTMIN + 10


@pytest.mark.parametrize('status, level', [
    ('OL', power.GOOD), ('OL CHRG', power.GOOD), ('OL LB', power.GOOD),
    ('OB', power.WARN), ('OB DISCHRG', power.WARN),
    ('OB LB', power.COMMIT), ('OB DISCHRG LB', power.COMMIT),
    ('FSD OL', power.COMMIT), ('FSD OB LB', power.COMMIT),
    ('', power.LOST), ('WAIT', power.LOST), ('OFF', power.LOST)])
def test_nut_status(status, level):
    assert nut.level(status) == level


class Upsd:
    """Gives one answer to each of a list of connections, or says nothing."""

    def __init__(self, *answers):
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.port = self.listener.getsockname()[1]
        self._answers = answers
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        for answer in self._answers:
            client, _address = self.listener.accept()
            with client:
                client.recv(1000)
                client.sendall(answer)
        self.listener.close()


def hear(source, count):
    """Run a source until it has reported so many news."""
    heard = []

    def report(news):
        heard.append(news)
        if len(heard) == count:
            raise Stop()
    with pytest.raises(Stop):
        source.run(report)
    return heard


def ask(*answers):
    upsd = Upsd(*answers)
    return nut.NutSource(make_conf(
        nut_port=upsd.port, nut_ups='rack', nut_poll_interval_ms=10))


class TestNut:

    @pytest.mark.parametrize('answer', [
        b'', b'\n', b'OK\n', b'ERR DATA-STALE\n', b'VAR rack ups.status\n',
        b'VAR other ups.status "OB LB"\n', b'VAR rack ups.status "FSD\n',
        b'\xff' * 5000, b'VAR rack ups.status "FSD"'])
    def test_what_is_no_answer_is_no_failure(self, answer):
        news, = hear(ask(answer), 1)
        assert news.level == power.LOST
        assert '127.0.0.1' in news.detail

    def test_only_changes_are_told(self):
        good = b'VAR rack ups.status "OL"\n'
        source = ask(b'ERR DATA-STALE\n', b'', good,
                     b'VAR rack ups.status "FSD"\n')
        # Every connection ends after its answer.
        assert [news.level for news in hear(source, 4)] == [
            power.LOST, power.GOOD, power.LOST, power.COMMIT]

    def test_silent_upsd(self, monkeypatch):
        monkeypatch.setattr(nut, '_PATIENCE', 0.05)
        silent = socket.create_server(('127.0.0.1', 0))
        source = nut.NutSource(make_conf(
            nut_port=silent.getsockname()[1], nut_ups='rack'))
        assert hear(source, 1)[0].level == power.LOST
        silent.close()


class TestMessages:

    @pytest.fixture
    def heard(self):
        return []

    @pytest.fixture
    def endpoint(self, heard):
        # It chooses native threads for the whole process.
        from nova_temporality.notifier.sources import messaging
        return messaging.Endpoint('room 1', 5000, heard.append)

    @staticmethod
    def message(**changes):
        return dict({'site': 'room 1', 'level': 'commit',
                     'issued_at': time.time(), 'valid_ms': 5000}, **changes)

    @pytest.mark.parametrize('level', ['good', 'warn', 'commit'])
    def test_fresh(self, endpoint, heard, level):
        endpoint.power({}, **self.message(level=level))
        assert heard[0].level == level

    @pytest.mark.parametrize('changes', [
        {'site': 'room 2'}, {'site': None}, {'level': 'lost'},
        {'level': ['commit']}, {'level': None},
        {'issued_at': None}, {'issued_at': '1'}, {'issued_at': float('nan')},
        {'issued_at': 0}, {'issued_at': True}, {'issued_at': -1},
        {'valid_ms': float('inf')}, {'valid_ms': {}}, {'valid_ms': -1}])
    def test_garbage(self, endpoint, heard, changes):
        endpoint.power({}, **self.message(**changes))
        assert heard == []

    @pytest.mark.parametrize('age, valid_ms', [
        (2, 1000), (100, 10**9), (-100, 1000)])
    def test_stale(self, endpoint, heard, age, valid_ms):
        endpoint.power({}, **self.message(issued_at=time.time() - age,
                                          valid_ms=valid_ms))
        assert heard == []

    def test_missing_and_additional_words(self, endpoint, heard):
        endpoint.power({})
        assert heard == []
        endpoint.power({}, **self.message(room='1'))
        assert len(heard) == 1


class Line:
    """Stands for a requested line: there is no such hardware here."""

    def __init__(self, *script):
        self.script = list(script)
        self.value = line.Value.ACTIVE

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        pass

    def get_value(self, offset):
        assert offset == 3
        return self.value

    def wait_edge_events(self, timeout):
        assert timeout.total_seconds() > 0
        if not self.script:
            raise Stop()
        return bool(self.script[0]) or self.script.pop(0)

    def read_edge_events(self):
        events = self.script.pop(0)
        for event in events:
            self.value = (line.Value.ACTIVE if event.event_type is RISING
                          else line.Value.INACTIVE)
        return events


RISING = gpiod.EdgeEvent.Type.RISING_EDGE
FALLING = gpiod.EdgeEvent.Type.FALLING_EDGE


def edge(kind, monotonic_ns):
    return gpiod.EdgeEvent(kind, monotonic_ns, 3, 1, 1)


class TestGpio:

    @pytest.fixture
    def levels(self, monkeypatch):
        def run(request, **values):
            requests = []

            def request_lines(chip, config, consumer):
                requests.append((chip, config))
                return request
            monkeypatch.setattr(gpiod, 'request_lines', request_lines)
            source = gpio.GpioSource(make_conf(
                gpio_chip='/dev/gpiochip7', gpio_line=3, **values))
            self.heard = []
            with pytest.raises(Stop):
                source.run(self.heard.append)
            (self.chip, config), = requests
            self.settings, = config.values()
            return [news.level for news in self.heard]
        return run

    def test_edges(self, levels):
        assert levels(Line([edge(FALLING, 5)], [edge(RISING, 7)])) == [
            power.GOOD, power.COMMIT, power.GOOD]
        assert [news.monotonic_ns for news in self.heard[1:]] == [5, 7]

    def test_short_failure_is_told(self, levels):
        assert levels(Line([edge(FALLING, 5), edge(RISING, 6)])) == [
            power.GOOD, power.COMMIT, power.GOOD]

    def test_inactive_from_the_start(self, levels):
        request = Line()
        request.value = line.Value.INACTIVE
        assert levels(request) == [power.COMMIT]

    def test_edge_that_got_lost(self, levels):
        request = Line([], [])
        read = request.wait_edge_events

        def lose(timeout):
            request.value = line.Value.INACTIVE
            return read(timeout)
        request.wait_edge_events = lose
        assert levels(request) == [power.GOOD, power.COMMIT]

    @pytest.mark.parametrize('active_low', [False, True])
    def test_request(self, levels, active_low):
        levels(Line(), gpio_active_low=active_low)
        assert self.chip == '/dev/gpiochip7'
        assert self.settings.active_low is active_low
        assert self.settings.edge_detection is line.Edge.BOTH
        # As PowerEvent counts.
        assert self.settings.event_clock is line.Clock.MONOTONIC

    def test_missing_chip(self):
        source = gpio.GpioSource(make_conf(
            gpio_chip='/dev/gpiochip-none', gpio_line=3))
        with pytest.raises(OSError):
            source.run(None)
