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

"""Results of ``temporality-status upgrade check``, and what checks share."""

import pathlib

from oslo_upgradecheck import upgradecheck

from nova_temporality import conf
from nova_temporality.host import daemons
from nova_temporality.host import nvdimms
from nova_temporality.host import reading
from nova_temporality import vpm

CONF = conf.CONF


class Places:
    """Where checks look; tests look elsewhere.

    :cvar sysfs: where sysfs is mounted
    :cvar procfs: where procfs is mounted
    :cvar devices: directory of device files
    :cvar etc: directory of the host's configuration
    :cvar modules: directory of the SELinux policy's modules
    """

    sysfs = nvdimms.SYSFS
    procfs = daemons.PROCFS
    devices = '/dev'
    etc = '/etc'
    modules = '/var/lib/selinux'

    def sysctl(self, name: str) -> int | None:
        """A number that sysctl(8) shows; None if the kernel has none."""
        text = reading.attribute(pathlib.Path(
            self.procfs, 'sys', *name.split('.')))
        return int(text) if text else None


def success(details: str | None = None) -> upgradecheck.Result:
    """All is well."""
    return upgradecheck.Result(upgradecheck.Code.SUCCESS, details)


def warning(details: str) -> upgradecheck.Result:
    """It works, but not as well as it could, or nobody can tell."""
    return upgradecheck.Result(upgradecheck.Code.WARNING, details)


def failure(details: str) -> upgradecheck.Result:
    """Persistent servers do not work, or are not protected."""
    return upgradecheck.Result(upgradecheck.Code.FAILURE, details)


def pool_info() -> vpm.PoolInfo | None:
    """What the pool is; None if it cannot be opened, which a check says."""
    try:
        with vpm.Pool(CONF.temporality.pool_path) as pool:
            return pool.info()
    except vpm.VpmError:
        return None


NO_POOL = ('not looked at, because the pool cannot be opened; see the check '
           '"NVRAM pool"')
