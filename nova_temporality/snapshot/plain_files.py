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

"""Opening files that belong to a tenant's user id.

If a tenant has broken out of a QEMU, then that user id can make its files
longer or shorter, and take leases on them. A qcow2 header that its QEMU has
written may name any other file. Nothing of that may hold up root's processes,
the notifier above all, or have them do something else.
"""

import errno
import io
import os
import stat

from nova_temporality.snapshot import error


def open_plain(path: str, flags: int = os.O_RDONLY, uid: int | None = None,
               at_most: int | None = None) -> io.FileIO:
    """Open a plain file, at once and without any other effect.

    :param flags: os.O_RDONLY or os.O_RDWR
    :param uid: whose it has to be; None for anybody's
    :param at_most: bytes that it may have; None for any number
    :raises SnapshotError: it is no such file, or has a lease
    :raises FileNotFoundError: it is not there
    """
    if not stat.S_ISREG(os.lstat(path).st_mode):
        raise error.SnapshotError('%s is no plain file' % path)
    try:
        fd = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK |
                     os.O_CLOEXEC)
    except BlockingIOError:
        raise error.SnapshotError(
            'another process has a lease on %s. End that process: nobody '
            'should have one' % path)
    except OSError as exc:
        if exc.errno != errno.ELOOP:
            raise
        raise error.SnapshotError('%s is a symbolic link by now' % path)
    opened = io.FileIO(fd, 'r' if flags == os.O_RDONLY else 'r+')
    try:
        _check(path, os.fstat(fd), uid, at_most)
    except BaseException:
        opened.close()
        raise
    return opened


def _check(path: str, found: os.stat_result, uid: int | None,
           at_most: int | None) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise error.SnapshotError('%s is no plain file by now' % path)
    if uid not in (None, found.st_uid):
        raise error.SnapshotError(
            '%s belongs to the user id %d, and should to %d'
            % (path, found.st_uid, uid))
    if at_most is not None and found.st_size > at_most:
        raise error.SnapshotError(
            '%s has %d bytes, and should have %d at most. Who made it larger?'
            % (path, found.st_size, at_most))
