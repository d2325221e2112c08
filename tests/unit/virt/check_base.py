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

"""What tests of temporality-status share."""

from unittest import mock

import fixtures
import libvirt
from oslo_upgradecheck import upgradecheck

from nova_temporality import conf
from nova_temporality import privsep
from nova_temporality.virt import upgrade_checks
from tests.unit.virt import base

FINE = upgradecheck.Code.SUCCESS
WARNING = upgradecheck.Code.WARNING
FAILURE = upgradecheck.Code.FAILURE

_MODEL = '<secmodel><model>%s</model><baselabel>%s</baselabel></secmodel>'


class CheckTestCase(base.PoolTestCase):
    """A host that has a pool and libvirt."""

    def setUp(self):
        super().setUp()
        self.make_pool()
        self.flags(instances_path=self.useFixture(fixtures.TempDir()).path)
        # what privileged code does is done in this process
        self.useFixture(fixtures.MockPatchObject(
            privsep.pool_pctxt, 'client_mode', False))
        self.checks = upgrade_checks.Checks()
        self.top = self.useFixture(fixtures.TempDir()).path
        self.connection = mock.Mock()
        self.connection.getLibVersion.return_value = 11003000
        self.connection.getVersion.return_value = 10000002
        self.has_security()
        self.useFixture(fixtures.MockPatchObject(
            libvirt, 'openReadOnly', return_value=self.connection))

    def has_security(self, **labels):
        """Have libvirt say that it has these models, and their labels."""
        self.connection.getCapabilities.return_value = (
            '<capabilities><host>%s</host></capabilities>' % ''.join(
                _MODEL % pair for pair in labels.items()))

    def override(self, name, value):
        conf.CONF.set_override(name, value, group='temporality')

    def check(self, name, code, *words):
        result = getattr(self.checks, 'check_' + name)()
        self.assertEqual(code, result.code, result.details)
        for word in words:
            self.assertIn(word, result.details)
