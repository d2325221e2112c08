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

"""A host whose pool lies in DRAM: a cut destroys it, and the vault survives.

What survives is what was flushed to the vault's disk, or happened to be
written.
"""

import contextlib
import pathlib
import random
import shutil
import threading
import time
from typing import Any

from nova_temporality.host import durable
from nova_temporality.host import nvdimm_notes
from nova_temporality.notifier import client
from nova_temporality.notifier.pvm import attempts
from nova_temporality.vault import restoring
from nova_temporality import vpm
from tests.drills import plan
from tests.drills import rounds
from tests.drills import servers
from tests.drills import vault_disk
from tests.framework import hosts
from tests.framework import machine
from tests.framework import vault_machine

# What a server may say that was not reported as being in the vault. Anything
# else is a fault of the vault.
_TOO_EARLY = (
    'there is no marker', 'is stale', 'it was not in the vault yet',
    'only some of its memory is in the vault', 'it was let run',
    'there is no region')

# After a copy was put back.
_COPIED = *_TOO_EARLY, 'is a copy'

# Seconds, more than writing takes.
_HOLD_UP = 600
_AS_FAST_AS_CAN_BE = 1 << 20


class Vaulted(rounds.Drills):
    """A host with a vault, and the rounds on it.

    :param directory: where the copy of a vault is kept
    """

    def __init__(self, host: hosts.Host, made: list['VaultedServer'],
                 disk: vault_disk.VaultDisk,
                 directory: pathlib.Path) -> None:
        self._disk = disk
        self._vault = disk.path / 'vault'
        self._copy = directory / 'copy'
        # It configures the host, too.
        self._restorer = vault_machine.Vaulted(host, str(self._vault))
        self._planned: set[str] = set()
        self._planning: threading.Thread | None = None
        # The memory of each server when all was dark.
        self._memories: dict[str, bytes] = {}
        super().__init__(host, made, vault_path=self._vault,
                         vault_hold_up=_HOLD_UP,
                         vault_ahead_mb_per_s=_AS_FAST_AS_CAN_BE)

    # -- darkness ---------------------------------------------------------

    def _power_fails(self, one: plan.Round) -> None:
        self._planned = set()
        self._planning = None
        if one.by != plan.OPERATOR:
            super()._power_fails(one)
            return
        self._planning = threading.Thread(target=self._prepare_reboot)
        self._planning.start()

    def _prepare_reboot(self) -> None:
        # Darkness may come at any moment.
        with contextlib.suppress(client.NotifierError, OSError):
            report = self._notifier.call('fixate-for-reboot')
            self._planned = {one['name'] for one in report['pvms']
                             if one['result'] == attempts.FIXATED}

    def _are_all_proven(self) -> bool:
        if self._planning:
            # It says nothing of who was suspended.
            return not self._planning.is_alive()
        return super()._are_all_proven()

    def _proven(self) -> set[str]:
        return self._planned | self._reported()

    def _reported(self) -> set[str]:
        """Names of those who are in the vault, as the notifier says."""
        report = self._report()
        if report.get('called_off') or 'vault' not in report:
            return set()
        return {one['name'] for one in report['vault']['servers']
                if one['durable']}

    def _report(self) -> dict[str, Any]:
        """The report of the outage, if there is one."""
        try:
            return self._notifier.call('status')['last_outage'] or {}
        except (client.NotifierError, OSError):
            return {}

    def _ends(self):
        return [*super()._ends(), self._disk.stop]

    # -- afterwards -------------------------------------------------------

    def _return(self, found: list[rounds.Found], seen: set[str],
                one: plan.Round, chance: random.Random) -> None:
        if self._planning:
            self._planning.join()
        self._memories = {server.name: server.memory()
                          for server in self._servers}
        self._lose_dram(chance)
        if one.put_back:
            shutil.rmtree(self._copy, ignore_errors=True)
            shutil.copytree(self._vault, self._copy)
        if one.again == plan.WHILE_RESTORING:
            self._restore_in_part(one)
            self._lose_dram(chance)
        self._restore()
        if one.again == plan.WHILE_WRITING:
            self._write_again(one, chance)
            self._lose_dram(chance)
            self._restore()
        for server, each in zip(self._servers, found):
            self._look(server, each, seen)
        if one.again in plan.STAGES:
            self._cut_again(found, one, chance)
        for server, each in zip(self._servers, found):
            self._go_on(server, each)

    def _lose_dram(self, chance: random.Random) -> None:
        for server in self._servers:
            server.lose_power(chance)
        self._host.pool.close()
        for suffix in '', '.restoring':
            shutil.rmtree(self._host.pool.path + suffix, ignore_errors=True)
        self._disk.stop()
        self._disk.cut(chance)

    def _restore(self) -> None:
        path = self._host.pool.path
        reasons = {outcome.name: outcome.reason for outcome in
                   restoring.restore(str(self._vault), path) or ()}
        self._host.pool = vpm.Pool(path)
        for server in self._servers:
            server.find(reasons.get(server.name, ''))

    def _restore_in_part(self, one: plan.Round) -> None:
        process = self._restorer.launch('vault', 'restore')
        machine.wait_for(
            lambda: process.poll() is not None or
            pathlib.Path(self._host.pool.path + '.restoring').exists(),
            'it begins')
        time.sleep(one.again_s)
        process.kill()
        process.communicate()

    def _write_again(self, one: plan.Round, chance: random.Random) -> None:
        """Power fails again before anybody was recovered."""
        self._light()
        self._start_notifier()
        self._ups.status = rounds.FAILING
        self._wait(lambda: 'vault' in self._report())
        time.sleep(one.again_s)
        self._cut(chance)

    def _look(self, server: 'VaultedServer', found: rounds.Found,
              seen: set[str]) -> None:
        """Tell whether what was restored of a server may be."""
        found.why = server.unproven()
        if not found.why:
            self._compare(server, found)
        elif server.name in seen or not _says(found.why, _TOO_EARLY):
            found.verdict = rounds.LOST
        else:
            found.verdict = rounds.UNPROVEN

    def _compare(self, server: 'VaultedServer',
                 found: rounds.Found) -> None:
        # The pager of a paged one goes on for a while.
        if not server.is_paged and (
                server.memory() != self._memories[server.name]):
            rounds.lose(found, AssertionError('it has another memory'))

    def _cut_again(self, found: list[rounds.Found], one: plan.Round,
                   chance: random.Random) -> None:
        restored = []
        for server, each in zip(self._servers, found):
            if each.verdict:
                continue
            restored.append(server)
            try:
                rounds.cut_off(server, one)
            except Exception as e:
                rounds.lose(each, e)
        self._lose_dram(chance)
        if one.put_back:
            self._put_back(one.put_back)
        self._restore()
        for server, each in zip(self._servers, found):
            if each.verdict != rounds.LOST:
                self._look_again(server, each, one, server in restored)

    def _put_back(self, what: str) -> None:
        """Have the vault be what it was, as far as an operator can do that."""
        for path in sorted((self._copy / what).rglob('*')):
            if path.is_file():
                to = self._vault / path.relative_to(self._copy)
                shutil.copyfile(path, to)
                durable.sync(to)

    def _look_again(self, server: 'VaultedServer', found: rounds.Found,
                    one: plan.Round, was_proven: bool) -> None:
        why = server.unproven()
        stays = was_proven and one.again not in (plan.GIVEN_UP, plan.RUNNING)
        if stays and not why:
            self._compare(server, found)
        elif stays or not why or not _says(
                why, _COPIED if one.put_back else _TOO_EARLY):
            found.verdict = rounds.LOST
            found.why = 'after a cut %s: %s' % (
                one.again, why or 'it is proven, although it ran')
        else:
            found.verdict, found.why = rounds.UNPROVEN, why

    @staticmethod
    def _go_on(server: 'VaultedServer', found: rounds.Found) -> None:
        try:
            if found.verdict:
                server.begin()
            else:
                server.recover()
                found.verdict = rounds.SURVIVED
        except Exception as e:
            rounds.lose(found, e)


