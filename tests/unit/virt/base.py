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

"""A TemporalityDriver on Nova's fake libvirt, with a real pool."""

import copy
import grp
import os
import tempfile
import threading
import time
from unittest import mock

import fixtures
from nova.compute import utils as compute_utils
from nova import context
from nova import objects
from nova.tests import fixtures as nova_fixtures
from nova.tests.unit.virt.libvirt import test_driver as nova_test_driver
from nova.virt import fake
from nova.virt.libvirt import blockinfo
from nova.virt.libvirt import imagebackend
import os_vif

from nova_temporality import conf
from nova_temporality import privsep
from nova_temporality.privsep import health
from nova_temporality.spec import persistence
from nova_temporality.virt import driver
from nova_temporality.virt import readiness
from nova_temporality import vpm
from tests.unit import base

MIB = 1 << 20

PATIENCE = 30


class PoolTestCase(base.NovaTestCase):
    """A host that has a pool."""

    def make_pool(self):
        top = self.useFixture(
            fixtures.TempDir(rootdir=_memory_directory())).path
        self.pool_path = os.path.join(top, 'pool')
        self.run_dir = os.path.join(top, 'run')
        vpm.Pool.create(self.pool_path, total_size=64 * MIB,
                        state_size=MIB, descriptors=8, uid_base=0).close()
        self.swap_dir = os.path.join(top, 'swap')
        os.mkdir(self.swap_dir, 0o711)
        for name, value in (('pool_path', self.pool_path),
                            ('run_dir', self.run_dir),
                            ('swap_dir', self.swap_dir),
                            ('qemu_group', grp.getgrgid(os.getgid()).gr_name)):
            conf.CONF.set_override(name, value, group='temporality')
            self.addCleanup(conf.CONF.clear_override, name,
                            group='temporality')


class DriverTestCase(PoolTestCase):
    """Servers, and a driver to run them; RAM files are real, QEMU is not."""

    REQUIRES_LOCKING = True

    def setUp(self):
        super().setUp()
        self.context = context.get_admin_context()
        self.flags(instances_path=self.useFixture(fixtures.TempDir()).path)
        self.flags(virt_type='qemu', group='libvirt')
        self.flags(sysinfo_serial='hardware', group='libvirt')
        # what privileged code does is done in this process
        self.useFixture(fixtures.MockPatchObject(
            privsep.pool_pctxt, 'client_mode', False))
        os_vif.initialize()
        self.stub_out('nova.virt.libvirt.imagebackend.Image.'
                      'resolve_driver_format',
                      imagebackend.Image._get_driver_format)
        self.useFixture(nova_fixtures.LibvirtFixture())
        self.useFixture(nova_fixtures.CGroupsFixture())
        self.saved = self.useFixture(fixtures.MockPatchObject(
            objects.Instance, 'save')).mock
        self.make_pool()
        # as a sound notifier answers; there is none
        self.obstacles = self.useFixture(fixtures.MockPatchObject(
            health, 'obstacles', return_value={})).mock
        # it would outlive the test
        self.useFixture(fixtures.MockPatchObject(readiness.Readiness,
                                                 'watch'))
        self.driver = driver.TemporalityDriver(fake.FakeVirtAPI(), True)

    def make_server(self, memory_mb=16, extra_specs=None, metadata=None,
                    persistent=None):
        """A server; *persistent* makes it one that was spawned before."""
        values = copy.deepcopy(nova_test_driver._create_test_instance())
        values.update(
            metadata=metadata or {}, numa_topology=None,
            host='host', vm_state='active', task_state=None,
            root_device_name='/dev/vda',
            flavor=objects.Flavor(
                id=1, name='small', flavorid='small', memory_mb=memory_mb,
                vcpus=1, root_gb=1, ephemeral_gb=0, swap=0,
                extra_specs=extra_specs or {}),
            info_cache=objects.InstanceInfoCache(
                network_info=nova_test_driver._fake_network_info(self)))
        server = objects.Instance(**values)
        server.pci_requests = objects.InstancePCIRequests(requests=[])
        if persistent is not None:
            persistence.freeze(server, persistent)
        return server

    def image(self, **properties):
        return objects.ImageMeta.from_dict(
            {'disk_format': 'raw', 'properties': properties})

    def guest_xml(self, compute_driver, server, image=None):
        image = image or self.image()
        with mock.patch('time.time', return_value=1234567.89):
            return compute_driver._get_guest_xml(
                self.context, server, nova_test_driver._fake_network_info(
                    self), blockinfo.get_disk_info('qemu', server, image),
                image)

    def in_thread(self, call):
        """Begin with something; return a function that waits for its end."""
        outcome = []

        def run():
            try:
                outcome.append(call())
            except Exception as exc:
                outcome.append(exc)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()

        def end():
            thread.join(PATIENCE)
            self.assertFalse(thread.is_alive(), 'it hangs')
            return outcome[0]

        return end

    @staticmethod
    def fault(exc):
        """What Nova tells a server's owner of an exception."""
        return compute_utils.exception_to_dict(exc)['message']

    def pool(self):
        pool = vpm.Pool(self.pool_path)
        self.addCleanup(pool.close)
        return pool


def _memory_directory():
    # the pool's file system decides how it persists; most /tmp are disks
    return '/dev/shm' if os.path.isdir('/dev/shm') else tempfile.gettempdir()


def host_topology(*cells, memory_mb=1024):
    """A host's NUMA topology, without pages of hugetlbfs.

    :param cells: the CPUs of each cell
    """
    return objects.NUMATopology(cells=[objects.NUMACell(
        id=number, cpuset=set(), pcpuset=cpus, memory=memory_mb,
        cpu_usage=0, memory_usage=0, pinned_cpus=set(),
        siblings=[{cpu} for cpu in sorted(cpus)], socket=number,
        mempages=[objects.NUMAPagesTopology(
            size_kb=4, total=memory_mb << 8, used=0, reserved=0)])
        for number, cpus in enumerate(cells)])


def fixate(pool, region_id, runstate='running', stream=b'device state'):
    """Make a proven state, as the notifier does; returns its meta data."""
    meta = vpm.FixationMeta(wall_ns=time.time_ns(),
                            signal_ns=time.monotonic_ns(),
                            runstate=runstate, producer='test')
    ours, theirs = os.pipe()
    os.write(theirs, stream)
    os.close(theirs)
    with pool.open_fixation(region_id) as fixation:
        fixation.begin()
        fixation.receive(ours)
        fixation.commit(meta)
    os.close(ours)
    return meta
