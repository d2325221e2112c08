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

"""Signals: the papers' real-time signal 44, and SIGPWR."""

import signal
import time

from nova_temporality.notifier import power
from nova_temporality.notifier import sources

# The papers' POD signal. It is SIGRTMIN+10 as glibc and Python count.
POD_SIGNAL = 44


def block() -> None:
    """Keep the signals pending until a source takes them.

    To be called before any thread is started: a signal that is not blocked
    ends the process.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {POD_SIGNAL, signal.SIGPWR})


class SignalSource(sources.Source):
    """Real-time signal 44, as the papers' POD driver sends it."""

    momentary = True
    number: int = POD_SIGNAL

    def run(self, report: sources.Report) -> None:
        """Report every signal; block() was called before."""
        while True:
            wall_ns, monotonic_ns, pid = self._wait()
            report(power.News(power.COMMIT, 'signal %d from process %d'
                              % (self.number, pid), wall_ns, monotonic_ns))

    def _wait(self) -> tuple[int, int, int]:
        if self.trigger is not None:
            return self.trigger(self.number)
        info = signal.sigwaitinfo({self.number})
        return time.time_ns(), time.monotonic_ns(), info.si_pid


class SigpwrSource(SignalSource):
    """SIGPWR, as UPS daemons and service managers send it."""

    number = signal.SIGPWR
