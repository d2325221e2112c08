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

"""Regions of servers that Nova does not have on this host."""

from __future__ import annotations

from collections import abc

from nova import objects
from oslo_log import log as logging

from nova_temporality import conf
from nova_temporality.privsep import regions
from nova_temporality.virt import conductor
from nova_temporality import vpm
from nova_temporality.vpm import lease

CONF = conf.CONF
LOG = logging.getLogger(__name__)


def look(instances: abc.Iterable[objects.Instance]) -> None:
    """Free what is left of servers that moved away; tell of all others.

    :param instances: all that Nova has on this host
    """
    known = {instance.uuid for instance in instances}
    for name in regions.names(CONF.temporality.pool_path):
        if name in known:
            continue
        try:
            found = conductor.ask(name)
        except conductor.NoAnswer as exc:
            LOG.warning('Nova does not say what has become of server %s, '
                        'whose region is kept: %s', name, exc)
            continue
        if found == conductor.ELSEWHERE:
            _reclaim(name)
        else:
            LOG.warning('The NVRAM pool has a region of server %s, which '
                        'Nova does not have on this host. It is kept; '
                        '"temporality region gc" frees it if Nova says '
                        'that the server is gone.', name)


def _reclaim(name: str) -> None:
    # Of a live migration that failed, or was not seen to end.
    try:
        regions.reclaim(CONF.temporality.pool_path, CONF.temporality.run_dir,
                        name)
        LOG.warning('Freed the NVRAM of server %s, which is on another host',
                    name)
    except (lease.RegionInUse, vpm.VpmError) as exc:
        LOG.error('Cannot free the NVRAM of server %s, which is on another '
                  'host: %s', name, exc)
