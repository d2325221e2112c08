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

"""What an attempt to save set in QEMU is undone."""

import pytest

from nova_temporality.qemu import migration


class FakeQemu:
    """Answers commands from lists, one answer after the other."""

    def __init__(self, **answers):
        self._answers = {name.replace('_', '-'): list(replies)
                         for name, replies in answers.items()}
        self.commands = []

    def command(self, name, args=None, timeout=None):
        self.commands.append(name)
        replies = self._answers.get(name, [{}])
        reply = replies.pop(0) if len(replies) > 1 else replies[0]
        if isinstance(reply, Exception):
            raise reply
        return reply


class TestCleanUp:

    def test_save_under_way_is_cancelled(self):
        qemu = FakeQemu(
            query_migrate=[{'status': 'active'}, {'status': 'cancelling'},
                           {'status': 'cancelled'}],
            query_status=[{'status': 'paused'}])
        migration.clean_up(qemu, 10)
        assert 'migrate_cancel' in qemu.commands
        assert qemu.commands[-1] == 'migrate-set-capabilities'

    @pytest.mark.parametrize('status', [{}, {'status': 'none'},
                                        {'status': 'completed'},
                                        {'status': 'failed'}])
    def test_nothing_to_cancel(self, status):
        qemu = FakeQemu(query_migrate=[status],
                        query_status=[{'status': 'paused'}])
        migration.clean_up(qemu, 10)
        assert 'migrate_cancel' not in qemu.commands
        assert qemu.commands[-1] == 'migrate-set-capabilities'

    def test_completed_save_is_waited_for(self):
        qemu = FakeQemu(query_migrate=[{'status': 'completed'}],
                        query_status=[{'status': 'finish-migrate'},
                                      {'status': 'finish-migrate'},
                                      {'status': 'postmigrate'}])
        migration.clean_up(qemu, 10)
        assert qemu.commands.count('query-status') == 3

    def test_stuck(self):
        qemu = FakeQemu(query_migrate=[{'status': 'cancelling'}],
                        query_status=[{'status': 'paused'}])
        with pytest.raises(migration.MigrationStuck):
            migration.clean_up(qemu, 0.01)
        assert 'migrate-set-capabilities' not in qemu.commands
