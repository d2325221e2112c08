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

"""The machine's disk, which loses at a power cut what was not flushed.

Each time that the machine is switched on, what it writes goes to an empty
qcow2 file. QEMU writes the tables of that file, without which the data is not
there, when the machine flushes. SIGKILL takes those that were not written.
"""

import subprocess
import time

from lab import layout

_PATIENCE = 60


def _qemu_img(*arguments):
    subprocess.run(['qemu-img', *map(str, arguments)], check=True, text=True,
                   capture_output=True)


def _create(path, backing, kind):
    _qemu_img('create', '-q', '-f', 'qcow2', '-b', backing, '-F', kind, path)


def make():
    """Make a disk that has what was installed."""
    _create(layout.DISK, layout.IMAGE / 'disk.img', 'raw')


def open_overlay():
    """Have a file for what is written from now on."""
    close_overlay()
    _create(layout.OVERLAY, layout.DISK, 'qcow2')


def close_overlay():
    """Put what is left of it where it belongs, after the end of QEMU.

    Of a QEMU that was killed some threads may end later, and keep it locked.
    """
    deadline = time.monotonic() + _PATIENCE
    while layout.OVERLAY.exists():
        try:
            _qemu_img('commit', '-q', layout.OVERLAY)
            layout.OVERLAY.unlink()
        except subprocess.CalledProcessError as e:
            if time.monotonic() > deadline:
                raise OSError('%s: %s' % (e, e.stderr))
            time.sleep(0.1)
