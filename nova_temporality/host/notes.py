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

"""Notes below run_dir, by which nova-compute tells the notifier of a pVM.

They are as volatile as the pVM's QEMU. None lies in a directory of that QEMU,
which could change it.
"""

import contextlib
import os

from nova_temporality.host import paths
from nova_temporality.spec import priority


def write_priority(run_dir: str, name: str, number: int) -> None:
    """Leave a pVM's priority, as a whole or not at all."""
    path = paths.priority_note(run_dir, name)
    _make_directory(path)
    with open(path + '.new', 'w') as note:
        note.write('%d\n' % number)
    os.rename(path + '.new', path)


def read_priority(run_dir: str, name: str) -> int:
    """A pVM's priority; the default one if nobody left a sensible one."""
    try:
        with open(paths.priority_note(run_dir, name)) as note:
            number = priority.parse(note.read())
    except (OSError, UnicodeDecodeError):
        number = None
    return priority.DEFAULT if number is None else number


def remove_priority(run_dir: str, name: str) -> None:
    """Forget a pVM's priority; harmless when there is none."""
    _remove(paths.priority_note(run_dir, name))


def set_recovering(run_dir: str, name: str, recovering: bool) -> None:
    """Note that a pVM's recovery began, or that it ended."""
    _set(paths.recovering_note(run_dir, name), recovering)


def is_recovering(run_dir: str, name: str) -> bool:
    """Whether a recovery began since the host booted, and did not end."""
    return os.path.exists(paths.recovering_note(run_dir, name))


def set_moving(run_dir: str, name: str, moving: bool) -> None:
    """Note that a pVM comes or goes, live, or that this ended."""
    _set(paths.moving_note(run_dir, name), moving)


def is_moving(run_dir: str, name: str) -> bool:
    """Whether it comes or goes, live."""
    return os.path.exists(paths.moving_note(run_dir, name))


def _set(path: str, there: bool) -> None:
    if not there:
        _remove(path)
        return
    _make_directory(path)
    with open(path, 'w'):
        pass


def _make_directory(path: str) -> None:
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)


def _remove(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
