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

"""Making a snapshot, from nothing until it is complete."""

from collections import abc
import contextlib

from nova_temporality.host import durable
from nova_temporality.snapshot import error
from nova_temporality.snapshot import files
from nova_temporality.snapshot import machine
from nova_temporality.snapshot import manifest
from nova_temporality.snapshot import space
from nova_temporality.snapshot import store


def make(snapshot: store.Snapshot, read_domain: abc.Callable[[], str],
         copy: abc.Callable[[str, dict[str, str], int], manifest.Copied],
         memory_size: int, disk_size: int) -> None:
    """Make a snapshot; if that fails, there is none.

    What is too large is refused before the server stands still.

    :param snapshot: that is not there yet
    :param read_domain: function that returns the recorded XML
    :param copy: function that does what saving.save() does, of a directory,
                 a dict of disks and a limit, while the server stands still
    :param memory_size: bytes that its memory takes at most
    :param disk_size: see space.limit()
    :raises SnapshotError: it cannot be made
    """
    xml = read_domain()
    examined = machine.examine(xml)
    at_most = space.limit(disk_size, examined.disks)
    space.check_sizes(examined.disks + examined.read_only, at_most)
    disks = {'disk-%d' % number: path
             for number, path in enumerate(examined.disks)}
    snapshot.make()
    with snapshot:
        try:
            space.check_room(snapshot.directory, memory_size + sum(
                files.room_needed(path, snapshot.directory)
                for path in examined.disks))
            copied = copy(snapshot.directory, disks, at_most)
            if read_domain() != xml:
                raise error.SnapshotError(
                    'the machine was changed meanwhile (an interface or a '
                    'volume attached or detached); try again')
            # From here on the server runs again.
            durable.write(snapshot.path(store.DOMAIN), xml.encode())
            copied['files'][store.DOMAIN] = {}
            snapshot.complete({
                **copied, 'genid': examined.genid, 'vcpus': examined.vcpus,
                'macs': examined.macs, 'disks': disks,
                'read_only': {path: files.digest(path, at_most)
                              for path in examined.read_only}})
        except Exception:
            # If somebody still writes to it, it stays, as an incomplete one.
            with contextlib.suppress(OSError):
                snapshot.delete()
            raise
