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

"""The second host's network namespace, and the veth pairs that lead out of it.

Both hosts have bridges of the same names, and taps too while a server moves.
So all daemons of the second host run in a network namespace. One veth pair
leads to the controller: inside of the namespace the controller's ports on
127.0.0.1 are reached through it. The other one connects the provider bridges
of the hosts.
"""

from collections.abc import Sequence
import subprocess

from pocketcloud import layout
from pocketcloud import network

# Their ends at the first host and the controller. At the second host the ends
# are called "control" and "provider".
CONTROL = 'tp-control'
PROVIDER = 'tp-provider'

_FIRST = '''
link add {control} type veth peer name control netns {netns}
link add {provider} type veth peer name provider netns {netns}
address add {controller}/30 dev {control}
link set {control} up
link set {provider} up
'''

# The kernel looks up local addresses first. The rules are changed here, so
# that the route to the controller comes before.
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


def _ip(script: str, *options: str) -> None:
    names = {
        'address': layout.SECOND.address, 'control': CONTROL,
        'controller': layout.CONTROLLER_ADDRESS, 'loopback': layout.ADDRESS,
        'netns': layout.SECOND.netns,
        'ports': '%d-%d' % (min(layout.PORTS.values()),
                            max(layout.PORTS.values())),
        'provider': PROVIDER, 'table': _TABLE}
    subprocess.run(['ip', *options, '-batch', '-'], check=True, text=True,
                   input=script.format(**names))


def _let_loopback_pass(device: str, enter: Sequence[str]) -> None:
    """Let packets from and to 127.0.0.1 pass, which Linux drops by default."""
    subprocess.run(
        [*enter, 'sysctl', '-q', '-w'] + [
            'net.ipv4.conf.%s.%s=1' % (device, name)
            for name in ('route_localnet', 'accept_local')], check=True)


def _exists() -> bool:
    found = subprocess.run(
        ['ip', '-n', layout.SECOND.netns, 'rule', 'show', 'preference', '0'],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    # The removal of this rule is the last step of create().
    return found.returncode == 0 and not found.stdout


def create() -> str:
    """Create the namespace and its veth pairs."""
    if _exists():
        return 'created already'
    remove()
    subprocess.run(['ip', 'netns', 'add', layout.SECOND.netns], check=True)
    _ip(_FIRST)
    _let_loopback_pass(CONTROL, [])
    _let_loopback_pass('control', ['ip', 'netns', 'exec',
                                   layout.SECOND.netns])
    _ip(_SECOND, '-n', layout.SECOND.netns)
    return 'created'


def remove() -> None:
    """Remove the veth pairs and the namespace, with all that is in it."""
    for device in filter(network.link_exists, (CONTROL, PROVIDER)):
        # The kernel removes what is in a namespace later.
        subprocess.run(['ip', 'link', 'delete', device], check=True)
    if (network.NETNS / layout.SECOND.netns).exists():
        subprocess.run(['ip', 'netns', 'delete', layout.SECOND.netns],
                       check=True)
