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

"""The pocket cloud, brought up once for all tests that need it."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / 'tools'))


@pytest.fixture(scope='session')
def cloud():
    """A cloud that is up; stopped at the end."""
    from pocketcloud import cli
    from pocketcloud import layout
    layout.require_state()
    cli.up()
    _delete_servers()
    yield
    cli.down()


def _delete_servers():
    """Delete those of a demonstration, or of tests that were cut off."""
    from pocketcloud import tenant
    compute = tenant.connect().compute
    left = list(compute.servers())
    for server in left:
        compute.delete_server(server)
    for server in left:
        compute.wait_for_delete(server)


@pytest.fixture(scope='session')
def block_storage(cloud):
    """Cinder, in the cloud."""
    from pocketcloud import blockstorage
    from pocketcloud import cli
    blockstorage.up(cli.report)


@pytest.fixture
def servers(cloud):
    """Names of servers that a test makes; they are deleted at its end."""
    from pocketcloud import client
    names = []
    yield names
    client.delete(*names)


@pytest.fixture
def flavors(cloud):
    """Make flavors; they are deleted at the end of the test."""
    from pocketcloud import client
    names = []

    def create(name, *options):
        names.append(name)
        client.run('openstack', 'flavor', 'create', '--vcpus', '1',
                   '--disk', '1', *options, name)

    yield create
    client.run('openstack', 'flavor', 'delete', *names)
