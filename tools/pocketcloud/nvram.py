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

"""Where the servers' memory lies: an emulated NVDIMM, or DRAM with a vault.

Both are a tmpfs. The NVDIMM survives the power cuts that this cloud simulates.
DRAM does not: all that comes back is what was durable on the host's disk.
"""

import subprocess
import time

from pocketcloud import client
from pocketcloud import config
from pocketcloud import disk
from pocketcloud import layout

EMULATED = 'emulated'
VAULTED = 'vaulted'
KINDS = (EMULATED, VAULTED)


def kind(host=layout.FIRST):
    """Which of KINDS a host has; the second one's is always emulated."""
    return (VAULTED if host == layout.FIRST and layout.VAULTED.exists()
            else EMULATED)


def check(wanted):
    """Raise ValueError unless this is one of KINDS."""
    if wanted not in KINDS:
        raise ValueError('NVRAM is "%s"; it can be: %s' % (
            wanted, ', '.join(KINDS)))


def choose(wanted):
    """Say which kind the first host has, before its pool is made."""
    check(wanted)
    if wanted == VAULTED:
        layout.VAULTED.touch()
    else:
        layout.VAULTED.unlink(missing_ok=True)


def mount(host=layout.FIRST):
    """Mount the tmpfs that the pool lies on."""
    if disk.is_mounted(host.nvram):
        return 'mounted already'
    host.nvram.mkdir(exist_ok=True)
    subprocess.run(['mount', '-t', 'tmpfs', '-o',
                    'size=%s,mode=0755' % host.nvram_size,
                    'temporality-nvram', host.nvram], check=True)
    return 'mounted a tmpfs of %s %s' % (host.nvram_size, {
        EMULATED: 'that emulates an NVDIMM',
        VAULTED: 'that a power cut empties'}[kind(host)])


def cut(host=layout.FIRST):
    """What a power cut does to it; return that in words."""
    if kind(host) == EMULATED:
        return 'NVRAM kept'
    disk.unmount(host.nvram)
    return 'DRAM gone'


def create_pool(host=layout.FIRST):
    """Format a pool, once; make one of DRAM again from its vault."""
    if host.pool.exists():
        return 'is there'
    if (host.vault / 'vault').exists():
        return _restore(host)
    more = (['--vault', host.vault] if kind(host) == VAULTED else [])
    _temporality(host, 'pool', 'create', '--size', '2G', '--state-size',
                 '16M', '--descriptors', '32', '--uid-base',
                 str(host.uid_base), *more, host.pool)
    return 'formatted'


def measure_vault(host=layout.FIRST):
    """Measure the vault's disk, once; without that no server is taken."""
    if kind(host) == EMULATED:
        return 'there is none'
    if (host.vault / 'bandwidth').exists():
        return 'done before'
    _temporality(host, 'vault', 'measure')
    return 'done'


def _restore(host):
    """What temporality-vault.service does, before all others start."""
    began = time.monotonic()
    rows = client.temporality('vault', 'restore', which=host)
    seconds = time.monotonic() - began
    size = sum(row['Bytes'] for row in rows)
    results = [row['Result'] for row in rows]
    return 'made again from the vault in %.1f s: %s; %.1f MiB read' % (
        seconds, ', '.join('%d %s' % (results.count(result), result)
                           for result in sorted(set(results))) or
        'no servers', size / (1 << 20))


def _temporality(host, *args):
    subprocess.run(
        [layout.BIN / 'temporality', '--config-file',
         config.host_files(host)['temporality.conf'], *args],
        check=True, stdout=subprocess.DEVNULL)
