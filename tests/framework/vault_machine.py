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

"""A host without NVRAM, whose tmpfs is gone after a boot, and real QEMUs."""

import json
import os
import shutil
import subprocess
import sys

from nova_temporality import vpm
from tests.framework import machine


class Vaulted:
    """A Host that is rebooted."""

    def __init__(self, host, vault):
        self.host = host
        self.vault = vault
        self.configure()

    def configure(self, **options):
        self.host.configure(vault_path=self.vault, **options)

    def launch(self, *args):
        return subprocess.Popen(
            [sys.executable, '-m', 'nova_temporality.cmd.admin',
             '--config-file', str(self.host.config_file), *args,
             '-f', 'json'],
            env=dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)),
            stdout=subprocess.PIPE, text=True)

    def run(self, *args):
        process = self.launch(*args)
        output, _ = process.communicate(timeout=machine.PATIENCE)
        rows = json.loads(output) if output else []
        return process.returncode, {row['Server']: row for row in rows}

    def reboot(self):
        """All processes end, and DRAM is empty."""
        self.host.power_cut()
        shutil.rmtree(self.host.pool.path)
        shutil.rmtree(self.host.run_dir)

    def restore(self, *guests):
        result = self.run('vault', 'restore')
        # Each is as it was: what the tests have open is the former pool.
        self.host.pool = vpm.Pool(self.host.pool.path)
        for guest in guests:
            guest.pool = self.host.pool
            guest.region = guest.pool.lookup(guest.name)
        return result

    def data(self, guest, offset, length):
        """What the vault has of a guest's memory; it proves nothing."""
        with open(os.path.join(self.vault, 'servers', '%016x.data' %
                               guest.region.id), 'rb') as stream:
            stream.seek(offset)
            return stream.read(length)


def runs_on(guest):
    before = guest.counter()
    guest.recover()
    guest.wait_counting()
    assert guest.counter() > before
    assert guest.boots() == 1
