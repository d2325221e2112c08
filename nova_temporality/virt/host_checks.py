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

"""Checks of the host itself: its NVDIMMs, user ids, paging."""

import os
import pathlib
import pwd
import stat

from oslo_upgradecheck import upgradecheck
from oslo_utils import units

from nova_temporality import conf
from nova_temporality.host import large_pages
from nova_temporality.host import nvdimms
from nova_temporality.host import reading
from nova_temporality.virt import check_results as results

CONF = conf.CONF

_LARGE = large_pages.LARGE_KB * units.Ki
_SECTOR = 512


class HostChecks(results.Places):
    """Those that need no service to run."""

    def check_nvdimms(self) -> upgradecheck.Result:
        """The NVDIMMs below the pool keep what is in them."""
        try:
            found = nvdimms.below(CONF.temporality.pool_path, self.sysfs)
        except OSError as exc:
            return results.warning(
                'Nobody can tell how the NVDIMMs of %s are: %s' %
                (CONF.temporality.pool_path, exc.strerror))
        if not found:
            return results.success('the pool lies on no NVDIMM')
        unarmed = [one.name for one in found if not one.is_armed]
        if unarmed:
            return results.failure(
                '%s would not keep what is in it when power fails (not_armed)'
                '; look at "ndctl list --dimms --health", and replace it or '
                'its source of energy' % ', '.join(unarmed))
        troubles = nvdimms.lost(found) + [
            '%s: %s' % (one.name, event) for one in found
            for event in one.events]
        if troubles:
            return results.warning(
                '%s; look at "ndctl list --dimms --health"' %
                '; '.join(troubles))
        return results.success(', '.join(one.name for one in found))

    def check_alignment(self) -> upgradecheck.Result:
        """The pool's device begins where pages of 2 MiB can."""
        try:
            namespace = self._attribute('align')
            start = self._attribute('start')
        except OSError as exc:
            return results.warning(
                'Nobody can tell how the device of %s is aligned: %s' %
                (CONF.temporality.pool_path, exc.strerror))
        if namespace is not None and namespace % _LARGE:
            return results.warning(
                'The NVDIMM namespace is aligned to %d bytes, so memory is '
                'mapped in pages of 4 KiB, which is slower; make it anew with '
                '"ndctl create-namespace --align 2M", before there are '
                'servers' % namespace)
        if start is not None and start * _SECTOR % _LARGE:
            return results.warning(
                'The partition of the pool begins at byte %d, which is no '
                'multiple of 2 MiB, so memory is mapped in pages of 4 KiB, '
                'which is slower; put the file system on the whole device, or '
                'align the partition' % (start * _SECTOR))
        return results.success()

    def _attribute(self, name: str) -> int | None:
        """A number of the pool's device; None if it has none."""
        directory = nvdimms.directory(
            CONF.temporality.pool_path, name, self.sysfs)
        text = directory and reading.attribute(directory / name)
        # That of a region is hexadecimal, with 0x.
        return int(text, 0) if text else None

    def check_uids(self) -> upgradecheck.Result:
        """The user ids of servers belong to nobody else."""
        info = results.pool_info()
        if info is None:
            return results.warning(results.NO_POOL)
        if not info.uid_base:
            return results.warning(
                "All memory belongs to the pool's owner (uid_base is 0), so "
                'each QEMU could open that of the others; make the pool anew, '
                'with "temporality pool create --uid-base"')
        last = info.uid_base + info.descriptors - 1
        for uid in range(info.uid_base, last + 1):
            try:
                name = pwd.getpwuid(uid).pw_name
            except KeyError:
                continue
            return results.failure(
                "User id %d belongs to user '%s', who could open a server's "
                'memory; give that user another one, or make the pool anew '
                'with "temporality pool create --uid-base"' % (uid, name))
        return results.success('%d to %d' % (info.uid_base, last))

    def check_mappings(self) -> upgradecheck.Result:
        """A paged server may have as many mappings as it needs."""
        if not _has_paging():
            return _no_paging()
        info = results.pool_info()
        if info is None:
            return results.warning(results.NO_POOL)
        limit = self.sysctl('vm.max_map_count') or 0
        page_kb = (CONF.temporality.vpm_page_size_kb or
                   large_pages.LARGE_KB)
        # Two for each page, and only half of the limit is for them; see
        # native/media/shape.c.
        most = limit // 4 * page_kb * units.Ki
        if most >= info.total_size:
            return results.success('vm.max_map_count = %d' % limit)
        return results.warning(
            'With vm.max_map_count = %d and pages of %d KiB a paged server '
            'can have at most %d MiB of NVRAM, and the pool has %d; set the '
            'sysctl to %d, or a larger [temporality] vpm_page_size_kb' % (
                limit, page_kb, most // units.Mi, info.total_size // units.Mi,
                4 * (info.total_size // (page_kb * units.Ki) + 1)))

    def check_userfaultfd(self) -> upgradecheck.Result:
        """The QEMU of a paged server may use userfaultfd."""
        if not _has_paging():
            return _no_paging()
        if self.sysctl('vm.unprivileged_userfaultfd') == 1:
            return results.success('vm.unprivileged_userfaultfd = 1')
        device = pathlib.Path(self.devices, 'userfaultfd')
        group = CONF.temporality.qemu_group
        try:
            found = device.stat()
            name = device.group()
        except OSError as exc:
            return results.warning(
                '%s: %s. Paged servers do not start; it needs Linux 6.1 or '
                'later' % (device, exc.strerror))
        except KeyError:
            name = str(found.st_gid)
        needed = stat.S_IRGRP | stat.S_IWGRP
        if found.st_mode & needed == needed and name == group:
            return results.success('%s, group %s' % (device, group))
        others = stat.S_IROTH | stat.S_IWOTH
        if found.st_mode & others == others:
            return results.success('%s, for everybody' % device)
        return results.warning(
            '%s has group %s and mode %04o. Paged servers do not start: their '
            'QEMUs have group %s; chgrp %s %s, chmod 0660 %s, and install our '
            'udev rule so that it stays so' % (
                device, name, stat.S_IMODE(found.st_mode), group, group,
                device, device))


def _has_paging() -> bool:
    """Whether paged servers can be created: the swap files' place is there."""
    return os.path.isdir(CONF.temporality.swap_dir)


def _no_paging() -> upgradecheck.Result:
    return results.success(
        'no paged servers: there is no [temporality] swap_dir (%s)' %
        CONF.temporality.swap_dir)
