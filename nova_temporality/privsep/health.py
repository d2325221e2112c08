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

"""What the notifier says of this host, for nova-compute, which may not ask."""

from nova_temporality.notifier import client
from nova_temporality.notifier import health
from nova_temporality import privsep

# Seconds; nova-compute holds a lock meanwhile.
_PATIENCE = 2.0


@privsep.entrypoint
def obstacles(run_dir: str) -> dict[str, str]:
    """Why this host could not fixate a server now.

    :returns: by code of health, in words; empty if it could
    """
    try:
        report: health.Report = client.call(run_dir, 'health', _PATIENCE)
    except client.NotifierError as exc:
        report = health.away(str(exc))
    return {finding['code']: '; '.join(
        '%(name)s: %(detail)s' % concern for concern in finding['concerns'])
        for finding in report['findings'] if finding['refuses']}
