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

"""What the notifier exports to Prometheus."""

import dataclasses

from nova_temporality.notifier import mutes
from nova_temporality.notifier.reports import events
from nova_temporality.notifier.reports import host_metrics
from nova_temporality.notifier.reports import metrics
from tests.framework import pools
from tests.framework import status

VAULT = {'path': '/vault', 'hold_up': 60, 'bytes': 4 << 20,
         'mib_per_s': 2.0, 'disk_size': 1 << 40, 'measured_at': '2026',
         'predicted': 2.0, 'problem': None, 'fits': True,
         'bounded': 9 << 20, 'room': 3 << 20}

# Of the POD driver, see pod/statistics.c.
_POD = ('events', 'nmis', 'acknowledged', 'missed', 'late', 'acknowledge_ns',
        'notifiers_gone', 'signals_failed', 'write_backs', 'write_back_cpus',
        'write_back_ns', 'parks', 'park_ns')


class Ahead:
    """Stands for ahead.Ahead."""

    written = 1
    missed = 1

    def left(self):
        return {'a': 1}


class Bound:
    """Stands for vault_bound.VaultBound."""

    slowed = {'a': 1.0}


class Notifier:
    """Stands for daemon.Notifier.

    :param path: where it keeps mutes
    :param info: see daemon.Notifier.pool_info()
    :param changes: of what status() returns
    """

    ahead = Ahead()
    bound = Bound()

    def __init__(self, path='/nonexistent', info=None, **changes):
        self.mutes = mutes.Mutes(str(path))
        self.changes = {'pvms': [], **changes}
        self._info = info

    def status(self):
        return status.sound(**self.changes)

    def outage_raised_by(self):
        return ()

    def pool_info(self):
        return self._info


def everything(directory):
    """Return all families, each with a sample at least.

    :param directory: for this function
    """
    with pools.create(directory / 'pool') as pool:
        info = dataclasses.replace(pool.info(), vault='/vault')
    pvms = [{'name': 'a', 'result': 'fixated', 'stopped_ms': 1.0,
             'saved_ms': 1.0, 'fixated_ms': 1.0}]
    exported = metrics.Metrics(Notifier(
        info=info, pvms=[status.ARMED], vault=VAULT,
        sources=[dict(status.SOURCE, heard=status.DRILLED_AT)],
        last_outage={'id': 'b', 'pvms': pvms}, last_drill={'pvms': pvms}))
    for kind in events.OUTAGE_FIXATED, events.DRILL_ENDED:
        exported.on_event(kind, {'pvms': pvms})
    exported.on_event(events.OUTAGE_VAULTED, {'vault': {'servers': [
        {'name': 'a', 'durable': '2026'}]}})
    statistics = directory / 'statistics'
    statistics.mkdir()
    for name in _POD:
        (statistics / name).write_text('1\n')
    found = {family.name: family for family in exported.registry.collect()}
    found.update((family.name, family)
                 for family in host_metrics.pod_driver(str(statistics)))
    return list(found.values())