class VaultedServer(servers.Server):
    """A server whose region is gone at a cut.

    :param swap: directory of swap files
    """

    def __init__(self, host: hosts.Host, directory: pathlib.Path, accel: str,
                 percent: int, swap: pathlib.Path) -> None:
        self._host = host
        self._swap = swap
        self._reason = ''
        super().__init__(host, directory, accel, percent)

    def _alloc(self, size: int) -> vpm.RegionInfo:
        if not self.is_paged:
            return super()._alloc(size)
        return self.pool.alloc_vpm(
            self.name, size, size * self._percent // 100, self._swap,
            policy=self._policy, page_size=4096)

    def begin(self) -> None:
        try:
            self.pool.lookup(self.name)
        except vpm.NotFound:
            self.region = self._alloc(self.region.virtual_size)
        super().begin()

    def find(self, reason: str) -> None:
        """Its pool was made again.

        :param reason: why it is unproven, if that was said
        """
        self.pool = self._host.pool
        self._reason = reason
        with contextlib.suppress(vpm.NotFound):
            self.region = self.pool.lookup(self.name)

    def unproven(self) -> str:
        try:
            nvdimm_notes.proven_state(self.pool, self.pool.lookup(self.name))
        except vpm.NotFound:
            return self._reason or 'there is no region'
        except vpm.Unproven as e:
            return str(e)
        return ''

    def memory(self) -> bytes:
        """What is in its region."""
        return pathlib.Path(self.region.ram_path).read_bytes()


def make(host: hosts.Host, directory: pathlib.Path,
         swap: pathlib.Path) -> list[VaultedServer]:
    """Make servers: a resident one and a paged one."""
    made = [VaultedServer(host, directory / str(number), servers.fastest(),
                          percent, swap)
            for number, percent in enumerate(
                (servers.RESIDENT, servers.PAGED))]
    host.add(*made)
    return made


def _says(why: str, known: tuple[str, ...]) -> bool:
    """Whether a reason is a known one; what the vault says of it counts."""
    reason = why.rpartition('not restored from the vault: ')[2]
    return any(one in reason for one in known)
