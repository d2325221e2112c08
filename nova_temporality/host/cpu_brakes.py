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

"""Slowing the vCPUs of a QEMU, by the groups that libvirt has made for them.

libvirt gives each vCPU a control group of its own, called vcpu0 and so on. Its
share of a processor is what Linux lets it have in each period. QEMU's other
threads stay as fast as they are, and so does its monitor.

The share outlives whoever sets it. So what there was is noted before, and the
length of the period, which nobody else chooses, says whose setting it is.
"""

from __future__ import annotations

from collections import abc
import contextlib
import errno
import json
import os
import re
from typing import NamedTuple

from oslo_log import log as logging

from nova_temporality.host import durable

LOG = logging.getLogger(__name__)

# No server is slower than that, whatever it does.
SLOWEST = 0.1

# Microseconds; not a round number, to be known again. A vCPU that stands still
# holds a fixation up for less than that.
PERIOD = 10007
# The smallest quota that Linux takes.
_LEAST = 1000
# No quota, as it is by default.
_NONE = -1
_USUAL_PERIOD = 100000

_ROOT = '/sys/fs/cgroup'
_VCPU = re.compile(r'vcpu\d+')


class Unavailable(Exception):
    """A QEMU cannot be slowed; str() says why."""


class Quota(NamedTuple):
    """What Linux lets a group have: microseconds of each period.

    :ivar quota: -1 for as much as there is
    """

    quota: int
    period: int

    def slowed(self, speed: float) -> Quota:
        """The share that goes with a speed, of what there is.

        It is less than one processor, as a vCPU is one thread.
        """
        share = 1.0 if self.quota == _NONE else min(
            1.0, self.quota / self.period)
        return Quota(max(_LEAST, round(share * speed * PERIOD)), PERIOD)


class _Group:
    """A control group, of either version.

    :param directory: of it
    """

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self._is_v2 = os.path.exists(os.path.join(directory, 'cpu.max'))

    def is_writable(self) -> bool:
        return os.access(os.path.join(
            self.directory, 'cpu.max' if self._is_v2 else
            'cpu.cfs_quota_us'), os.W_OK)

    def read(self) -> Quota:
        if self._is_v2:
            quota, period = self._read('cpu.max').split()
            return Quota(_NONE if quota == 'max' else int(quota), int(period))
        return Quota(int(self._read('cpu.cfs_quota_us')),
                     int(self._read('cpu.cfs_period_us')))

    def write(self, new: Quota) -> None:
        if self._is_v2:
            self._write('cpu.max', '%s %d' % (
                'max' if new.quota == _NONE else new.quota, new.period))
            return
        # Both at once cannot be had, nor a share above that of the parent.
        self._write('cpu.cfs_quota_us', str(_NONE))
        self._write('cpu.cfs_period_us', str(new.period))
        self._write('cpu.cfs_quota_us', str(new.quota))

    def _read(self, name: str) -> str:
        with open(os.path.join(self.directory, name),
                  encoding='ascii') as stream:
            return stream.read()

    def _write(self, name: str, value: str) -> None:
        with open(os.path.join(self.directory, name), 'w',
                  encoding='ascii') as stream:
            stream.write(value)


class Brakes:
    """Slows QEMUs, and undoes that.

    :param path: of the note of what there was; one that is there is of an
                 earlier process, whose QEMUs are released at once
    """

    def __init__(self, path: str) -> None:
        self._path = path
        # By directories of groups, what there was.
        self._before: dict[str, Quota] = _read_note(path)
        self.release()

    def set(self, pid: int, speed: float) -> None:
        """Let a QEMU have a part of its speed.

        :param pid: of the process
        :param speed: 1 for all of it; it gets a tenth at least
        :raises Unavailable: that is not possible
        """
        groups = _groups(pid)
        if speed >= 1:
            self._release({group.directory for group in groups})
            return
        try:
            new = {group.directory: self._original(group)
                   for group in groups
                   if group.directory not in self._before}
            if new:
                self._before.update(new)
                self._write_note()
            for group in groups:
                before = self._before[group.directory]
                wanted = before.slowed(max(speed, SLOWEST))
                # A slow one stays as it is.
                if before.quota == _NONE or (
                        wanted.quota / wanted.period <
                        before.quota / before.period):
                    group.write(wanted)
        except OSError as e:
            raise Unavailable('its vCPUs cannot be slowed: %s' % e)

    def release(self) -> None:
        """Let all have their speed."""
        self._release(set(self._before))

    @staticmethod
    def _original(group: _Group) -> Quota:
        found = group.read()
        # Somebody has removed the note.
        return (Quota(_NONE, _USUAL_PERIOD) if found.period == PERIOD
                else found)

    def _release(self, directories: abc.Collection[str]) -> None:
        released = {directory for directory in directories
                    if directory in self._before and
                    _restore(directory, self._before[directory])}
        if released:
            for directory in released:
                del self._before[directory]
            with contextlib.suppress(OSError):
                self._write_note()

    def _write_note(self) -> None:
        durable.write(self._path, json.dumps(self._before).encode())


@contextlib.contextmanager
def released(path: str) -> abc.Iterator[None]:
    """The context of a process that slows QEMUs; before and after, none is.

    :param path: of the note of what there was
    """
    Brakes(path)
    try:
        yield
    finally:
        Brakes(path)


def check(pid: int) -> None:
    """Make sure that a QEMU can be slowed.

    :param pid: of the process
    :raises Unavailable: it cannot
    """
    for group in _groups(pid):
        if not group.is_writable():
            raise Unavailable('%s cannot be written by the notifier' %
                              group.directory)


def _restore(directory: str, before: Quota) -> bool:
    """Put back what there was; return whether nothing is left to be done."""
    group = _Group(directory)
    try:
        # Somebody else may have set another one since.
        if group.read().period == PERIOD:
            group.write(before)
    except OSError as e:
        if e.errno in (errno.ENOENT, errno.ENODEV):
            return True
        LOG.error('%s stays slowed: %s', directory, e)
        return False
    return True


def _groups(pid: int) -> list[_Group]:
    """The groups of a QEMU's vCPUs."""
    found = set()
    directory = '/proc/%d/task' % pid
    try:
        for thread in os.listdir(directory):
            # It may end at any moment.
            with contextlib.suppress(FileNotFoundError, ProcessLookupError), \
                    open(os.path.join(directory, thread, 'cgroup'),
                         encoding='utf-8') as lines:
                found |= {path for path in map(_vcpu_of, lines) if path}
    except OSError as e:
        raise Unavailable('its threads are not known: %s' % e)
    if not found:
        raise Unavailable('its vCPUs have no control groups of their own, as '
                          'libvirt makes them')
    return [_Group(path) for path in sorted(found)]


def _vcpu_of(line: str) -> str | None:
    """The directory of a group if it is that of a vCPU.

    :param line: of /proc/PID/cgroup
    """
    _number, controllers, path = line.rstrip('\n').split(':', 2)
    if not _VCPU.fullmatch(os.path.basename(path)):
        return None
    if not controllers:
        found = _ROOT + path
        return found if os.path.exists(
            os.path.join(found, 'cpu.max')) else None
    return (os.path.join(_ROOT, 'cpu') + path
            if 'cpu' in controllers.split(',') else None)


def _read_note(path: str) -> dict[str, Quota]:
    with contextlib.suppress(OSError, ValueError, TypeError, AttributeError):
        with open(path, encoding='utf-8') as note:
            return {str(directory): Quota(int(quota), int(period))
                    for directory, (quota, period) in json.load(note).items()}
    return {}
