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

"""Checks of the storage that servers' disks lie on."""

import os

import nova.conf
from nova.privsep import utils as nova_privsep_utils
from oslo_upgradecheck import upgradecheck

from nova_temporality.host import mounts
from nova_temporality.privsep import owners
from nova_temporality.virt import check_results as results
from nova_temporality.virt import disks
from nova_temporality import vpm

CONF = nova.conf.CONF


class DiskChecks:
    """Those of [DEFAULT] instances_path, and of how disks are cached."""

    def check_direct_io(self) -> upgradecheck.Result:
        """Completed writes of servers bypass the page cache."""
        if nova_privsep_utils.supports_direct_io(CONF.instances_path):
            return results.success()
        return results.warning(
            'The file system of [DEFAULT] instances_path (%s) has no '
            'O_DIRECT, or it cannot be written to. Disks of persistent '
            'servers that lie there are flushed after every write '
            '(cache=writethrough), which is slow' % CONF.instances_path)

    def check_cache_modes(self) -> upgradecheck.Result:
        """The configured cache modes are those that persistent servers have.

        Others are not used for them.
        """
        unsafe = [mode for mode in CONF.libvirt.disk_cachemodes
                  if mode.partition('=')[2] not in disks.SAFE_CACHE_MODES]
        if unsafe:
            return results.warning(
                '[libvirt] disk_cachemodes: %s could lose completed writes. '
                'Persistent servers have none or writethrough instead, which '
                'may be slower; set a mode of %s to have all servers alike' %
                (', '.join(unsafe), ', '.join(disks.SAFE_CACHE_MODES)))
        return results.success(
            ', '.join(CONF.libvirt.disk_cachemodes) or None)

    def check_owners(self) -> upgradecheck.Result:
        """Disks can be given to the servers' own user ids (root_squash)."""
        path = CONF.instances_path
        try:
            mounted = mounts.of_device(os.stat(path).st_dev)
        except OSError as exc:
            return results.warning('[DEFAULT] instances_path (%s): %s' %
                                   (path, exc.strerror))
        if mounted is None or not mounted.kind.startswith('nfs'):
            return results.success('%s is not on NFS' % path)
        info = results.pool_info()
        try:
            problem = owners.problem(
                path, info.uid_base if info else vpm.DEFAULT_UID_BASE)
        except Exception as exc:
            return results.warning(
                'not looked at, because the privileged helper does not work '
                '(%s); see the check "Privileged helper"' % exc)
        if problem:
            return results.failure(
                '[DEFAULT] instances_path (%s) is on NFS, where root cannot '
                "give files to a server's user id (%s); export it with "
                'no_root_squash' % (path, problem))
        return results.success('%s, %s' % (path, mounted.kind))
