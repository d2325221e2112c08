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

"""The service users, roles and endpoints, through Keystone's API."""

import json
import urllib.error
import urllib.request

from pocketcloud import layout

SERVICES = {
    'glance': ('image', layout.url('glance')),
    'nova': ('compute', layout.url('nova-api', '/v2.1')),
    'neutron': ('network', layout.url('neutron-api')),
    'placement': ('placement', layout.url('placement')),
}


class Keystone:
    """As much of a client as is needed before anything else runs."""

    def __init__(self):
        self.token = None
        user = {'name': 'admin', 'domain': {'id': 'default'},
                'password': layout.secret()}
        project = {'name': 'admin', 'domain': {'id': 'default'}}
        self.call('POST', '/auth/tokens', {'auth': {
            'identity': {'methods': ['password'],
                         'password': {'user': user}},
            'scope': {'project': project}}})

    def call(self, method, path, body=None):
        """Call the API and return the decoded body of its answer."""
        request = urllib.request.Request(
            layout.url('keystone', '/v3' + path), method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={'Content-Type': 'application/json',
                     'X-Auth-Token': self.token or ''})
        with urllib.request.urlopen(request, timeout=60) as answer:
            self.token = answer.headers.get('X-Subject-Token', self.token)
            text = answer.read()
        return json.loads(text) if text else None

    def ensure(self, kind, body):
        """Return the id of the thing of this name, created if missing."""
        plural = kind + 's'
        for thing in self.call('GET', '/' + plural)[plural]:
            if thing.get('name') == body['name']:
                return thing['id']
        return self.call('POST', '/' + plural, {kind: body})[kind]['id']


def create(services=SERVICES):
    """Create what is missing.

    :param services: {user: (type of its service, URL)}
    """
    keystone = Keystone()
    roles = [keystone.ensure('role', {'name': name})
             for name in ('admin', 'service')]
    project = keystone.ensure('project', {'name': 'service',
                                          'domain_id': 'default'})
    endpoints = {(e['service_id'], e['interface']) for e in
                 keystone.call('GET', '/endpoints')['endpoints']}
    for name, (kind, url) in services.items():
        user = keystone.ensure('user', {
            'name': name, 'password': layout.secret(),
            'domain_id': 'default'})
        for role in roles:
            keystone.call('PUT', '/projects/%s/users/%s/roles/%s'
                          % (project, user, role))
        service = keystone.ensure('service', {'name': name, 'type': kind})
        for interface in 'public', 'internal':
            if (service, interface) not in endpoints:
                keystone.call('POST', '/endpoints', {'endpoint': {
                    'service_id': service, 'interface': interface,
                    'url': url, 'region_id': layout.REGION}})


def wake_neutron():
    """Have Neutron's API configure its database models.

    It does so with the first query, unless that is one for ports, which
    fails instead; nova-api's would be one.
    """
    request = urllib.request.Request(
        layout.url('neutron-api', '/v2.0/networks'),
        headers={'X-Auth-Token': Keystone().token})
    urllib.request.urlopen(request, timeout=60).close()
