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

import itertools
import sys

from oslo_config import cfg
from oslo_upgradecheck import upgradecheck

from nova_temporality import conf
from nova_temporality.host import budget
from nova_temporality.privsep import regions
from nova_temporality.virt import check_results as results
from nova_temporality.virt import daemon_checks
from nova_temporality.virt import disk_checks
from nova_temporality.virt import host_checks
from nova_temporality.virt import qemu_checks
from nova_temporality import vpm

CONF = conf.CONF


class Checks(host_checks.HostChecks, qemu_checks.QemuChecks,
             disk_checks.DiskChecks, daemon_checks.DaemonChecks,
             upgradecheck.UpgradeCommands):
    """The checks, each of them independent of the others."""

    display_title = 'Temporality Upgrade Check Results'

    def check_pool(self) -> upgradecheck.Result:
        """The pool can be opened by this version and is NVRAM."""
        path = CONF.temporality.pool_path
        try:
            with vpm.Pool(path) as pool:
                info = pool.info()
        except vpm.VpmError as exc:
            return results.failure('%s; see "temporality pool check"' % exc)
        if info.medium_problem:
            return results.failure(info.medium_problem)
        remark = info.remark(path, CONF.temporality.vault_hold_up)
        if remark:
            return results.warning(remark)
        return results.success('%s, version %d' % (path, info.version))

    def check_privsep(self) -> upgradecheck.Result:
        """nova-compute's privileged part starts and reaches the pool."""
        try:
            regions.pool_info(CONF.temporality.pool_path)
        except vpm.VpmError:
            # It runs; check_pool() says what is wrong with the pool.
            return results.success()
        except Exception as exc:
            return results.failure(
                'The privileged helper does not work (%s: %s); see '
                '[temporality_privileged] helper_command, and allow it in '
                "sudo's configuration" % (type(exc).__name__, exc))
        return results.success()

    def check_drill(self) -> upgradecheck.Result:
        """The host has drilled, and was done within hold_up_ms."""
        hold_up_ms = CONF.temporality.hold_up_ms
        drilled_ms = budget.load(CONF.temporality.pool_path).total_ms
        if drilled_ms is None:
            return results.warning(
                'This host was never drilled, so nobody knows whether '
                'hold_up_ms (%d) is enough; run "temporality drill" with '
                'servers on it' % hold_up_ms)
        if drilled_ms > hold_up_ms:
            return results.warning(
                'The last drill took %.1f ms, hold_up_ms is %d; move servers '
                'to other hosts, and drill again' % (drilled_ms, hold_up_ms))
        return results.success('%.1f of %d ms' % (drilled_ms, hold_up_ms))

    _upgrade_checks = (
        ('NVRAM pool', check_pool),
        ('NVDIMMs', host_checks.HostChecks.check_nvdimms),
        ('Alignment', host_checks.HostChecks.check_alignment),
        ('User ids', host_checks.HostChecks.check_uids),
        ('QEMU group', qemu_checks.QemuChecks.check_qemu_group),
        ('Direct I/O', disk_checks.DiskChecks.check_direct_io),
        ('Cache modes', disk_checks.DiskChecks.check_cache_modes),
        ('Owners of disks', disk_checks.DiskChecks.check_owners),
        ('Privileged helper', check_privsep),
        ('libvirt and QEMU', qemu_checks.QemuChecks.check_versions),
        ('AppArmor or SELinux', qemu_checks.QemuChecks.check_confinement),
        ('Library for QEMU', qemu_checks.QemuChecks.check_preload),
        ('Mappings', host_checks.HostChecks.check_mappings),
        ('userfaultfd', host_checks.HostChecks.check_userfaultfd),
        ('Notifier', daemon_checks.DaemonChecks.check_notifier),
        ("Notifier's limits",
         daemon_checks.DaemonChecks.check_notifier_limits),
        ("Engine's limits", daemon_checks.DaemonChecks.check_engine_limits),
        ('Drill', check_drill),
    )


def _arguments(given: list[str]) -> list[str]:
    """Have "-f json" mean what oslo calls --json."""
    at = next((at for at, pair in enumerate(itertools.pairwise(given))
               if pair == ('-f', 'json')), None)
    return given if at is None else [*given[:at], '--json', *given[at + 2:]]


def main() -> int:
    """Run; return the exit code."""
    # What nova-compute reads, then what the notifier reads.
    files = (cfg.find_config_files(project='nova') +
             cfg.find_config_files(project='temporality'))
    return upgradecheck.main(CONF, 'nova', Checks(),
                             _arguments(sys.argv[1:]), files)
