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

"""The directory in which tempest runs, and its configuration."""

import pathlib
import shutil
import string
import sys

from pocketcloud import layout

from tempestrun import contents

DIRECTORY = layout.STATE / 'tempest'
CONFIGURATION = DIRECTORY / 'tempest.conf'
TEMPLATE = pathlib.Path(__file__).parent / 'tempest.conf'


def create(persistent):
    """Make the directory anew.

    :param persistent: whether tempest's servers shall be persistent
    """
    if DIRECTORY.exists():
        shutil.rmtree(DIRECTORY)
    DIRECTORY.mkdir()
    flavor, flavor_alt = contents.flavors(persistent)
    image, image_alt = contents.images()
    template = string.Template(TEMPLATE.read_text())
    CONFIGURATION.touch(0o600)
    CONFIGURATION.write_text(template.substitute(
        workspace=DIRECTORY, secret=layout.secret(), region=layout.REGION,
        keystone=layout.url('keystone', '/v3'), python=sys.executable,
        image=image, image_alt=image_alt, guest=contents.guest(),
        flavor=flavor, flavor_alt=flavor_alt, network=contents.NETWORK,
        network_id=contents.network()))
