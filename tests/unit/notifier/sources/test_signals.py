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

"""Signals are reported, and passed on to the engine."""

import os
import signal
import subprocess
import sys

import pytest

from nova_temporality.notifier.sources import signals
from nova_temporality.vpm import engine
from tests.framework import pod_sources

pytestmark = pytest.mark.native_threads


@pytest.mark.parametrize('cls, number', [
    (signals.SignalSource, engine.POD_SIGNAL),
    (signals.SigpwrSource, signal.SIGPWR)])
def test_every_signal_is_reported(cls, number):
    source, reported = cls(None), []

    def trigger(number):
        if len(reported) == 3:
            raise pod_sources.Stop()
        return 1, 2, number
    source.trigger = trigger
    with pytest.raises(pod_sources.Stop):
        source.run(lambda news: reported.append(news))
    assert [(news.level, news.detail, news.wall_ns, news.monotonic_ns)
            for news in reported] == [
        ('commit', 'signal %d from process %d' % (number, number), 1, 2)] * 3


def test_number():
    assert engine.POD_SIGNAL == signal.SIGRTMIN + 10


def test_signals_in_a_row_are_passed_on_as_one():
    """However long the engine takes for each, none is left for later."""
    code = (
        'import os, signal, threading\n'
        'from nova_temporality.notifier.sources import signals\n'
        'class Engine:\n'
        '    def forward_signal(self, number, pid):\n'
        '        print(int(number), flush=True)\n'
        'signals.block()\n'
        'for number in [44] * 50 + [signal.SIGPWR] + [44] * 50:\n'
        '    os.kill(os.getpid(), number)\n'
        'signals.forward_to(Engine())\n'
        'threading.Event().wait()\n')
    process = subprocess.Popen(
        [sys.executable, '-c', code], stdout=subprocess.PIPE, text=True,
        env=dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)))
    with process:
        seen = {process.stdout.readline(), process.stdout.readline()}
        assert seen == {'44\n', '%d\n' % signal.SIGPWR}
        process.send_signal(44)
        assert process.stdout.readline() == '44\n'
        process.send_signal(signal.SIGPWR)
        # None of the earlier ones was left.
        assert process.stdout.readline() == '%d\n' % signal.SIGPWR
        process.kill()


@pytest.mark.parametrize('number', engine.SIGNALS)
def test_signal_to_the_notifier_is_passed_on(number):
    code = (
        'import threading\n'
        'from nova_temporality.notifier.sources import signals\n'
        'class Engine:\n'
        '    def forward_signal(self, number, pid):\n'
        '        print(int(number), pid, flush=True)\n'
        'signals.block()\n'
        'signals.forward_to(Engine())\n'
        'print("ready", flush=True)\n'
        'threading.Event().wait()\n')
    process = subprocess.Popen(
        [sys.executable, '-c', code], stdout=subprocess.PIPE, text=True,
        env=dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)))
    with process:
        assert process.stdout.readline() == 'ready\n'
        for _ in range(3):
            process.send_signal(number)
            assert process.stdout.readline() == '%d %d\n' % (number,
                                                             os.getpid())
        process.kill()
