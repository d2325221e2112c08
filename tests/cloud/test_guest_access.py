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

"""Ways into a server, before a power cut and after: consoles, guest agent."""

import base64
import ctypes
import re
import socket
import time

import pytest

from pocketcloud import client
from pocketcloud import config
from pocketcloud import host
from pocketcloud import services
from pocketcloud import tenant

from tests.cloud import actors
from tests.cloud import helpers

AGENT = {'hw_qemu_guest_agent': 'yes', 'os_require_quiesce': 'yes'}


@pytest.fixture(scope='module')
def equipped(cloud):
    """A persistent server that has a display, a serial port and an agent."""
    path = config.FILES['compute.conf']
    path.write_text(path.read_text() +
                    '[vnc]\nenabled = true\n'
                    '[serial_console]\nenabled = true\n')
    helpers.boot()
    tenant.wait_compute_service()
    images = tenant.connect().image
    image = images.find_image(tenant.IMAGE)
    images.update_image(image, **AGENT)
    names = []
    try:
        actor = actors.Actor(names, name='equipped',
                             metadata={'persistent': 'true'})
    finally:
        images.patch(image.id, json=[{'op': 'remove', 'path': '/' + name}
                                     for name in AGENT], headers={
            'Content-Type': 'application/openstack-images-v2.1-json-patch'})
    yield actor
    client.delete(*names)
    config.render()
    helpers.boot()


def connect(actor, protocol, kind):
    """Connect to a console where Nova tells its proxies that it is."""
    url = actor.compute.create_server_remote_console(
        actor.id, protocol=protocol, type=kind).url
    token = re.search('token(?:=|%3D)([0-9a-f-]+)', url)[1]
    told = actor.compute.get('/os-console-auth-tokens/' + token,
                             microversion='2.31').json()['console']
    assert told['instance_uuid'] == actor.id
    assert told['host'] == '127.0.0.1'
    return socket.create_connection((told['host'], int(told['port'])), 30)


def check_consoles(actor):
    with connect(actor, 'vnc', 'novnc') as display:
        assert display.recv(4) == b'RFB '  # RFC 6143, 7.1.1
    with connect(actor, 'serial', 'serial') as line:
        said = b''
        while b'init: up since' not in said:
            part = line.recv(4096)
            assert part
            said += part


def wait_agent(actor):
    """Wait until libvirt sees that the guest has opened the channel."""
    helpers.wait(lambda: "state='connected'" in host.domain(actor.id))


def read_in_guest(actor, path):
    """A file of the guest."""
    handle = host.ask_agent(actor.id, 'guest-file-open', path=path)
    read = host.ask_agent(actor.id, 'guest-file-read', handle=handle)
    host.ask_agent(actor.id, 'guest-file-close', handle=handle)
    return base64.b64decode(read['buf-b64']).decode()


def check_password(actor, password):
    """Set root's password, and have the guest's own hash confirm it."""
    actor.compute.change_server_password(actor.id, password)
    [stored] = re.findall('^root:([^:]*):', read_in_guest(
        actor, '/etc/shadow'), re.MULTILINE)
    crypt = ctypes.CDLL('libcrypt.so.1').crypt
    crypt.restype = ctypes.c_char_p
    assert crypt(password.encode(), stored.encode()) == stored.encode()


def check_image(actor):
    """An image is made of a frozen file system, and all runs on."""
    log = helpers.Log()
    image = actor.compute.create_server_image(
        actor.id, 'quiesced', wait=True, timeout=client.PATIENCE)
    assert image.status == 'active'
    actor.cloud.image.delete_image(image)
    assert 'Skipping quiescing' not in log
    check_writes(actor)
    actor.wait_armed()


def check_writes(actor):
    """The guest writes to its disk."""
    before = actor.life().fsync
    helpers.wait(lambda: actor.life().fsync > before + 5)


def check_clock(actor):
    guest = helpers.guest_of(actor.id)
    helpers.wait(lambda: abs(guest.clock() - time.time()) < 2)


def test_before_and_after_a_power_cut(equipped):
    before = equipped.life()
    wait_agent(equipped)
    check_consoles(equipped)
    check_password(equipped, 'before the cut')
    check_image(equipped)

    # An image is about to be made, and the guest is frozen, when the power
    # fails; nobody comes back to thaw it.
    services.of_host('nova-compute').stop()
    equipped.compute.create_server_image(equipped.id, 'cut off')
    assert host.ask_agent(equipped.id, 'guest-fsfreeze-freeze') > 0
    equipped.power_cut()

    equipped.wait('ACTIVE')
    after = equipped.life()
    assert after.boot_id == before.boot_id
    wait_agent(equipped)
    check_writes(equipped)
    assert host.ask_agent(equipped.id, 'guest-fsfreeze-status') == 'thawed'
    check_clock(equipped)
    check_consoles(equipped)
    check_password(equipped, 'after it')
    check_image(equipped)
