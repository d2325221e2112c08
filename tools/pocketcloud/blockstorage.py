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

"""Cinder, which is started on request, and not with the rest."""

import pathlib

from pocketcloud import catalog
from pocketcloud import config
from pocketcloud import database
from pocketcloud import graph
from pocketcloud import layout
from pocketcloud import service
from pocketcloud import services
from pocketcloud import tenant

CONF = config.FILES['cinder.conf']
DRIVER = pathlib.Path(__file__).with_name('volume_files.py')

TYPE = 'files'
# Several servers may have a volume of this one at the same time.
SHARED_TYPE = 'shared-files'
ENCRYPTED_TYPE = 'encrypted-files'


def _api():
    api = services.uwsgi('cinder-api', 'cinder.wsgi.api',
                         ('cinder-db', 'cinder-catalog'), (CONF,))
    api.command += ['--pyargv', '--config-file %s' % CONF]
    return api


def table():
    """Cinder's services; all of them are the controller's."""
    needs = 'cinder-db', 'cinder-catalog'
    return [
        _api(),
        service.Service(
            'cinder-scheduler', 'controller', needs=needs,
            command=services.with_files('cinder-scheduler', CONF),
            files=(CONF,), queue='cinder-scheduler'),
        service.Service(
            'cinder-volume', 'controller', needs=needs,
            command=services.with_files('cinder-volume', CONF),
            files=(CONF, DRIVER), queue='cinder-volume.%s@%s' % (
                layout.FIRST.name, TYPE)),
    ]


def known():
    """The services that were started and not stopped since."""
    return [one for one in table() if one.record.path.exists()]


def _sync():
    database.run('cinder-db', layout.BIN / 'cinder-manage', '--config-file',
                 CONF, 'db', 'sync')


def _register():
    catalog.create({'cinder': ('block-storage',
                               layout.url('cinder-api', '/v3'))})


def _create_types():
    volumes = tenant.connect().block_storage
    present = {one.name for one in volumes.types()}
    for name, specs in ((TYPE, {}), (ENCRYPTED_TYPE, {}),
                        (SHARED_TYPE, {'multiattach': '<is> True'})):
        if name in present:
            continue
        made = volumes.create_type(name=name, extra_specs=specs)
        if name == ENCRYPTED_TYPE:
            volumes.create_type_encryption(
                made, provider='luks', cipher='aes-xts-plain64', key_size=256,
                control_location='front-end')


def is_registered():
    """Was it ever started?  From then on Nova needs it for every server."""
    return database.stamp('cinder-catalog').exists()


def up(report):
    """Bring it up, in a cloud that is up.

    :param report: see graph.run()
    """
    tasks = {
        'cinder-db': ((), database.once('cinder-db', _sync)),
        'cinder-catalog': ((), database.once('cinder-catalog', _register)),
        'volume-types': (('cinder-api',), _create_types),
    }
    for one in table():
        tasks[one.name] = one.needs, one.start
    graph.run(tasks, report)
