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

"""The right to let a pVM's vCPUs run.

A state is resumed at most once, and never while it is being written. So
whoever starts vCPUs holds this lock from before the epoch is advanced until
"cont" has returned::

    with RunLock(region, timeout=5):
        pool.begin_epoch(region.id)
        guest.resume()

The notifier's engine holds it from before it stops a pVM until the outage is
called off. Without the lock a late "cont" could reach a pVM whose state has
just been proven, and leave a proven state beside newer RAM.

It is a flock(2) of the region's state file; libvpm itself locks the region's
directory. When its owner is killed the kernel releases it.
"""

import fcntl
import os
import time
from typing import Self

from nova_temporality.vpm import pool as pool_module

_POLL_SECONDS = 0.001


class RunLockTimeout(Exception):
    """Somebody else holds the lock: nova-compute or the notifier."""


class RunLock:
    """The lock of one region.

    :param region: it is about
    :param timeout: seconds that entering the context may wait
    """

    def __init__(self, region: pool_module.RegionInfo,
                 timeout: float = 0.0) -> None:
        self._region = region
        self._timeout = timeout
        self._fd: int | None = None
        self._held = False

    def __enter__(self) -> Self:
        self.acquire(self._timeout)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def fileno(self) -> int:
        """File descriptor for flock(2), for the engine to lock it as well.

        :raises: OSError when the region is gone
        """
        if self._fd is None:
            self._fd = os.open(os.path.join(os.path.dirname(
                self._region.ram_path), 'state'), os.O_RDONLY)
        return self._fd

    def adopt(self, fd: int) -> None:
        """Go on with the lock of an earlier process.

        :param fd: of its file; ours from now on
        """
        self.close()
        self._fd = fd

    def acquire(self, timeout: float) -> None:
        """Take the lock; harmless when this object holds it already.

        :param timeout: seconds to wait for it
        :raises: RunLockTimeout; OSError when the region is gone
        """
        if self._held:
            return
        deadline = time.monotonic() + timeout
        while True:
            try:
                fcntl.flock(self.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise RunLockTimeout(
                        'the vCPUs of %s may not be started or stopped now: '
                        'it is fixated ("temporality resume" calls that off) '
                        'or just being started' % self._region.name)
            time.sleep(_POLL_SECONDS)
        self._held = True

    def release(self) -> None:
        """Give the lock back; harmless when it is not held."""
        if self._fd is not None:
            # The engine may have taken it through the same file.
            fcntl.flock(self._fd, fcntl.LOCK_UN)
            self._held = False

    def close(self) -> None:
        """Give the lock and its file back."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
            self._held = False
