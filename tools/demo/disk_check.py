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

"""The forced check of a copy of a server's disk."""

import os
import pathlib
import re
import subprocess
import tempfile

from pocketcloud import layout

# e2fsck(8): 0 is clean, 1 is returned when the journal was replayed
_AFTER_REPLAY = (0, 1)


def disk_of(uuid):
    """The path of a server's disk on its host."""
    return layout.HOST_DISK / 'nova' / 'instances' / uuid / 'disk'


def copy_and_check(disk):
    """Check a copy of a disk whose server stands still.

    The copy is that of a mounted file system, so its journal is replayed
    first; then nothing at all may be left to be mended.

    :returns: the last number of the witness's log that is on the disk
    :raises RuntimeError: with the words of e2fsck
    """
    with tempfile.TemporaryDirectory(dir=layout.STATE) as directory:
        copy = os.path.join(directory, 'disk.raw')
        _run('qemu-img', 'convert', '-U', '-O', 'raw', disk, copy)
        _run('e2fsck', '-y', '-E', 'journal_only', copy,
             good=_AFTER_REPLAY)
        _run('e2fsck', '-f', '-n', copy)
        log = _run('debugfs', '-R', 'cat /data/fsync.log', copy)
    return _last_number(log)


def _last_number(log):
    numbers = [int(line) for line in re.findall(r'^\d+$', log, re.M)]
    if numbers != list(range(numbers[0], numbers[0] + len(numbers))):
        raise RuntimeError('the log on the disk has gaps')
    return numbers[-1]


def _run(*command, good=(0,)):
    done = subprocess.run(command, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE)
    if done.returncode not in good:
        raise RuntimeError('%s exits with %d: %s%s' % (
            pathlib.Path(command[0]).name, done.returncode, done.stdout,
            done.stderr))
    return done.stdout
