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

"""The demonstration, with fewer keys."""

from demo import resident
from demo import timeline
from pocketcloud import client


def test_persistent_server_survives_and_control_does_not(cloud):
    cut = resident.ResidentPowerCut(5000, timeline.Timeline())
    try:
        cut.run()
        report = client.temporality('outage', 'report')
    finally:
        client.delete(resident.PERSISTENT, resident.CONTROL)
    assert cut.persistent.keys_after == 5000
    assert cut.control.keys_after == 0
    assert 'recovery' in [row[0] for row in cut.summary_rows()]
    [server] = [server for server in report['servers']
                if server['name'] == cut.persistent.uuid]
    assert (server['verdict'], server['display_name']) == (
        'survived', resident.PERSISTENT)
    recovery = server['recovery']
    # The kernel went on; only the host's programs ended.
    assert report['host']['started_s'] is None
    assert (0 < report['host']['libvirt_s'] < report['host']['up_s'] <
            recovery['began_s'] < recovery['started_s'] <
            recovery['loaded_s'] < recovery['running_s'])
