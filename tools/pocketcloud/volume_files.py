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

"""Volumes as files, which the compute host opens where they are.

A driver for cinder-volume.  The kernels that the pocket cloud runs on often
have neither a device mapper nor iSCSI, NBD or NFS.  What is left is a file
system that both machines see, as with IBM's GPFS; what Nova and os-brick do
for that asks for nothing but a path.
"""

import binascii
import os
import pathlib

from castellan import key_manager
from cinder import context as cinder_context
from cinder.image import image_utils
from cinder import interface
from cinder.volume import driver
from oslo_concurrency import processutils
from oslo_config import cfg

_OPTIONS = [
    cfg.StrOpt('volumes_directory', help='Where the volumes are.'),
]


@interface.volumedriver
class FilesDriver(driver.VolumeDriver):
    """As much as creating, attaching and deleting volumes needs."""

    VERSION = '1.0'

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.configuration.append_config_values(_OPTIONS)

    @staticmethod
    def get_driver_options():
        return _OPTIONS

    def check_for_setup_error(self):
        pathlib.Path(self.configuration.volumes_directory).mkdir(
            exist_ok=True)

    def _update_volume_stats(self):
        room = os.statvfs(self.configuration.volumes_directory)
        gib = room.f_frsize / 2 ** 30
        self._stats = {
            'volume_backend_name': self.configuration.volume_backend_name,
            'vendor_name': 'pocketcloud',
            'driver_version': self.VERSION,
            'storage_protocol': 'file',
            'total_capacity_gb': room.f_blocks * gib,
            'free_capacity_gb': room.f_bavail * gib,
            'reserved_percentage': 0,
            'multiattach': True,
        }

    # -- volumes --------------------------------------------------------------

    def local_path(self, volume):
        """Where a volume's file is."""
        return os.path.join(self.configuration.volumes_directory,
                            volume['name'])

    def create_volume(self, volume):
        if volume.encryption_key_id:
            self._create_encrypted(volume)
            return
        with open(self.local_path(volume), 'xb') as file:
            os.fchmod(file.fileno(), 0o600)
            file.truncate(volume['size'] << 30)

    def _create_encrypted(self, volume):
        key = key_manager.API(cfg.CONF).get(
            cinder_context.get_admin_context(), volume.encryption_key_id)
        # What Nova makes of a key, too.
        passphrase = binascii.hexlify(key.get_encoded()).decode()
        path = self.local_path(volume)
        processutils.execute(
            'qemu-img', 'create', '-q', '-f', 'luks', '--object',
            'secret,id=key,data=' + passphrase, '-o',
            'key-secret=key,iter-time=10', path, '%dG' % volume['size'])
        os.chmod(path, 0o600)

    def delete_volume(self, volume):
        pathlib.Path(self.local_path(volume)).unlink(missing_ok=True)

    def copy_image_to_volume(self, context, volume, image_service, image_id,
                             disable_sparse=False):
        path = self.local_path(volume)
        image_utils.fetch_to_raw(
            context, image_service, image_id, path,
            self.configuration.volume_dd_blocksize, size=volume['size'])
        os.truncate(path, volume['size'] << 30)

    # -- connections ----------------------------------------------------------

    def initialize_connection(self, volume, connector, **kwargs):
        return {'driver_volume_type': 'gpfs',
                'data': {'name': volume['name'],
                         'device_path': self.local_path(volume)}}

    def terminate_connection(self, volume, connector, **kwargs):
        """The file stays where it is."""

    def ensure_export(self, context, volume):
        """The file is where it was."""

    def create_export(self, context, volume, connector):
        """There is nothing to be exported."""

    def remove_export(self, context, volume):
        """There is nothing to be exported."""
