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

"""What the host's hardware saves by itself when power fails.

A guest's latest stores are in the CPU caches when its vCPUs stop. Platforms
whose persistence domain is "cpu_cache" (eADR, CXL GPF) save them, those with
"memory_controller" (ADR) do not; see the kernel's
Documentation/ABI/testing/sysfs-bus-nfit and ndctl-list(1).
"""

import os
import pathlib

_SAVED = 'cpu_cache'


def problem(pool_path, medium, sysfs='/sys'):
    """Why memory in a pool would not be complete after a power failure.

    :param pool_path: directory of the pool
    :param medium: of the pool, see vpm.PoolInfo; all but "dax" only emulate
                   NVRAM, so there is no hardware to ask
    :param sysfs: where sysfs is mounted
    :returns: None, or the problem in words
    """
    if medium != 'dax':
        return None
    device = os.stat(pool_path).st_dev
    path = pathlib.Path(sysfs, 'dev/block', '%d:%d' % (
        os.major(device), os.minor(device))).resolve()
    for directory in (path, *path.parents):
        try:
            domain = (directory / 'persistence_domain').read_text().strip()
        except OSError:
            continue
        if domain == _SAVED:
            return None
        return ("the persistence domain of the pool's device is '%s': when "
                'power fails, what is in the CPU caches is lost' % domain)
    return ("the persistence domain of the pool's device is unknown: there "
            'may be nothing that saves the CPU caches when power fails')
