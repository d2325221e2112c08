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

import contextlib
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


@contextlib.contextmanager
def child(*before):
    """Run a process that prints what it passes on to the engine.

    :param before: lines of code: what it does before signals are passed on
    """
    code = '\n'.join([
        'import os, signal, threading',
        'from nova_temporality.notifier.sources import signals',
        'class Engine:',
        '    def forward_signal(self, number, pid):',
        '        print(int(number), pid, flush=True)',
        'signals.block()',
        'print("ready", flush=True)', *before,
        'signals.forward_to(Engine())',
        'threading.Event().wait()'])
    process = subprocess.Popen(
        [sys.executable, '-c', code], stdout=subprocess.PIPE, text=True,
        env=dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)))
    with process:
        try:
            assert process.stdout.readline() == 'ready\n'
            yield process
        finally:
            process.kill()


def passed_on(process, sender):
    """Return the number of the next signal that the child passes on."""
    number, pid = process.stdout.readline().split()
    assert int(pid) == sender
    return int(number)


def test_signals_in_a_row_are_passed_on_as_one():
    """However long the engine takes for each, none is left for later."""
    with child('for number in [44] * 50 + [signal.SIGPWR] + [44] * 50:',
               '    os.kill(os.getpid(), number)') as process:
        assert {passed_on(process, process.pid) for _ in range(2)} == {
            44, signal.SIGPWR}
        # None of the earlier ones was left.
        for number in 44, signal.SIGPWR:
            process.send_signal(number)
            assert passed_on(process, os.getpid()) == number


@pytest.mark.parametrize('number', engine.SIGNALS)
def test_signal_to_the_notifier_is_passed_on(number):
    with child() as process:
        for _ in range(3):
            process.send_signal(number)
            assert passed_on(process, os.getpid()) == number
