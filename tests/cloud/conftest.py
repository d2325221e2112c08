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

import importlib.util

import pytest

# "make install" installs it. Elsewhere, as in tox, there is no cloud to test.
if importlib.util.find_spec('pocketcloud') is None:
    collect_ignore_glob = ['test_*.py']
else:
    from pocketcloud import blockstorage
    from pocketcloud import cli
    from pocketcloud import client
    from pocketcloud import layout
    from pocketcloud import nvram
    from pocketcloud import second_host

    from tests.cloud import leftovers
    from tests.cloud import movers


@pytest.fixture(scope='session')
def cloud():
    """A cloud that is up; stopped at the end."""
    layout.require_state()
    cli.up()
    leftovers.remove()
    cli.have_nvram(nvram.EMULATED)
    yield
    cli.down()


@pytest.fixture(scope='session')
def block_storage(cloud):
    """Cinder, in the cloud."""
    blockstorage.up(cli.report)


@pytest.fixture(scope='module')
def hosts(cloud):
    """A second host is there."""
    second_host.up(lambda *args: None)
    yield
    second_host.down()


@pytest.fixture(scope='module')
def mover(hosts):
    """A persistent server on the first host."""
    yield movers.Mover('mover')
    client.delete('mover')


@pytest.fixture
def servers(cloud):
    """Names of servers that a test makes; they are deleted at its end."""
    names = []
    yield names
    client.delete(*names)


@pytest.fixture
def flavors(cloud):
    """Make flavors; they are deleted at the end of the test."""
    names = []

    def create(name, *options):
        names.append(name)
        client.run('openstack', 'flavor', 'create', '--vcpus', '1',
                   '--disk', '1', *options, name)

    yield create
    client.run('openstack', 'flavor', 'delete', *names)
