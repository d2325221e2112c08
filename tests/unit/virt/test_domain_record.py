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

"""The record of a pVM's machine."""

import os
import threading
from unittest import mock

from nova import monkey_patch
from nova.virt.libvirt import utils as libvirt_utils

from nova_temporality.virt import domain_record
from tests.unit.virt import base

XML = ('<domain xmlns:qemu="http://libvirt.org/schemas/domain/qemu/1.0">'
       '<qemu:commandline/></domain>')


class RecordTest(base.DriverTestCase):

    def setUp(self):
        super().setUp()
        self.server = self.make_server(persistent=True)
        self.directory = libvirt_utils.get_instance_path(self.server)
        os.makedirs(self.directory)
        self.guest = mock.Mock()
        self.guest.get_xml_desc.return_value = XML

    def write(self, syncfs):
        with mock.patch.object(domain_record, '_libc') as libc:
            libc.syncfs.side_effect = syncfs
            domain_record.write(self.server, self.guest, '/run/recover.sock')

    def test_disks_are_durable_before_there_is_a_record(self):
        seen = []

        def syncfs(fd):
            self.assertEqual(self.directory,
                             os.readlink('/proc/self/fd/%d' % fd))
            self.assertRaises(FileNotFoundError, domain_record.read,
                              self.server)
            seen.append(os.listdir(self.directory))
            return 0

        self.write(syncfs)
        self.assertEqual(1, len(seen[0]))
        self.assertEqual(XML, domain_record.read(self.server))

    def test_nothing_else_waits_for_disks(self):
        threads = []

        def syncfs(fd):
            threads.append(threading.get_native_id())
            return 0

        self.write(syncfs)
        self.assertEqual(monkey_patch.is_patched(),
                         threads != [threading.get_native_id()])

    def test_failed_sync_is_no_success(self):
        exc = self.assertRaises(OSError, self.write, lambda fd: -1)
        self.assertEqual(domain_record.path(self.server), exc.filename)
        self.assertRaises(FileNotFoundError, domain_record.read, self.server)
        self.assertEqual([], os.listdir(self.directory))

    def test_attempts_do_not_get_into_each_others_way(self):
        """One may be left over, or go on when the next one comes."""
        others = XML.replace('<qemu', '<name>another</name><qemu')

        def syncfs(fd):
            if self.guest.get_xml_desc.return_value == XML:
                self.guest.get_xml_desc.return_value = others
                domain_record.write(self.server, self.guest,
                                    '/run/recover.sock')
                self.assertEqual(others, domain_record.read(self.server))
            return 0

        self.write(syncfs)
        self.assertEqual(XML, domain_record.read(self.server))
        self.assertEqual(['temporality-domain.xml'],
                         os.listdir(self.directory))
