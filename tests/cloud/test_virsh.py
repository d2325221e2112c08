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

"""An operator who uses virsh: nothing proven is lost, nothing runs twice."""

import pathlib
import subprocess

import pytest

from pocketcloud import client
from pocketcloud import disk
from pocketcloud import host
from pocketcloud import layout

from tests.cloud import actors
from tests.cloud import helpers
from tests.cloud import records


LIBVIRT_GUESTS = pathlib.Path('/usr/lib/libvirt/libvirt-guests.sh')


@pytest.fixture
def libvirt_guests(tmp_path):
    """Has libvirt's service for guests stop, or start, as an operator set it.

    It shall save guests at a shutdown, and bring them back.
    """
    script = tmp_path / 'libvirt-guests.sh'
    script.write_text(
        LIBVIRT_GUESTS.read_text()
        .replace('initconfdir="/etc/default"', 'initconfdir="%s"' % tmp_path)
        .replace('localstatedir="/var"', 'localstatedir="%s"' % tmp_path))
    (tmp_path / 'libvirt-guests').write_text(
        'URIS="qemu+unix:///system?socket=%s"\n'
        'ON_SHUTDOWN=suspend\nON_BOOT=start\n'
        % layout.FIRST.libvirt_socket)
    for directory in 'lib/libvirt', 'lock':
        (tmp_path / directory).mkdir(parents=True)

    def run(action):
        return subprocess.run(['sh', script, action], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    return run


def refused(*command):
    """What libvirt's hook says against it."""
    done = host.virsh(*command)
    assert done.returncode, command
    assert 'is a persistent server of OpenStack' in done.stderr
    return done.stderr


def check_booted(actor, before):
    """Another boot, on memory that nothing is left in."""
    actor.do('start', 'ACTIVE')
    assert actor.life().boot_id != before.boot_id
    assert len(actor.qemus()) == 1
    actor.wait_armed()


def test_proven_server_is_not_booted(servers):
    actor = actors.Actor(servers, metadata={'persistent': 'true'})
    before = actor.life()
    actor.wait_armed()
    # libvirt does not sync what it knows of a server.
    subprocess.run(['sync', '--file-system', layout.HOST_DISK], check=True)
    helpers.power_fails([actor.id])
    host.power_cut()
    disk.mount_host_disk()
    record = records.Record(actor.id)
    with records.held(record):
        helpers.boot()
        records.wait_read(record)
        assert 'its state is proven' in refused('start', actor.id)
        assert actor.qemus() == []
    actor.wait_armed()
    after = actor.life()
    assert after.boot_id == before.boot_id
    assert after.uptime >= before.uptime


def test_images_of_memory_by_libvirt(servers, tmp_path):
    """They end the server; nobody runs on from them."""
    actor = actors.Actor(servers, metadata={'persistent': 'true'})
    before = actor.life()
    actor.wait_armed()
    saved = host.virsh('managedsave', actor.id)
    assert not saved.returncode, saved.stderr
    actor.wait('SHUTOFF')
    # It says that it has been started all the same.
    host.virsh('start', actor.id)
    assert actor.qemus() == []
    check_booted(actor, before)

    before = actor.life()
    image = str(tmp_path / 'image')
    saved = host.virsh('save', actor.id, image)
    assert not saved.returncode, saved.stderr
    actor.wait('SHUTOFF')
    assert 'older than its disks' in refused('restore', image)
    assert actor.qemus() == []
    check_booted(actor, before)


def test_libvirt_guests_and_fixated_servers(servers, libvirt_guests):
    """They are neither saved nor waited for, nor started in another way."""
    actor = actors.Actor(servers, metadata={'persistent': 'true'})
    before = actor.life()
    actor.wait_armed()
    list(host.stop_observers())
    # The script of a UPS, say; then the host is shut down.
    client.temporality('fixate')
    stopped = libvirt_guests('stop')
    assert "Failed to save domain '%s'" % actor.id in stopped.stdout
    assert len(actor.qemus()) == 1
    [ended] = client.temporality('fixate', '--for-reboot')
    assert ended['Ended'] is True
    list(host.shut_down())
    helpers.boot()
    # It tries those that it had found.
    assert 'Resuming guest' in libvirt_guests('start').stdout
    actor.wait_armed()
    after = actor.life()
    assert after.boot_id == before.boot_id
    assert len(actor.qemus()) == 1
