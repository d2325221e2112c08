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

"""What the first host's virtual network leaves in the kernel.

Open vSwitch's userspace datapath keeps its own devices when it is killed, and
so do the namespaces of the DHCP agent, with a dead device inside that the
agent would take for a living one.
"""

import pathlib
import subprocess

from pocketcloud import layout

NETNS = pathlib.Path('/run/netns')
LINKS = layout.INTEGRATION_BRIDGE, layout.PROVIDER_BRIDGE, 'ovs-netdev'
# The note that the devices are ours, and the list of our namespaces.
CLAIM = layout.STATE / 'network-links'
NAMESPACES = layout.STATE / 'network-namespaces'


def link_exists(name):
    """Is there a network device of this name?"""
    return subprocess.run(['ip', 'link', 'show', name],
                          stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL).returncode == 0


def claim():
    """Refuse to work beside another Open vSwitch of this kind."""
    there = [link for link in LINKS if link_exists(link)]
    if there:
        raise FileExistsError(
            'the network devices %s belong to somebody else, perhaps to '
            'another Open vSwitch' % ' and '.join(there))
    CLAIM.touch()


def note_namespaces():
    """Note our namespaces, known by the networks which the agent serves.

    In a file, since their names are on the host's disk, which may be gone
    when they are to be removed.
    """
    networks = layout.HOST_DISK / 'neutron' / 'dhcp'
    names = {'qdhcp-' + path.name for path in networks.glob('*')}
    if NAMESPACES.exists():
        names.update(NAMESPACES.read_text().split())
    NAMESPACES.write_text('\n'.join(sorted(names)))


def remove():
    """Remove our namespaces and devices."""
    note_namespaces()
    for name in NAMESPACES.read_text().split():
        if (NETNS / name).exists():
            subprocess.run(['ip', 'netns', 'delete', name], check=True)
    NAMESPACES.unlink()
    if CLAIM.exists():
        for link in filter(link_exists, LINKS):
            subprocess.run(['ip', 'link', 'delete', link], check=True)
        CLAIM.unlink()
