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

"""Why disks of VPM servers must not be opened with O_DIRECT.

The kernel pins the pages of a request with O_DIRECT: data goes to, or comes
from, the frames that they were in when it began. Nothing tells the pager. A
page that is evicted meanwhile misses what was read, and whoever got its frame
finds it instead.
"""

import contextlib
import time

import pytest

from nova_temporality.qemu import qmp

# Enough for it to happen: 2 to 14 s in experiments.
PAGES_OUT_MOST = 3000000


def boot(host, directory, disk):
    """A guest whose pages are in NVRAM for some milliseconds only."""
    image = directory / 'disk.img'
    # Not sparse: holes are read without the disk.
    image.write_bytes(bytes(16 << 20))
    guest = host.vpm_guest('tcg', percent=5, policy='fifo', cpus=4)
    guest.disk = {'driver': 'file', 'filename': str(image), **disk}
    guest.disk_device += ',write-cache=off'
    guest.boot()
    return guest


@pytest.mark.parametrize('aio', ['threads', 'native'])
def test_direct_io_corrupts(host, tmp_path, aio):
    """And nothing happens without, in as many accesses."""
    guest = boot(host, tmp_path, {'aio': aio, 'cache': {'direct': True}})
    report = guest.report()
    while not report.wrong and not guest.stats().fatal:
        assert guest.stats().swap_outs < PAGES_OUT_MOST, (
            'cache=none did no harm: is %s on a disk?' % tmp_path)
        time.sleep(0.1)
        with contextlib.suppress(qmp.QmpConnectionError):
            report = guest.report()
    stats = guest.stats()
    # The pager notices only what comes while it writes the page to swap, and
    # when that is read again; then it has ended QEMU.
    assert stats.error is None or (
        stats.fatal and 'torn or foreign' in stats.error)
    guest.kill()

    guest = boot(host, tmp_path, {'cache': {'direct': False}})
    guest.run_until(lambda now, now_stats:
                    now_stats.swap_outs >= stats.swap_outs and
                    now.disk_reads >= report.disk_reads)
