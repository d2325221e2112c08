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

"""Signals: the papers' real-time signal 44, and SIGPWR.

The engine takes them, and remembers them for the notifier.
"""

import signal
import threading

from nova_temporality.notifier import power
from nova_temporality.notifier import sources
from nova_temporality.vpm import engine


def block() -> None:
    """Keep the signals pending.

    To be called before any thread is started: a signal that is not blocked
    ends the process.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, engine.SIGNALS)


def forward_to(fixates: engine.Engine) -> None:
    """Pass signals that come to this process on to the engine, from now on.

    Earlier versions took them here. block() was called before. Of signals
    that come faster than the engine answers only the latest is passed on.
    """
    def forward() -> None:
        while True:
            waiting: signal.struct_siginfo | None = signal.sigwaitinfo(
                engine.SIGNALS)
            senders = {}
            while waiting is not None:
                senders[waiting.si_signo] = waiting.si_pid
                waiting = signal.sigtimedwait(engine.SIGNALS, 0)
            for number, pid in senders.items():
                fixates.forward_signal(number, pid)
    threading.Thread(target=forward, daemon=True, name='signals').start()


class SignalSource(sources.Source):
    """Real-time signal 44, as the papers' POD driver sends it."""

    momentary = True
    signal_number: int = engine.POD_SIGNAL

    def run(self, report: sources.Report) -> None:
        """Report every signal."""
        assert self.trigger is not None
        while True:
            wall_ns, monotonic_ns, pid = self.trigger(self.signal_number)
            report(power.News(power.COMMIT, 'signal %d from process %d'
                              % (self.signal_number, pid), wall_ns,
                              monotonic_ns))


class SigpwrSource(SignalSource):
    """SIGPWR, as UPS daemons and service managers send it."""

    signal_number = signal.SIGPWR
