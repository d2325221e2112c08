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

"""The record of a server's machine on disk, and what can happen to it.

Recovery reads it after it has found out that the server is its host's, and
before it starts a QEMU.
"""

import contextlib
import errno
import os

from pocketcloud import layout

from tests.cloud import helpers


class Record:
    """The record of one server's machine.

    :param shared: whether servers' disks are on storage that both hosts see
    """

    def __init__(self, uuid, shared=False):
        instances = (layout.SHARED / 'instances' if shared else
                     layout.HOST_DISK / 'nova/instances')
        self._path = instances / uuid / 'temporality-domain.xml'
        self._aside = self._path.with_name('aside.xml')
        self._content = None
        self._writer = None

    def take_away(self):
        """Have it missing."""
        self._path.rename(self._aside)

    def put_back(self):
        """Undo that."""
        self._aside.rename(self._path)

    def hold(self):
        """Have whoever reads it wait, as for slow storage."""
        self.take_away()
        self._content = self._aside.read_bytes()
        os.mkfifo(self._path)

    def is_being_read(self):
        """Whether somebody waits for it; at most one reader is held."""
        if self._writer is None:
            try:
                self._writer = os.open(self._path,
                                       os.O_WRONLY | os.O_NONBLOCK)
            except OSError as exc:
                if exc.errno != errno.ENXIO:
                    raise
        return self._writer is not None

    def release(self):
        """Let it be read; harmless if it is not held."""
        if self._content is None:
            return
        if self._path.is_fifo():
            self.is_being_read()
            self.put_back()
        # Else the server has a new one by now.
        if self._writer is not None:
            os.write(self._writer, self._content)
            os.close(self._writer)
        self._content = None


@contextlib.contextmanager
def held(*records):
    """Records that are not read until they are released, or until the end."""
    for record in records:
        record.hold()
    try:
        yield
    finally:
        for record in records:
            record.release()


def wait_read(*records):
    """Wait until all of them are being read."""
    helpers.wait(lambda: all([record.is_being_read() for record in records]))
