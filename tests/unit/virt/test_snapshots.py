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

"""What Nova has to say about snapshots, and what it is told."""

import os
from unittest import mock

from nova.compute import power_state
from nova.compute import task_states
from nova.compute import vm_states
import nova.conf
from nova import exception as nova_exception
from nova import objects
import oslo_messaging

from nova_temporality import conf
from nova_temporality.host import durable
from nova_temporality.host import paths
from nova_temporality.notifier import client
from nova_temporality.privsep import regions
from nova_temporality.privsep import runs
from nova_temporality.snapshot import error
from nova_temporality.snapshot import machine
from nova_temporality.snapshot import saving
from nova_temporality.snapshot import store
from nova_temporality.spec import persistence
from nova_temporality.virt import genid
from nova_temporality.virt import snapshots
from nova_temporality import vpm
from tests.unit.virt.recovery import recovery_base

DOMAIN = """<domain xmlns:qemu="http://libvirt.org/schemas/domain/qemu/1.0">
<genid>%s</genid><vcpu>1</vcpu><devices>
<disk type="file" device="disk"><driver type="raw"/><source file="%s"/>
<target dev="vda" bus="virtio"/></disk>%s</devices><qemu:commandline>
<qemu:arg value="memory-backend-file,mem-path=%s,"/></qemu:commandline>
</domain>"""
NIC = '<interface><mac address="%s"/></interface>'


