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

"""Daemons with pid records.

A record holds the pid and the start time of the process, so that a recycled
pid is never taken for ours, a fingerprint of what it was started with, and
where in the log its lines begin.
"""

import os
import pathlib
import signal
import subprocess
import time
import typing

from pocketcloud import layout


def start_time(pid):
    """The kernel's start time of a living process, None for any other."""
    try:
        stat = pathlib.Path('/proc/%d/stat' % pid).read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(')')[2].split()
    return None if fields[0] in 'ZX' else int(fields[19])


class Running(typing.NamedTuple):
    """What the record of a living daemon says."""

    pid: int
    start_time: int
    fingerprint: str
    log_offset: int


class Record:
    """The pid record of one daemon."""

    def __init__(self, name):
        self.path = layout.PIDS / name

    def read(self):
        """Return what is recorded of a living daemon, or None."""
        try:
            pid, started, fingerprint, offset = self.path.read_text().split()
        except (FileNotFoundError, ValueError):
            return None
        running = Running(int(pid), int(started), fingerprint, int(offset))
        alive = start_time(running.pid) == running.start_time
        return running if alive else None

    def write(self, pid, fingerprint, log_offset):
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text('%d %d %s %d\n' % (
            pid, start_time(pid) or 0, fingerprint, log_offset))

    def remove(self):
        self.path.unlink(missing_ok=True)


def spawn(name, command, log, env, fingerprint):
    """Start a daemon in a session of its own, with a record."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open('ab') as output:
        offset = output.tell()
        process = subprocess.Popen(
            [str(word) for word in command], stdin=subprocess.DEVNULL,
            stdout=output, stderr=output, env=env, cwd='/',
            start_new_session=True)
    Record(name).write(process.pid, fingerprint, offset)
    # The daemon outlives this process; its end is seen by its record.
    process.returncode = 0


def wait_gone(pids, timeout):
    """Wait until none of the processes lives; return those that do."""
    deadline = time.monotonic() + timeout
    pids = {pid: start_time(pid) for pid in pids}
    while True:
        pids = {pid: started for pid, started in pids.items()
                if started is not None and start_time(pid) == started}
        if not pids or time.monotonic() > deadline:
            return set(pids)
        time.sleep(0.05)


def kill(pid, number=signal.SIGKILL):
    """Signal one process, which may be gone already."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def stop(pid, timeout):
    """End a daemon and its process group: SIGTERM first, then SIGKILL."""
    group = members(pid)
    for number, patience in (signal.SIGTERM, timeout), (signal.SIGKILL, 10):
        for member in group:
            kill(member, number)
        group = wait_gone(group, patience)
        if not group:
            return


def all_pids():
    """The pids of all processes."""
    return [int(path.name) for path in pathlib.Path('/proc').iterdir()
            if path.name.isdigit()]


def members(group):
    """The pids of the processes of a process group."""
    found = []
    for pid in all_pids():
        try:
            if os.getpgid(pid) == group:
                found.append(pid)
        except ProcessLookupError:
            continue
    return found


def ours(**variables):
    """The pids of processes which carry our environment.

    Daemons that set their process title have overwritten it; those are
    found by their records.

    :param variables: further variables which their environment must have
    """
    wanted = {('%s=%s' % item).encode() for item in
              dict(variables, TEMPORALITY_STATE=layout.STATE).items()}
    found = []
    for pid in all_pids():
        try:
            content = pathlib.Path('/proc/%d/environ' % pid).read_bytes()
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue  # gone, or hidden even from root, so not ours
        if wanted.issubset(content.split(b'\0')) and pid != os.getpid():
            found.append(pid)
    return found
