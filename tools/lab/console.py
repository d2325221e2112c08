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

"""A shell in the machine, on its serial console."""

import os
import select
import socket
import sys
import termios
import tty

from lab import layout

_LEAVE = b'\x1d'  # Ctrl-]


def attach():
    """Connect this terminal to the console until Ctrl-] is pressed."""
    with socket.socket(socket.AF_UNIX) as console:
        console.connect(str(layout.CONSOLE))
        print('Ctrl-] leaves; press Enter for a prompt', flush=True)
        before = termios.tcgetattr(sys.stdin)
        try:
            tty.setraw(sys.stdin)
            _copy(console)
        finally:
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
            print()


def _copy(console):
    while True:
        ready, _, _ = select.select([console, sys.stdin], [], [])
        if console in ready:
            data = console.recv(65536)
            if not data:
                return
            os.write(sys.stdout.fileno(), data)
        if sys.stdin in ready:
            typed = os.read(sys.stdin.fileno(), 1024)
            if not typed or _LEAVE in typed:
                return
            console.sendall(typed)