class SnapshotsTest(recovery_base.RecoveryTestCase):

    def setUp(self):
        super().setUp()
        self.flags(host='host')
        self.find = objects.Instance.get_by_uuid
        self.volumes = objects.BlockDeviceMappingList.get_by_instance_uuid
        self.disk = os.path.join(self.directory, 'disk')
        self.write(self.disk, 'then')
        self.write(os.path.join(self.directory, 'temporality-domain.xml'),
                   DOMAIN % (self.server.uuid, self.disk, ''.join(
                       NIC % vif['address']
                       for vif in self.server.get_network_info()),
                       self.region.memory_path))
        self.opts = conf.CONF.temporality
        self.top = os.path.join(self.run_dir, 'snapshots')
        self.server.vm_state = vm_states.SUSPENDED
        self.fixate()

    @staticmethod
    def write(path, text):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'w') as stream:
            stream.write(text)

    def snapshot(self):
        return store.Snapshot(self.top, self.server.uuid, 'one')

    def create(self):
        snapshots.create(self.opts, self.snapshot())

    def put_back(self):
        with self.snapshot() as snapshot:
            snapshots.load(self.opts, snapshot)

    def be_stopped(self):
        self.pool().begin_epoch(self.region.id)
        self.write(self.disk, 'later')
        self.server.vm_state = vm_states.STOPPED

    def refused(self, function, pattern):
        exc = self.assertRaises(error.SnapshotError, function)
        self.assertRegex(str(exc), pattern)

    def test_suspended_and_back(self):
        self.create()
        self.be_stopped()
        self.put_back()
        self.assertTrue(self.proven())
        with open(self.disk) as disk:
            self.assertEqual('then', disk.read())
        self.assertEqual(vm_states.SUSPENDED, self.server.vm_state)
        self.assertEqual(power_state.SHUTDOWN, self.server.power_state)
        self.assertIsNone(self.server.task_state)
        self.assertEqual([
            mock.call(expected_vm_state=[vm_states.STOPPED],
                      expected_task_state=[state])
            for state in (None, task_states.SUSPENDING)],
            self.saved.mock_calls)
        # Now and with all later boots.
        forked = genid.of(self.server)
        self.assertNotEqual(self.server.uuid, forked)
        self.assertEqual(forked, machine.examine(
            snapshots.domain_record.read(self.server)).genid)

    def test_running(self):
        self.server.vm_state = vm_states.ACTIVE

        def notifier(run_dir, operation, timeout, name, directory, disks,
                     at_most):
            self.assertEqual((self.run_dir, 'snapshot', None),
                             (run_dir, operation, timeout))
            pool = self.pool()
            return saving.save(pool, pool.lookup(name), directory, disks,
                               at_most)
        with mock.patch.object(client, 'call', side_effect=notifier):
            self.create()
        self.assertEqual('complete', self.snapshot().entry().condition)

    def test_what_its_flavor_gives_it(self):
        flavor = objects.Flavor(root_gb=10, ephemeral_gb=5, swap=512)
        self.assertEqual((15 << 30) + (512 << 20),
                         snapshots._disk_size(flavor))
        # As large as its image, and nobody says how large that is.
        flavor.root_gb = 0
        self.assertEqual(0, snapshots._disk_size(flavor))

    def test_notifier_says_no(self):
        self.server.vm_state = vm_states.ACTIVE
        with mock.patch.object(client, 'call',
                               side_effect=client.NotifierError('no')):
            self.assertRaises(client.NotifierError, self.create)
        self.assertEqual([], store.entries(self.top))

    def test_states(self):
        self.create()
        for state in (vm_states.STOPPED, vm_states.PAUSED, vm_states.RESCUED,
                      vm_states.ERROR):
            self.server.vm_state = state
            self.refused(self.create, '%s.* active or suspended' % state)
        for state in (vm_states.ACTIVE, vm_states.PAUSED, vm_states.RESCUED,
                      vm_states.ERROR):
            self.server.vm_state = state
            self.refused(self.put_back, '%s.* stopped or suspended' % state)
        self.assertTrue(self.proven())

    def test_who_has_no_snapshots(self):
        self.server.task_state = task_states.RESIZE_PREP
        self.refused(self.create, 'resize_prep')
        self.server.task_state = None
        self.server.host = 'elsewhere'
        self.refused(self.create, 'on host elsewhere')
        self.server.host = nova.conf.CONF.host
        persistence.freeze(self.server, False)
        self.refused(self.create, 'not persistent')
        persistence.freeze(self.server, True)
        self.volumes.return_value = [mock.Mock(is_volume=True)]
        self.refused(self.create, 'volumes')
        self.find.side_effect = nova_exception.InstanceNotFound(
            instance_id='x')
        self.refused(self.create, 'has no server')
        self.find.side_effect = oslo_messaging.MessagingTimeout()
        self.refused(self.create, 'does not answer')

    def test_another_machine(self):
        self.create()
        self.be_stopped()
        self.server.flavor.vcpus += 1
        self.refused(self.put_back, 'had virtual CPUs 1, and has 2')
        self.server.flavor.vcpus -= 1
        with mock.patch.object(self.server, 'get_network_info',
                               return_value=[]):
            self.refused(self.put_back, 'had ports .* has none')
        self.assertFalse(self.proven())
        self.assertFalse(self.saved.called)

    def fail_save(self, number):
        """Have Nova do something with the server at one of its savings."""
        calls = []

        def save(**kwargs):
            calls.append(self.server.task_state)
            if len(calls) == number:
                raise nova_exception.UnexpectedTaskStateError(
                    instance_uuid=self.server.uuid, expected={}, actual={})
        self.saved.side_effect = save
        return calls

    def test_somebody_starts_it(self):
        self.create()
        self.be_stopped()
        self.fail_save(1)
        self.refused(self.put_back, 'something else')
        with open(self.disk) as disk:
            self.assertEqual('later', disk.read())
        self.boot()
        self.run_vcpus()

    def test_load_fails(self):
        self.create()
        self.be_stopped()
        saved = self.fail_save(2)
        self.refused(self.put_back, 'something else')
        self.assertEqual([task_states.SUSPENDING, None, None], saved)
        self.assertEqual(vm_states.STOPPED, self.server.vm_state)
        self.assertFalse(self.proven())
        # What was begun does not get to run ...
        for begin in (self.boot, lambda: runs.prepare_recovery(
                self.pool_path, self.run_dir, self.server.uuid, os.getgid(),
                50), self.run_vcpus):
            self.assertRaises(runs.LoadUnfinished, begin)
        # ... but can be loaded again.
        self.saved.side_effect = None
        for vm_state, task_state in (
                (vm_states.ERROR, None),
                (vm_states.STOPPED, task_states.SUSPENDING)):
            self.pool().begin_epoch(self.region.id)
            self.unfinished()
            self.server.vm_state = vm_state
            self.server.task_state = task_state
            self.put_back()
            self.assertTrue(self.proven())
            self.assertIsNone(self.server.task_state)
        self.run_vcpus()

    def unfinished(self):
        note = paths.loading_note(self.pool_path, self.server.uuid)
        os.makedirs(os.path.dirname(note), exist_ok=True)
        durable.write(note, b'{}')

    def boot(self):
        runs.prepare_boot(self.pool_path, self.run_dir, self.server.uuid,
                          os.getgid(), 50)

    def run_vcpus(self):
        with runs.allowed_to_run(self.pool_path, self.server.uuid):
            pass

    def test_rebuild_ends_a_load_that_was_cut_off(self):
        self.unfinished()
        exc = self.assertRaises(runs.LoadUnfinished, self.boot)
        self.assertIn('was not loaded to the end', self.fault(exc))
        regions.free(self.pool_path, self.run_dir, self.server.uuid)
        self.pool().alloc(self.server.uuid, 16 << 20)
        self.boot()
        self.assertEqual([], vpm.check(self.pool_path))

    def test_suspended_server_is_resumed_from_what_was_loaded(self):
        self.create()
        self.be_stopped()
        self.put_back()
        self.driver.resume(self.context, self.server, [])
        self.assertIn(genid.of(self.server),
                      self.connection.createXML.call_args[0][0])
        self.assertEqual(power_state.RUNNING, self.domain.state)
