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

"""Checks of what libvirt makes of QEMU: its group, its confinement."""

import contextlib
import grp
import os
import pathlib
import stat

import libvirt
from lxml import etree
import nova.conf
from oslo_upgradecheck import upgradecheck

from nova_temporality import conf
from nova_temporality.host import reading
from nova_temporality.virt import check_results as results
from nova_temporality.virt import domain
from nova_temporality.virt import versions

CONF = nova.conf.CONF
PCONF = conf.CONF

_PROFILE = 'apparmor.d/abstractions/libvirt-qemu.d/temporality'
_MODULE = 'temporality'


def _connect() -> libvirt.virConnect:
    """Connect to libvirt.

    :raises ValueError: in words
    """
    uri = CONF.libvirt.connection_uri or 'qemu:///system'
    try:
        return libvirt.openReadOnly(uri)
    except libvirt.libvirtError as exc:
        raise ValueError('libvirt does not answer on %s: %s' % (uri, exc))


def _security_models() -> dict[str, str]:
    """The base label that libvirt gives QEMU, by security model.

    :raises ValueError: in words
    """
    connection = _connect()
    try:
        capabilities = etree.fromstring(connection.getCapabilities())
    except libvirt.libvirtError as exc:
        raise ValueError('libvirt does not say its capabilities: %s' % exc)
    finally:
        connection.close()
    return {found.findtext('model'): found.findtext('baselabel') or ''
            for found in capabilities.findall('host/secmodel')}


def _lets(status: os.stat_result, group: int | None, read: bool) -> bool:
    """Whether permissions let the QEMU of a persistent server do something.

    It has a user id of its own, and the group of libvirt's QEMUs; no others.

    :param group: its id; None if there is no such group
    :param read: to read it, otherwise to enter it
    """
    wanted = stat.S_IROTH if read else stat.S_IXOTH
    # Who is in the group has its rights, and not those of others.
    return bool(status.st_mode & (
        wanted << 3 if status.st_gid == group else wanted))


class QemuChecks(results.Places):
    """Those of libvirt, and of the QEMUs that it starts."""

    def check_qemu_group(self) -> upgradecheck.Result:
        """libvirt runs QEMU under the group that servers' QEMUs have."""
        name = PCONF.temporality.qemu_group
        try:
            gid = grp.getgrnam(name).gr_gid
        except KeyError:
            return results.failure(
                "There is no group '%s'; set [temporality] qemu_group to the "
                'group under which libvirt runs QEMU' % name)
        try:
            label = _security_models().get('dac', '')
        except ValueError as exc:
            return results.warning(str(exc))
        # "+64055:+994"
        _uid, _colon, other = label.partition(':+')
        if other and int(other) != gid:
            return results.warning(
                'libvirt runs QEMU under group id %s, and [temporality] '
                "qemu_group (%s) has %d, so QEMUs may not enter libvirt's "
                'directories; set both to the same' % (other, name, gid))
        return results.success('%s, %d' % (name, gid))

    def check_versions(self) -> upgradecheck.Result:
        """libvirt and QEMU are not older than those that were tested."""
        try:
            connection = _connect()
        except ValueError as exc:
            return results.failure(str(exc))
        try:
            found = versions.found(connection)
        except libvirt.libvirtError as exc:
            return results.failure(
                'libvirt does not say its versions: %s' % exc)
        finally:
            connection.close()
        problem = versions.problem(found)
        if problem:
            return results.failure(problem)
        return results.success(', '.join(
            '%s %s' % (name, versions.dotted(version))
            for name, version, _minimum in found))

    def check_confinement(self) -> upgradecheck.Result:
        """AppArmor or SELinux lets QEMU have servers' memory."""
        try:
            models = _security_models()
        except ValueError as exc:
            return results.warning(str(exc))
        if 'apparmor' in models:
            return self._check_apparmor()
        if 'selinux' in models:
            return self._check_selinux()
        return results.success('libvirt confines QEMU by neither AppArmor nor '
                               'SELinux')

    def _check_apparmor(self) -> upgradecheck.Result:
        path = pathlib.Path(self.etc, _PROFILE)
        rules = reading.attribute(path)
        if rules is None:
            return results.failure(
                'libvirt confines QEMU by AppArmor, and %s is not there or '
                'cannot be read, so persistent servers do not start; copy it '
                'from the package' % path)
        missing = [wanted for wanted in (PCONF.temporality.pool_path,
                                         PCONF.temporality.run_dir)
                   if wanted + '/' not in rules]
        if missing:
            return results.failure(
                '%s does not name %s, so persistent servers do not start; '
                'adapt it' % (path, ', '.join(missing)))
        return results.success('AppArmor, %s' % path)

    def _check_selinux(self) -> upgradecheck.Result:
        is_enforced = reading.attribute(
            pathlib.Path(self.sysfs, 'fs/selinux/enforce')) == '1'
        # STORE/active/modules/PRIORITY/NAME
        if any(pathlib.Path(self.modules).glob(
                '*/active/modules/*/' + _MODULE)):
            return results.success('SELinux, module %s' % _MODULE)
        text = ('libvirt confines QEMU by SELinux, and no module "%s" is seen '
                'in %s (only root sees them); semodule -i temporality.cil' %
                (_MODULE, self.modules))
        return results.warning(
            text if is_enforced else text + '. SELinux is permissive now')

    def check_preload(self) -> upgradecheck.Result:
        """The QEMU of paged servers can read what it has to load."""
        path = os.path.realpath(domain.preload_path())
        group = None
        # check_qemu_group() says so if there is none.
        with contextlib.suppress(KeyError):
            group = grp.getgrnam(PCONF.temporality.qemu_group).gr_gid
        try:
            status = os.stat(path)
        except OSError as exc:
            return results.failure(
                '%s cannot be read: %s; set [temporality] preload_path' %
                (path, exc.strerror))
        if not _lets(status, group, read=True):
            return results.failure("QEMU's user cannot read %s; chmod o+r %s" %
                                   (path, path))
        for directory in pathlib.Path(path).parents:
            if not _lets(directory.stat(), group, read=False):
                return results.failure(
                    "QEMU's user cannot enter %s; copy %s to a directory that "
                    'all may enter, and set [temporality] preload_path' %
                    (directory, path))
        return results.success(path)
