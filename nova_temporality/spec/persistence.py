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
_FROZEN_OWN = 'temporality_own_wish'


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
    own = own_wish(system_metadata, metadata)
    if by_property(metadata) and not property_allowed:
        raise BadWish(
            "Server property '%s=true' is switched off in this cloud; use a "
            "flavor with extra spec '%s=true' instead" %
            (SERVER_PROPERTY, FLAVOR_EXTRA_SPEC))
    return flavor or own


def own_wish(system_metadata, metadata):
    """Whether a new server or its image asks, whatever its flavor says.

    :raises BadWish: naming the offending value and the remedy
    """
    image = _read('Image property',
                  {key[len(_IMAGE_PREFIX):]: value
                   for key, value in system_metadata.items()
                   if key.startswith(_IMAGE_PREFIX)}, IMAGE_PROPERTY)
    return by_property(metadata) or image


def by_property(metadata):
    """Whether a new server's own property asks.

    :raises BadWish: naming the offending value and the remedy
    """
    return _read('Server property', metadata, SERVER_PROPERTY)


def freeze(instance, persistent, own=False):
    """Record the decision on a server for its lifetime (not saved here).

    :param own: whether the server or its image asked
    """
    instance.system_metadata[_FROZEN] = str(persistent).lower()
    instance.system_metadata[_FROZEN_OWN] = str(own).lower()


def with_flavor(instance, extra_specs):
    """Whether a server that was spawned is a pVM with this flavor.

    The flavor may change with a resize, what the server itself asked for when
    it was created may not.

    :param extra_specs: of the flavor
    :raises BadWish: naming the offending value and the remedy
    """
    own = instance.system_metadata.get(_FROZEN_OWN) == 'true'
    return _read('Flavor extra spec', extra_specs, FLAVOR_EXTRA_SPEC) or own


def refreeze(instance, extra_specs):
    """Change the recorded decision to that of :func:`with_flavor`.

    :returns: whether it is another one now (not saved here)
    """
    before = frozen(instance)
    after = with_flavor(instance, extra_specs)
    instance.system_metadata[_FROZEN] = str(after).lower()
    return before is not after


def frozen(instance):
    """The decision of :func:`freeze`; None when none was taken yet."""
    value = instance.system_metadata.get(_FROZEN)
    return None if value is None else value == 'true'


def is_pvm(instance):
    """Whether a server was spawned as a pVM."""
    return frozen(instance) is True
