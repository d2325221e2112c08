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

"""What the demonstration tells of the vault, out of the product's reports."""

import datetime

_MIB = 1 << 20


def forecast(vault):
    """What status says of the energy that writing the vault would take.

    :param vault: of "temporality status"
    """
    return ('%d MiB would be in the vault after %.1f s, by the disk alone; '
            'power lasts for %d s' % (
                vault['bytes'] // _MIB, vault['predicted'], vault['hold_up']))


def servers(outage):
    """Yield name, bytes written and time.time() of durability, or None.

    :param outage: the last one of "temporality status"
    """
    for one in outage['vault']['servers']:
        yield (one['name'], one['bytes'],
               one['durable'] and _seconds(one['durable']))


def budget(outage):
    """Say how long power was needed for an outage."""
    began = _seconds(outage['event']['time'])
    last = max(durable for _name, _size, durable in servers(outage) if durable)
    return ('budget: power was needed for %.2f s, %.2f s of them to write '
            '%.1f MiB to the vault' % (
                last - began, outage['vault']['seconds'],
                outage['vault']['bytes'] / _MIB))


def back_s(report, name):
    """Seconds from the beginning of the restore until a server ran.

    :param report: "temporality outage report"
    :returns: None while it does not run
    """
    recovery = _server(report, name)['recovery']
    if not recovery or recovery['running_s'] is None:
        return None
    return recovery['running_s'] - report['vault']['restore_began_s']


def restore(report, names):
    """Say what was read from the vault, and how soon servers ran."""
    vault = report['vault']
    return ('restore: %.1f MiB read from the vault in %.2f s; from its '
            'beginning until servers ran: %.1f s, with the start of all '
            'services' % (
                vault['read_bytes'] / _MIB,
                vault['restored_s'] - vault['restore_began_s'],
                max(back_s(report, name) for name in names)))


def durable_s(report, name):
    """Seconds from the event until a server was durable in the vault."""
    return _server(report, name)['fixation']['vaulted_ms'] / 1e3


def _server(report, name):
    [server] = [server for server in report['servers']
                if server['name'] == name]
    return server


def _seconds(time):
    return datetime.datetime.fromisoformat(time).timestamp()
