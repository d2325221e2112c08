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

"""This host's energy budget, as the notifier keeps it."""

import os

from oslo_log import log as logging

from nova_temporality.host import budget
from nova_temporality.spec import priority

LOG = logging.getLogger(__name__)


class HostBudget:
    """What drills have measured, and what follows from that.

    :param pool_path: directory of the pool
    :param hold_up_ms: [temporality] hold_up_ms
    """

    def __init__(self, pool_path, hold_up_ms):
        self._pool_path = pool_path
        self._hold_up_ms = hold_up_ms
        self._drilled = budget.load(pool_path)

    def learn(self, report, costs_ms, priorities):
        """Take the results of a drill.

        :param report: of the drill, in which these pVMs were fixated together
        :param costs_ms: dict by these pVMs of what each took alone
        :param priorities: dict of priority by all pVMs that there are; what
                           was measured earlier of those counts on
        """
        self._drilled = budget.Drilled(
            {name: cost for name, cost in
             {**self._drilled.costs_ms, **costs_ms}.items()
             if name in priorities},
            max(one['fixated_ms'] for one in report['pvms']
                if one['name'] in costs_ms),
            budget.bound_ms({name: priorities.get(name, priority.DEFAULT)
                             for name in costs_ms}, costs_ms, os.cpu_count()),
            report['event']['time'])
        try:
            budget.store(self._pool_path, self._drilled)
        except OSError as e:
            LOG.error('Cannot record what the drill measured: %s', e)

    def status(self, priorities):
        """Say whether these pVMs fit, in plain data."""
        prediction = budget.predict(priorities, self._drilled,
                                    os.cpu_count())
        return {
            'hold_up_ms': self._hold_up_ms,
            'predicted_ms': prediction.total_ms,
            'fits': prediction.total_ms <= self._hold_up_ms,
            'not_drilled': prediction.assumed,
            'assumed_ms': prediction.assumed_ms,
            'drilled_ms': self._drilled.total_ms,
            'drilled_at': self._drilled.time,
        }
