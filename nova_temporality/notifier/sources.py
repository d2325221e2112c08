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

"""Where the news that power fails comes from.

A source has run(callback): it blocks for ever, in a thread of its own, and
calls callback(PowerEvent) whenever power fails.
"""

import dataclasses
import signal
import time

# The papers' POD signal. It is SIGRTMIN+10 as glibc and Python count.
POD_SIGNAL = 44


@dataclasses.dataclass(frozen=True)
class PowerEvent:
    """The instant from which a fixation's time is measured.

    :ivar source: in words
    :ivar wall_ns: CLOCK_REALTIME
    :ivar monotonic_ns: CLOCK_MONOTONIC
    """

    source: str
    wall_ns: int
    monotonic_ns: int

    @classmethod
    def now(cls, source):
        return cls(source, time.time_ns(), time.monotonic_ns())


def block_signal():
    """Keep the POD signal pending until the source takes it.

    To be called before any thread is started: left to itself, the signal
    would end the process.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {POD_SIGNAL})


class SignalSource:
    """Real-time signal 44, as the paper's POD driver sends it."""

    def run(self, callback):
        """Call back for every signal; block_signal() was called before."""
        while True:
            info = signal.sigwaitinfo({POD_SIGNAL})
            callback(PowerEvent.now('signal %d from process %d'
                                    % (POD_SIGNAL, info.si_pid)))
            # What came meanwhile tells of the same outage.
            while signal.sigtimedwait({POD_SIGNAL}, 0) is not None:
                pass
