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

"""What a sound host's notifier answers to "status"."""

ARMED = {'name': 'pvm', 'state': 'armed', 'reason': None, 'remedy': None,
         'code': None, 'route': 'migrate', 'priority': 50}
SOURCE = {'name': 'signal', 'state': 'listening', 'since': None,
          'heard': None, 'detail': None, 'problem': None, 'remark': None,
          'is_sound': True}
NVDIMM = {'name': 'nmem0', 'id': 'a', 'is_armed': True, 'losses': [],
          'events': [], 'dirty_shutdowns': 4}
DRILLED_AT = '2026-01-01T00:00:00.000+00:00'


def sound(**changes):
    """That, with some values replaced."""
    return {
        'version': '1.0.0',
        'engine': 'fine', 'engine_lost': '', 'engine_problem': None,
        'sources': [SOURCE],
        'pool': '/pool', 'pool_error': None, 'medium': 'dax',
        'medium_problem': None,
        'nvdimms': [NVDIMM],
        'platform': {'caches': 'hardware', 'detail': 'eADR'},
        'pvms': [ARMED], 'unwatched': [], 'background_paused': None,
        'budget': {'hold_up_ms': 10, 'predicted_ms': 1.0, 'fits': True,
                   'not_drilled': 0, 'assumed_ms': 1.0, 'drilled_ms': 1.0,
                   'drilled_at': DRILLED_AT},
        'vault': None, 'pending': {},
        'clock': {'is_synchronised': True, 'needed_for': ['max_outage']},
        'outage_raised_by': (), 'last_outage': None,
        'last_drill': None} | changes
