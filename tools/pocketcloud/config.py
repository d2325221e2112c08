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

"""The configuration files, rendered from templates."""

import pathlib
import string
import uuid

from pocketcloud import layout

TEMPLATES = pathlib.Path(__file__).parent / 'templates'

# template -> where the rendered file goes
FILES = {
    'keystone.conf': layout.ETC / 'keystone/keystone.conf',
    'placement.conf': layout.ETC / 'placement/placement.conf',
    'glance-api.conf': layout.ETC / 'glance/glance-api.conf',
    'cinder.conf': layout.ETC / 'cinder/cinder.conf',
    'nova.conf': layout.ETC / 'nova/nova.conf',
    'nova-db.conf': layout.ETC / 'nova/nova-db.conf',
    'neutron.conf': layout.ETC / 'neutron/neutron.conf',
    'ml2.ini': layout.ETC / 'neutron/ml2.ini',
    'dhcp.ini': layout.ETC / 'neutron/dhcp.ini',
    'rabbitmq.conf': layout.ETC / 'rabbitmq/rabbitmq.conf',
    'openrc': layout.STATE / 'openrc',
}


def host_files(which):
    """The same for what every compute host has of its own."""
    return {
        'compute.conf': which.etc / 'nova/compute.conf',
        'temporality.conf': which.etc / 'temporality/temporality.conf',
        'libvirtd.conf': which.etc / 'libvirt/libvirtd.conf',
        'virtlogd.conf': which.etc / 'libvirt/virtlogd.conf',
        'qemu.conf': which.etc / 'libvirt/qemu.conf',
        'agent.ini': which.etc / 'neutron/agent.ini',
    }


# Of the controller and the first host.
FILES.update(host_files(layout.FIRST))


DB_OPTIONS = 'max_pool_size = 5\nmax_overflow = 20'

AUTH = '''www_authenticate_uri = {url}
auth_url = {url}
auth_type = password
project_domain_id = default
user_domain_id = default
project_name = service
password = {secret}
region_name = {region}'''

MESSAGING = '''[oslo_messaging_rabbit]
heartbeat_in_pthread = false
rabbit_quorum_queue = false

[oslo_messaging_notifications]
driver = noop'''

DATABASES = ('keystone', 'placement', 'glance', 'nova_api', 'nova_cell0',
             'nova_cell1', 'neutron', 'cinder')


def values(which, instances):
    """What the templates may refer to.

    :param which: layout.Host
    :param instances: where the servers' disks are
    """
    secret = layout.secret()
    own = host_files(which)
    known = {
        'address': layout.ADDRESS,
        'auth': AUTH.format(url=layout.url('keystone', '/v3'), secret=secret,
                            region=layout.REGION),
        'compute_driver': layout.COMPUTE_DRIVER,
        'concurrency': which.concurrency,
        'controller': layout.CONTROLLER,
        'db_options': DB_OPTIONS,
        'host': which.name,
        'host_address': which.address,
        'host_disk': which.disk,
        'host_run': which.run,
        # Stays the same as long as the state directory does.
        'host_uuid': uuid.uuid5(uuid.NAMESPACE_OID, secret + which.number),
        'in_namespace': which.netns is not None,
        'instances': instances,
        'integration_bridge': layout.INTEGRATION_BRIDGE,
        'libvirt_socket': which.libvirt_socket,
        'libvirt_sockets': layout.LIBVIRT_SOCKETS,
        'messaging': MESSAGING,
        'ovsdb': which.ovsdb,
        'pool': which.pool,
        'provider_bridge': layout.PROVIDER_BRIDGE,
        'privsep_cinder': '%s/privsep-helper --config-file %s' % (
            layout.BIN, FILES['cinder.conf']),
        'privsep_neutron': '%s/privsep-helper --config-file %s' % (
            layout.BIN, FILES['neutron.conf']),
        'privsep_nova':
            '%s/privsep-helper --config-file %s --config-file %s' % (
                layout.BIN, FILES['nova.conf'], own['compute.conf']),
        'region': layout.REGION,
        'secret': secret,
        'shared': layout.SHARED,
        'transport': 'rabbit://pocket:%s@%s:%d/' % (
            secret, layout.ADDRESS, layout.PORTS['rabbitmq']),
        'vault': _vault(which),
        'venv': layout.VENV,
        'volumes': layout.VOLUMES,
    }
    for name in DATABASES:
        known['db_' + name] = layout.database_url(name)
    for name, port in layout.PORTS.items():
        name = name.removesuffix('-api').replace('-', '_')
        known['port_' + name] = port
        known['url_' + name] = 'http://%s:%d' % (layout.ADDRESS, port)
    return known


def _vault(which):
    """Options of a host whose pool has a vault; '' for others."""
    if not (which == layout.FIRST and layout.VAULTED.exists()):
        return ''
    return 'vault_path = %s\nvault_hold_up = %d' % (which.vault,
                                                    layout.VAULT_HOLD_UP)


def render():
    """Write all configuration files; they hold the secret."""
    _render(FILES, values(layout.FIRST, layout.FIRST.disk / 'nova/instances'))


def render_hosts(hosts, shared):
    """Write those of several compute hosts, for servers that move.

    :param shared: whether their disks are on storage that all hosts see
    """
    instances = (layout.SHARED / 'instances' if shared else
                 layout.OWN / 'disk/nova/instances')
    for which in hosts:
        _render(host_files(which), values(which, instances))


def _render(files, known):
    for name, target in files.items():
        text = string.Template((TEMPLATES / name).read_text())
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch(0o600)
        target.write_text(text.substitute(known))
