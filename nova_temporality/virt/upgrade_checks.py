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

"""What ``temporality-status upgrade check`` looks at."""

import grp
import os
import pathlib
import stat
import sys

import libvirt
import nova.conf
from nova.privsep import utils as nova_privsep_utils
from oslo_config import cfg
from oslo_upgradecheck import upgradecheck

from nova_temporality import conf
from nova_temporality.host import budget
from nova_temporality.notifier import client
from nova_temporality.privsep import regions
from nova_temporality.virt import domain
from nova_temporality.virt import versions
from nova_temporality import vpm

CONF = nova.conf.CONF
PCONF = conf.CONF

_NOTIFIER_TIMEOUT = 5.0


def _success(details: str | None = None) -> upgradecheck.Result:
    return upgradecheck.Result(upgradecheck.Code.SUCCESS, details)


def _warning(details: str) -> upgradecheck.Result:
    return upgradecheck.Result(upgradecheck.Code.WARNING, details)


def _failure(details: str) -> upgradecheck.Result:
    return upgradecheck.Result(upgradecheck.Code.FAILURE, details)


class Checks(upgradecheck.UpgradeCommands):
    """The checks, each of them independent of the others."""

    display_title = 'Temporality Upgrade Check Results'

    def check_pool(self) -> upgradecheck.Result:
        """The pool can be opened by this version and is NVRAM."""
        path = PCONF.temporality.pool_path
        try:
            with vpm.Pool(path) as pool:
                info = pool.info()
        except vpm.VpmError as exc:
            return _failure('%s; see "temporality pool check"' % exc)
        if info.medium_problem:
            return _failure(info.medium_problem)
        remark = info.remark(path, PCONF.temporality.vault_hold_up)
        if remark:
            return _warning(remark)
        return _success('%s, version %d' % (path, info.version))

    def check_qemu_group(self) -> upgradecheck.Result:
        """The group that servers' QEMU processes run under exists."""
        name = PCONF.temporality.qemu_group
        try:
            grp.getgrnam(name)
        except KeyError:
            return _failure(
                "There is no group '%s'; set [temporality] qemu_group to the "
                'group under which libvirt runs QEMU' % name)
        return _success()

    def check_direct_io(self) -> upgradecheck.Result:
        """Completed writes of servers bypass the page cache."""
        if nova_privsep_utils.supports_direct_io(CONF.instances_path):
            return _success()
        return _warning(
            'The file system of [DEFAULT] instances_path (%s) has no '
            'O_DIRECT, or it cannot be written to. Disks of persistent '
            'servers that lie there are flushed after every write '
            '(cache=writethrough), which is slow' % CONF.instances_path)

    def check_privsep(self) -> upgradecheck.Result:
        """nova-compute's privileged part starts and reaches the pool."""
        try:
            regions.pool_info(PCONF.temporality.pool_path)
        except vpm.VpmError:
            # It runs; check_pool() says what is wrong with the pool.
            return _success()
        except Exception as exc:
            return _failure(
                'The privileged helper does not work (%s: %s); see '
                '[temporality_privileged] helper_command, and allow it in '
                "sudo's configuration" % (type(exc).__name__, exc))
        return _success()

    def check_versions(self) -> upgradecheck.Result:
        """libvirt and QEMU are not older than those that were tested."""
        uri = CONF.libvirt.connection_uri or 'qemu:///system'
        try:
            connection = libvirt.openReadOnly(uri)
        except libvirt.libvirtError as exc:
            return _failure('libvirt does not answer on %s: %s' % (uri, exc))
        try:
            found = versions.found(connection)
        except libvirt.libvirtError as exc:
            return _failure('libvirt on %s does not say its versions: %s' %
                            (uri, exc))
        finally:
            connection.close()
        problem = versions.problem(found)
        if problem:
            return _failure(problem)
        return _success(', '.join(
            '%s %s' % (name, versions.dotted(version))
            for name, version, _minimum in found))

    def check_notifier(self) -> upgradecheck.Result:
        """The notifier is up and every running server is armed."""
        try:
            status = client.call(PCONF.temporality.run_dir, 'status',
                                 _NOTIFIER_TIMEOUT)
        except client.NotifierDown as exc:
            return _failure('Servers are not protected: %s' % exc)
        except client.NotifierError as exc:
            return _warning('Servers may be unprotected: %s' % exc)
        # A notifier of an earlier version tells neither engine nor sources.
        if status.get('engine_problem'):
            return _failure('Servers are not protected: the engine is away '
                            '(%(engine_problem)s)' % status)
        deaf = ['%(name)s: %(detail)s' % dict(
            source, detail=source['problem'] or source['detail'])
            for source in status.get('sources', []) if not source['is_sound']]
        if deaf:
            return _warning('The notifier may not notice that power fails: '
                            '%s; see "temporality status"' % ', '.join(deaf))
        bare = [pvm['name'] for pvm in status['pvms']
                if pvm['state'] in ('not armed', 'stopped')]
        if bare:
            return _warning('Not protected: %s; see "temporality status"' %
                            ', '.join(bare))
        return _success()

    def check_preload(self) -> upgradecheck.Result:
        """The QEMU of paged servers can read what it has to load."""
        path = os.path.realpath(domain.preload_path())
        try:
            mode = os.stat(path).st_mode
        except OSError as exc:
            return _failure('%s cannot be read: %s; set [temporality] '
                            'preload_path' % (path, exc.strerror))
        if not mode & stat.S_IROTH:
            return _failure("QEMU's user cannot read %s; chmod o+r %s" %
                            (path, path))
        for directory in pathlib.Path(path).parents:
            if not directory.stat().st_mode & stat.S_IXOTH:
                return _failure(
                    "QEMU's user cannot enter %s; copy %s to a directory that "
                    'all may enter, and set [temporality] preload_path' %
                    (directory, path))
        return _success(path)

    def check_drill(self) -> upgradecheck.Result:
        """The host has drilled, and was done within hold_up_ms."""
        hold_up_ms = PCONF.temporality.hold_up_ms
        drilled_ms = budget.load(PCONF.temporality.pool_path).total_ms
        if drilled_ms is None:
            return _warning(
                'This host was never drilled, so nobody knows whether '
                'hold_up_ms (%d) is enough; run "temporality drill" with '
                'servers on it' % hold_up_ms)
        if drilled_ms > hold_up_ms:
            return _warning(
                'The last drill took %.1f ms, hold_up_ms is %d; move servers '
                'to other hosts, and drill again' % (drilled_ms, hold_up_ms))
        return _success('%.1f of %d ms' % (drilled_ms, hold_up_ms))

    _upgrade_checks = (
        ('NVRAM pool', check_pool),
        ('QEMU group', check_qemu_group),
        ('Direct I/O', check_direct_io),
        ('Privileged helper', check_privsep),
        ('libvirt and QEMU', check_versions),
        ('Library for QEMU', check_preload),
        ('Notifier', check_notifier),
        ('Drill', check_drill),
    )


def main() -> int:
    """Run; return the exit code."""
    # What nova-compute reads, then what the notifier reads.
    files = (cfg.find_config_files(project='nova') +
             cfg.find_config_files(project='temporality'))
    return upgradecheck.main(CONF, 'nova', Checks(), sys.argv[1:], files)
