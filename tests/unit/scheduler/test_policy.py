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

"""Who may ask for persistence by a server property or an image."""

import os

import fixtures
from nova import context
from nova import policy as nova_policy

from nova_temporality.scheduler import policy
from tests.unit import base


class PolicyTest(base.NovaTestCase):

    def rule(self, check):
        directory = self.useFixture(fixtures.TempDir()).path
        path = os.path.join(directory, 'policy.yaml')
        with open(path, 'w') as stream:
            stream.write('"%s": "%s"\n' % (policy.CREATE_BY_PROPERTY, check))
        self.flags(policy_file=path, group='oslo_policy')
        nova_policy.reset()
        self.addCleanup(nova_policy.reset)

    def may(self, project='some', roles=('member',), is_admin=False):
        return policy.may_create_by_property(context.RequestContext(
            'user', project, roles=list(roles), is_admin=is_admin))

    def test_everybody_may(self):
        nova_policy.reset()
        self.addCleanup(nova_policy.reset)
        self.assertTrue(self.may())

    def test_some_projects(self):
        self.rule('project_id:ours')
        self.assertTrue(self.may('ours'))
        self.assertFalse(self.may('theirs'))

    def test_a_role(self):
        self.rule('role:persistent')
        self.assertTrue(self.may(roles=('member', 'persistent')))
        self.assertFalse(self.may())

    def test_a_rule_of_novas(self):
        self.rule('rule:context_is_admin')
        self.assertTrue(self.may(roles=('admin',)))
        self.assertFalse(self.may())

    def test_images_follow_the_rule_for_the_property(self):
        self.rule('role:persistent')
        for roles, may in ((('member', 'persistent'), True),
                           (('member',), False)):
            self.assertIs(may, policy.may_create_by_image(
                context.RequestContext('user', 'some', roles=list(roles))))

    def test_rule_is_in_samples(self):
        self.assertEqual([policy.CREATE_BY_PROPERTY, policy.CREATE_BY_IMAGE],
                         [rule.name for rule in policy.list_rules()])
