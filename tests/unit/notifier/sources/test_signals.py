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

"""Signals are reported."""

import os
import signal
import subprocess
import sys

import pytest

from nova_temporality.notifier.sources import signals

pytestmark = pytest.mark.native_threads


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

    def test_number(self):
        assert signals.POD_SIGNAL == signal.SIGRTMIN + 10
