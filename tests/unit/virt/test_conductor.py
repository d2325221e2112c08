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

"""Which regions may be freed because their servers are gone."""

import json
import logging
from unittest import mock

import fixtures
from nova.compute import vm_states
from nova import exception
from nova import objects
import oslo_messaging
from oslo_utils.fixture import uuidsentinel as uuids

from nova_temporality.cmd import admin
from nova_temporality import privsep
from nova_temporality.virt import conductor
from tests.unit.virt import base


class FateTest(base.DriverTestCase):

    def setUp(self):
        super().setUp()
        self.flags(host='here')
        self.known = {}
        self.useFixture(fixtures.MockPatchObject(
            objects.Instance, 'get_by_uuid', side_effect=self.get))
        self.useFixture(fixtures.MockPatchObject(
            privsep.pool_pctxt, 'set_client_mode'))
        self.connected = self.useFixture(fixtures.MockPatchObject(
            conductor, 'connect')).mock

    def get(self, context, uuid, expected_attrs):
        self.assertEqual('yes', context.read_deleted)
        found = self.known.get(uuid)
        if found is None:
            raise exception.InstanceNotFound(instance_id=uuid)
        if isinstance(found, Exception):
            raise found
        return found

    def server(self, uuid, **values):
        self.known[uuid] = objects.Instance(**dict(dict(
            uuid=uuid, deleted=False, host='here', task_state=None,
            vm_state=vm_states.ACTIVE), **values))
        self.pool().alloc(uuid, 4096)

    def test_fates(self):
        for name, values, found in (
                ('here', {}, None),
                ('deleted', {'deleted': True}, conductor.DELETED),
                ('elsewhere', {'host': 'there'}, conductor.ELSEWHERE),
                ('shelved', {'host': None,
                             'vm_state': vm_states.SHELVED_OFFLOADED},
                 conductor.ELSEWHERE),
                ('coming', {'host': 'there', 'task_state': 'migrating'},
                 None),
                ('building', {'host': None, 'vm_state': vm_states.BUILDING,
                              'task_state': 'scheduling'}, None)):
            uuid = getattr(uuids, name)
            self.server(uuid, **values)
            self.assertEqual(found, conductor.ask(uuid), name)
        self.assertEqual(conductor.UNKNOWN, conductor.ask(uuids.never))

    def gc(self, *args):
        config = self.useFixture(fixtures.TempDir()).join('temporality.conf')
        with open(config, 'w') as stream:
            stream.write('[temporality]\npool_path = %s\nrun_dir = %s\n' %
                         (self.pool_path, self.run_dir))
        result = self.useFixture(fixtures.TempDir()).join('result')
        with mock.patch.object(logging.root, 'handlers', []), \
                open(result, 'w+') as stdout:
            app = admin.AdminApp()
            app.stdout = stdout
            code = app.run(['--config-file', config, 'region', 'gc', '-f',
                            'json', *args])
            stdout.seek(0)
            rows = json.load(stdout)
        return code, {row['Server']: row['Region'] for row in rows}

    def left(self):
        return {region.name for region in self.pool().regions()}

    def test_gc_frees_what_is_gone(self):
        self.server(uuids.here)
        self.server(uuids.deleted, deleted=True)
        self.pool().alloc(uuids.purged, 4096)
        self.assertEqual((0, {uuids.here: 'kept', uuids.deleted: 'freed',
                              uuids.purged: 'kept'}), self.gc())
        self.assertEqual({uuids.here, uuids.purged}, self.left())
        self.connected.assert_called_once_with(['/etc/nova/nova.conf'])
        self.assertEqual((0, {uuids.here: 'kept', uuids.purged: 'freed'}),
                         self.gc('--unknown', '--nova-config-file', '/n'))
        self.assertEqual({uuids.here}, self.left())
        self.connected.assert_called_with(['/n'])

    def test_gc_keeps_all_when_nova_does_not_answer(self):
        self.server(uuids.deleted, deleted=True)
        self.known[uuids.deleted] = oslo_messaging.MessagingTimeout()
        self.assertEqual((1, {uuids.deleted: 'kept'}), self.gc())
        self.assertEqual({uuids.deleted}, self.left())

    def test_gc_keeps_what_a_qemu_has_open(self):
        self.server(uuids.deleted, deleted=True)
        [region] = self.pool().regions()
        with open(region.ram_path, 'r+b'):
            self.assertEqual((1, {uuids.deleted: 'kept'}), self.gc())
        self.assertEqual({uuids.deleted}, self.left())
        self.assertEqual((0, {uuids.deleted: 'freed'}), self.gc())
