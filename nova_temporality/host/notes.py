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

"""Notes below run_dir, about pVMs.

nova-compute tells the notifier of a pVM by them, and operators tell
nova-compute. They are as volatile as the pVM's QEMU. None lies in a directory
of that QEMU, which could change it.
"""

import contextlib
import os

from nova_temporality.host import paths
from nova_temporality.spec import priority

# Why a pVM must not be fixated: it comes or goes, live; it is given other
# devices, or a copy of these; it was, and the record of that is not written.
MOVES = 'moves'
CHANGES = 'changes'
NOT_ON_RECORD = 'not on record'

# What a note is called until it is complete.
_NEW = '.new'


def write_priority(run_dir: str, name: str, number: int) -> None:
    """Leave a pVM's priority, as a whole or not at all."""
    _write(paths.priority_note(run_dir, name), '%d\n' % number)


def read_priority(run_dir: str, name: str) -> int:
    """A pVM's priority; the default one if nobody left a sensible one."""
    try:
        with open(paths.priority_note(run_dir, name),
                  encoding='utf-8') as note:
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


def set_pending(run_dir: str, name: str, why: str | None) -> None:
    """Note that a pVM is still to be recovered, or that it is not.

    :param why: why it is not recovered yet, in words; '' if it was not tried;
                None if it is recovered
    """
    path = paths.pending_note(run_dir, name)
    if why is None:
        _remove(path)
    else:
        _write(path, why)


def pending(run_dir: str) -> dict[str, str]:
    """The pVMs that are still to be recovered: why, by name."""
    directory = os.path.dirname(paths.pending_note(run_dir, ''))
    found = {}
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir(directory):
            if not name.endswith(_NEW):
                with contextlib.suppress(FileNotFoundError):
                    found[name] = _read(os.path.join(directory, name))
    return found


def set_moving(run_dir: str, name: str, why: str | None) -> None:
    """Note that a pVM must not be fixated, or that this ended.

    :param why: one of MOVES, CHANGES and NOT_ON_RECORD; None to end it
    """
    path = paths.moving_note(run_dir, name)
    if why is None:
        _remove(path)
        return
    _write(path, why)


def why_moving(run_dir: str, name: str) -> str | None:
    """Why a pVM must not be fixated; None if nothing is in the way."""
    try:
        with open(paths.moving_note(run_dir, name),
                  encoding='utf-8') as note:
            why = note.read()
    except FileNotFoundError:
        return None
    return why if why in (CHANGES, NOT_ON_RECORD) else MOVES


def moving(run_dir: str) -> set[str]:
    """Names of the pVMs that must not be fixated."""
    with contextlib.suppress(FileNotFoundError):
        return set(os.listdir(os.path.dirname(
            paths.moving_note(run_dir, ''))))
    return set()


def request_recovery(run_dir: str, name: str, accept_disks: bool) -> None:
    """Ask nova-compute to try now to recover a pVM.

    :param accept_disks: whether its disks are right as they are, whatever
                         they were when it was fixated
    """
    _set(paths.accepted_disks_note(run_dir, name), accept_disks, 0o755)
    _set(os.path.join(paths.recover_requests(run_dir), name), True, 0o755)


def recovery_requests(run_dir: str) -> list[str]:
    """Names of the pVMs that operators want to have recovered now.

    nova-compute may look itself, although it is not root.
    """
    with contextlib.suppress(FileNotFoundError):
        return sorted(os.listdir(paths.recover_requests(run_dir)))
    return []


def remove_recovery_request(run_dir: str, name: str) -> None:
    """Note that such a request is being met; harmless if there is none."""
    _remove(os.path.join(paths.recover_requests(run_dir), name))


def accepts_disks(run_dir: str, name: str) -> bool:
    """Whether an operator said that a pVM's disks are right as they are.

    nova-compute may look itself, although it is not root.
    """
    return os.path.exists(paths.accepted_disks_note(run_dir, name))


def forget_accepted_disks(run_dir: str, name: str) -> None:
    """That was for one recovery; harmless if nobody said so."""
    _remove(paths.accepted_disks_note(run_dir, name))


def _set(path: str, there: bool, directory_mode: int = 0o700) -> None:
    if not there:
        _remove(path)
        return
    _make_directory(path, directory_mode)
    with open(path, 'wb'):
        pass


def _write(path: str, text: str) -> None:
    """Write a note, as a whole or not at all."""
    _make_directory(path)
    with open(path + _NEW, 'w', encoding='utf-8') as note:
        note.write(text)
    os.rename(path + _NEW, path)


def _read(path: str) -> str:
    with open(path, encoding='utf-8', errors='replace') as note:
        return note.read()


def _make_directory(path: str, mode: int = 0o700) -> None:
    directory = os.path.dirname(path)
    if not os.path.isdir(directory):
        os.makedirs(directory, exist_ok=True)
        # Whatever the umask is.
        os.chmod(directory, mode)


def _remove(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
