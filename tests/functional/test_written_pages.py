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

"""Whatever changes a guest's memory is seen: vCPUs, disk and network."""

import pathlib

from nova_temporality.host import written_pages
from nova_temporality.vpm import sums
from tests.framework import writes


def digests(guest):
    memory = guest.peek(0, guest.region.size)
    found = sums.digests(memory)
    return [found[at:at + sums.SIZE]
            for at in range(0, len(found), sums.SIZE)]


def chunks(ranges):
    """The chunks of memory that ranges of it lie in."""
    return {chunk for first, last in ranges
            for chunk in range(first // sums.CHUNK,
                               (last - 1) // sums.CHUNK + 1)}


def tell(guest, command):
    with guest.monitor() as monitor:
        monitor.command(command)


def test_no_write_is_missed(host, accel, disk):
    writes.skip_unless_noted()
    guest = host.resident_guest(accel, directory=pathlib.Path(disk))
    guest.is_noted = True
    # Its disk reads into memory that was handed over before.
    guest.cache = {'direct': True}
    guest.boot()
    seen = written_pages.WrittenPages(guest.process.pid, guest.region.ram_path)
    first = guest.report()
    for _ in range(3):
        tell(guest, 'stop')
        seen.take()
        assert seen.take() == []
        before = digests(guest)
        tell(guest, 'cont')
        guest.run_steps(300)
        tell(guest, 'stop')
        changed = {chunk for chunk, one in enumerate(digests(guest))
                   if one != before[chunk]}
        assert changed and changed <= chunks(seen.take())
        tell(guest, 'cont')
    last = guest.checked()
    assert last.disk_reads > first.disk_reads
    assert last.frames_received > first.frames_received
    seen.close()
