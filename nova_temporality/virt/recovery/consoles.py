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

"""Serial consoles that are TCP ports ([serial_console] enabled)."""

from lxml import etree
from nova.console import serial


def with_free_ports(xml: str) -> str:
    """XML of a domain of which every serial console listens on a free port.

    Those that it had when it was recorded may be other servers' by now. Nova
    looks them up in the domain that runs, and refuses tokens for others.

    :raises nova.exception.SocketPortRangeExhaustedException:
    """
    root = etree.fromstring(xml)
    ports: dict[tuple[str, str], str] = {}
    for kind in 'serial', 'console':
        # libvirt shows the first serial device as a console, too.
        for source in root.findall(
                "devices/%s[@type='tcp']/source[@mode='bind']" % kind):
            before = source.get('host'), source.get('service')
            if before not in ports:
                ports[before] = str(serial.acquire_port(before[0]))
            source.set('service', ports[before])
    return etree.tostring(root, encoding='unicode')
