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

"""Who is asked to be a pVM: the wish for persistence and its places.

A server's whole memory is made persistent when the flavor, the image or the
server itself asks for it. What was decided when the server was spawned is
frozen in its system metadata, because server metadata can change later.
"""

from oslo_utils import strutils

FLAVOR_EXTRA_SPEC = 'temporality:persistent'
IMAGE_PROPERTY = 'temporality_persistent'
SERVER_PROPERTY = 'persistent'

# Nova keeps the properties of the image that a server was created from in
# the server's system metadata, under this prefix.
_IMAGE_PREFIX = 'image_'
_FROZEN = 'temporality_persistent'


class BadWish(ValueError):
    """A wish for persistence that can't be understood or isn't allowed."""


def _read(place, values, key):
    if key not in values:
        return False
    try:
        return strutils.bool_from_string(values[key], strict=True)
    except ValueError:
        raise BadWish(
            "%(place)s '%(key)s' is '%(value)s', which is neither true nor "
            "false; set it to 'true' or 'false', or remove it" %
            {'place': place, 'key': key, 'value': values[key]})


def asked(extra_specs, system_metadata, metadata, property_allowed=True):
    """Whether a new server shall be a pVM.

    :param extra_specs: of the flavor
    :param system_metadata: of the server, holding the image's properties
    :param metadata: of the server, set by the tenant
    :param property_allowed: whether tenants may ask by the server property
    :raises BadWish: naming the offending value and the remedy
    """
    flavor = _read('Flavor extra spec', extra_specs, FLAVOR_EXTRA_SPEC)
    image = _read('Image property',
                  {key[len(_IMAGE_PREFIX):]: value
                   for key, value in system_metadata.items()
                   if key.startswith(_IMAGE_PREFIX)}, IMAGE_PROPERTY)
    server = _read('Server property', metadata, SERVER_PROPERTY)
    if server and not property_allowed:
        raise BadWish(
            "Server property '%s=true' is switched off in this cloud; use a "
            "flavor with extra spec '%s=true' instead" %
            (SERVER_PROPERTY, FLAVOR_EXTRA_SPEC))
    return flavor or image or server


def freeze(instance, persistent):
    """Record the decision on a server for its lifetime (not saved here)."""
    instance.system_metadata[_FROZEN] = str(persistent).lower()


def frozen(instance):
    """The decision of :func:`freeze`; None when none was taken yet."""
    value = instance.system_metadata.get(_FROZEN)
    return None if value is None else value == 'true'


def is_pvm(instance):
    """Whether a server was spawned as a pVM."""
    return frozen(instance) is True
