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

"""The second host's network namespace, and the cables that lead out of it.

Two hosts need one each, as both have bridges, and taps of one server, of the
same names. All daemons of the second host run in its own. One cable leads to
the controller: its ports of 127.0.0.1 are the controller's there. The other
one connects the hosts' provider bridges, for the servers.
"""

import subprocess

from pocketcloud import layout
from pocketcloud import network

# Their ends at the first host and the controller; at the second one they are
# called what they are for.
CONTROL = 'tp-control'
PROVIDER = 'tp-provider'

_FIRST = '''
link add {control} type veth peer name control netns {netns}
link add {provider} type veth peer name provider netns {netns}
address add {controller}/30 dev {control}
link set {control} up
link set {provider} up
'''

# Local addresses are looked up first of all, unless told otherwise.
_SECOND = '''
link set lo up
address add {address}/30 dev control
link set control up
link set provider up
route add {loopback} via {controller} table {table}
rule add preference 2 lookup local
rule add preference 1 to {loopback} ipproto tcp dport {ports} lookup {table}
rule delete preference 0
'''
_TABLE = 77


def _ip(script, *options):
    names = {
        'address': layout.SECOND.address, 'control': CONTROL,
        'controller': layout.CONTROLLER_ADDRESS, 'loopback': layout.ADDRESS,
        'netns': layout.SECOND.netns,
        'ports': '%d-%d' % (min(layout.PORTS.values()),
                            max(layout.PORTS.values())),
        'provider': PROVIDER, 'table': _TABLE}
    subprocess.run(['ip', *options, '-batch', '-'], check=True, text=True,
                   input=script.format(**names))


def _let_loopback_pass(device, enter):
    """By default 127.0.0.1 is nothing that another machine may speak to."""
    subprocess.run(
        [*enter, 'sysctl', '-q', '-w'] + [
            'net.ipv4.conf.%s.%s=1' % (device, name)
            for name in ('route_localnet', 'accept_local')], check=True)


def _are_plugged():
    found = subprocess.run(
        ['ip', '-n', layout.SECOND.netns, 'rule', 'show', 'preference', '0'],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    # It is what goes last.
    return found.returncode == 0 and not found.stdout


def plug():
    """Make the namespace and its cables."""
    if _are_plugged():
        return 'plugged already'
    unplug()
    subprocess.run(['ip', 'netns', 'add', layout.SECOND.netns], check=True)
    _ip(_FIRST)
    _let_loopback_pass(CONTROL, [])
    _let_loopback_pass('control', ['ip', 'netns', 'exec',
                                   layout.SECOND.netns])
    _ip(_SECOND, '-n', layout.SECOND.netns)
    return 'plugged'


def unplug():
    """Remove the cables and the namespace, with all that is in it."""
    for device in filter(network.link_exists, (CONTROL, PROVIDER)):
        # The kernel removes what is in a namespace later.
        subprocess.run(['ip', 'link', 'delete', device], check=True)
    if (network.NETNS / layout.SECOND.netns).exists():
        subprocess.run(['ip', 'netns', 'delete', layout.SECOND.netns],
                       check=True)
