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

"""A server is put back to what it was, by the operator's command."""

import shutil
import subprocess

import pytest

from demo import disk_check
from pocketcloud import config
from pocketcloud import layout

from tests.cloud import actors
from tests.cloud import helpers


@pytest.fixture
def snapshot(cloud):
    """Run ``temporality snapshot``; return what it says."""
    directory = layout.HOST_DISK / 'snapshots'

    def run(action, *args, nova=False, ok=True):
        nova_args = ['--nova-config-file', config.FILES['nova.conf'],
                     '--nova-config-file', config.FILES['compute.conf']]
        done = subprocess.run(
            [layout.BIN / 'temporality', '--config-file',
             config.FILES['temporality.conf'], 'snapshot', action,
             '--directory', directory, *(nova_args if nova else []), *args],
            env=layout.environment(), text=True, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, check=False)
        assert (done.returncode == 0) == ok, done.stderr
        return done.stdout if ok else done.stderr
    yield run
    shutil.rmtree(directory, ignore_errors=True)


def test_server_is_what_it_was(servers, snapshot):
    actor = actors.Actor(servers, metadata={'persistent': 'true'})
    before = actor.life()
    actor.wait_armed()

    snapshot('create', actor.id, '--name', 'one', nova=True)

    made = actor.life()
    actor.wait_armed()
    # The number is told after it was written, so the disk may be one ahead.
    helpers.wait(lambda: actor.life().fsync > made.fsync + 1)
    after = actor.life()
    assert after.boot_id == before.boot_id
    assert after.fsync > before.fsync
    # It goes its way,
    actor.do('stop', 'SHUTOFF')
    assert '--fork' in snapshot('load', actor.id, 'one', nova=True, ok=False)

    # ... and that is undone.
    snapshot('load', '--fork', actor.id, 'one', nova=True)
    assert actor.wait('SUSPENDED').vm_state == 'suspended'
    written = disk_check.copy_and_check(disk_check.disk_of(actor.id))
    assert before.fsync <= written < after.fsync
    actor.do('resume', 'ACTIVE')
    again = actor.life()
    assert again.boot_id == before.boot_id
    assert again.fsync >= written
    assert again.uptime >= before.uptime
    actor.wait_armed()

    listed = snapshot('list', actor.id, '-f', 'json')
    assert '"State": "complete"' in listed
    assert '"Loads": 1' in listed
    snapshot('delete', actor.id, 'one')
    assert 'one' not in snapshot('list', actor.id)
