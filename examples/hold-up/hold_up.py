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

"""hold_up.py wait FILE [/dev/pod], then hold_up.py show FILE

Measures how long power lasts after the detector has noticed that it fails.

"wait" waits for real-time signal 44, or for an event of the POD driver, whose
device is named. Then it writes to FILE how long ago that was, again and again,
and durably, until power is gone. FILE has to lie on NVRAM with DAX: a disk
answers far too seldom. "show" tells the last time that was written.
"""

import os
import signal
import struct
import sys
import time

# struct pod_event and POD_COMMIT of pod/pod.h
EVENT = struct.Struct('<QqqIIII')
COMMIT = 3

# What the file holds: nanoseconds.
ELAPSED = struct.Struct('<q')


def wait_for_signal() -> int:
    """Wait for signal 44; return when it came (time.monotonic_ns())."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {44})
    print('waiting for signal 44, as process', os.getpid(), flush=True)
    signal.sigwait({44})
    return time.monotonic_ns()


def wait_for_device(path: str) -> int:
    """Wait until the driver says that power fails; return since when."""
    with open(path, 'rb', buffering=0) as device:
        print('waiting for', path, flush=True)
        while True:
            event = device.read(EVENT.size)
            _, monotonic_ns, _, level, _, _, _ = EVENT.unpack(event)
            if level == COMMIT:
                return int(monotonic_ns)


def measure(path: str, device: str | None) -> None:
    """Write to the file how long power lasts, until it is gone."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_DSYNC, 0o600)
    os.pwrite(file, ELAPSED.pack(0), 0)
    since = wait_for_device(device) if device else wait_for_signal()
    while True:
        os.pwrite(file, ELAPSED.pack(time.monotonic_ns() - since), 0)


def show(path: str) -> None:
    """Print what was written last."""
    with open(path, 'rb') as file:
        elapsed_ns, = ELAPSED.unpack(file.read())
    if elapsed_ns:
        print('power lasted for %.1f ms' % (elapsed_ns / 1e6))
    else:
        print('nobody told that power fails')


if __name__ == '__main__':
    if sys.argv[1:2] == ['wait'] and len(sys.argv) in (3, 4):
        measure(sys.argv[2], (sys.argv[3:] or [None])[0])
    elif sys.argv[1:2] == ['show'] and len(sys.argv) == 3:
        show(sys.argv[2])
    else:
        sys.exit(__doc__)
