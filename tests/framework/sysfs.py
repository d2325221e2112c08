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

"""A sysfs in which a directory lies on a namespace of NVDIMMs."""

import os


class Sysfs:
    """Stands for /sys.

    :param top: where it is made
    :param path: what lies on the namespace
    :ivar path: where it is mounted, so to speak
    """

    def __init__(self, top, path):
        self.path = top / 'sys'
        self._bus = self.path / 'devices/ndbus0'
        self._region = self._bus / 'region0'
        device = os.stat(path).st_dev
        self._namespace = self._region / 'namespace0.0'
        block = self._namespace / 'block/pmem0'
        block.mkdir(parents=True)
        link = self.path / 'dev/block' / ('%d:%d' % (
            os.major(device), os.minor(device)))
        link.parent.mkdir(parents=True)
        link.symlink_to(block)
        self.domain('cpu_cache')
        (self._region / 'mappings').write_text('0\n')

    def domain(self, value):
        """Set the persistence domain."""
        (self._region / 'persistence_domain').write_text(value + '\n')

    def bus(self, provider, start):
        """Say where the region comes from.

        :param start: its physical address
        """
        (self._bus / 'provider').write_text(provider + '\n')
        (self._region / 'resource').write_text('0x%x\n' % start)

    def nvdimm(self, name, family='nfit', **attributes):
        """Add one to the region, or change it."""
        directory = self._bus / name / family
        if not directory.exists():
            directory.mkdir(parents=True)
            mapping = len(list(self._region.glob('mapping?')))
            (self._region / ('mapping%d' % mapping)).write_text(
                '%s,0,17179869184,%d\n' % (name, mapping))
        for attribute, value in attributes.items():
            (directory / attribute).write_text('%s\n' % value)

    def alignment(self, value):
        """Set the namespace's, in bytes."""
        (self._namespace / 'align').write_text('%d\n' % value)

    def partition(self, start):
        """Have the directory lie on a partition.

        :param start: in sectors of 512 bytes
        """
        (self._namespace / 'block/pmem0/start').write_text('%d\n' % start)
