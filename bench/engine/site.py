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

"""A host of stand-in QEMUs, with the real engine and the real notifier."""

import contextlib
import subprocess
import sys

from bench.fixation import machines

# Bytes of memory of each.
_MEMORY = 4096


class Site(machines.Site):
    """A site whose QEMUs only speak QMP (qemus.py).

    :param count: of pVMs at most
    """

    def __init__(self, count):
        super().__init__(size=64 << 20, descriptors=count + 16)
        self._open = contextlib.ExitStack()

    def __exit__(self, *exc_info):
        self._open.close()
        super().__exit__(*exc_info)

    def start_qemus(self, names, idle=False):
        """Start QEMUs in one process.

        :param idle: whether they are to run only when nobody else wants to
        :returns: a Qemus
        """
        regions = {name: self.pool.alloc(name, _MEMORY) for name in names}
        made = Qemus(self.run_dir, regions, idle)
        self._open.callback(made.end)
        return made


class Qemus:
    """A process of stand-ins.

    :param regions: RegionInfo by name
    """

    def __init__(self, run_dir, regions, idle):
        self.regions = regions
        self._process = subprocess.Popen(
            ['chrt', '-i', '0'] * idle +
            [sys.executable, '-m', 'bench.engine.qemus', run_dir,
             *['%s=%s' % (name, region.ram_path)
               for name, region in regions.items()]],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._process.stdout.readline()

    def tell(self, *words):
        """Have them do something, see qemus.py."""
        print(*words, file=self._process.stdin, flush=True)

    def end(self):
        """End them."""
        with self._process as ended:
            ended.kill()
