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
"""Who asks for a server to be a pVM, and what was decided.

A server's whole memory is made persistent when the flavor, the image or the
server itself asks for it. What was decided when the server was spawned is
frozen in its system metadata. Nobody is asked again, for server metadata and
options can change later.
"""

from __future__ import annotations

from collections import abc

from nova import objects
from oslo_utils import strutils

from nova_temporality.spec import errors
from nova_temporality.spec import spelling
from nova_temporality.spec import system_metadata as notes

FLAVOR_EXTRA_SPEC = 'temporality:persistent'
IMAGE_PROPERTY = 'temporality_persistent'
SERVER_PROPERTY = 'persistent'

# What an extra spec is called in words.
FLAVOR_KEY = 'Flavor extra spec'

_IMAGE_PREFIX = 'image_'
_DECISION = 'is_persistent'
_DECISION_OF_SERVER = 'asked_by_server'
# In images that were made of servers of an earlier release, beside a copy of
# the decision on the server which has the name of our property.
_EARLIER_COPY = 'temporality_own_wish'


def is_requested(extra_specs: abc.Mapping[str, str],
                 system_metadata: abc.Mapping[str, str],
                 metadata: abc.Mapping[str, str],
                 property_allowed: bool = True) -> bool:
    """Whether a new server shall be a pVM.

    :param extra_specs: of the flavor
    :param system_metadata: of the server, holding the image's properties
    :param metadata: of the server, set by the tenant
    :param property_allowed: whether tenants may ask by the server property
    :raises InvalidSpec: naming the value and the remedy
    """
    spelling.check(FLAVOR_KEY, extra_specs, [FLAVOR_EXTRA_SPEC])
    by_flavor = is_requested_by_flavor(extra_specs)
    by_server = is_requested_by_server(system_metadata, metadata)
    if is_requested_by_property(metadata) and not property_allowed:
        raise errors.InvalidSpec(
            "Server property '%s=true' is switched off in this cloud; use a "
            "flavor with extra spec '%s=true' instead" %
            (SERVER_PROPERTY, FLAVOR_EXTRA_SPEC))
    return by_flavor or by_server


def is_requested_by_flavor(extra_specs: abc.Mapping[str, str]) -> bool:
    """Whether a flavor asks.

    :raises InvalidSpec: naming the value and the remedy
    """
    return _read(FLAVOR_KEY, extra_specs, FLAVOR_EXTRA_SPEC)


def is_requested_by_server(system_metadata: abc.Mapping[str, str],
                           metadata: abc.Mapping[str, str]) -> bool:
    """Whether a new server or its image asks, whatever its flavor says.

    :raises InvalidSpec: naming the value and the remedy
    """
    return is_requested_by_property(metadata) or (
        is_requested_by_image(system_metadata))


def is_requested_by_image(system_metadata: abc.Mapping[str, str]) -> bool:
    """Whether an image asks.

    :param system_metadata: of a server, holding the image's properties
    :raises InvalidSpec: naming the value and the remedy
    """
    properties = {key[len(_IMAGE_PREFIX):]: value
                  for key, value in system_metadata.items()
                  if key.startswith(_IMAGE_PREFIX)}
    if properties.get(_EARLIER_COPY) == 'false':
        # Only the flavor had asked for the server that the image is of.
        return False
    spelling.check('Image property', properties, [IMAGE_PROPERTY])
    return _read('Image property', properties, IMAGE_PROPERTY)


def is_requested_by_property(metadata: abc.Mapping[str, str]) -> bool:
    """Whether a new server's own property asks.

    :raises InvalidSpec: naming the value and the remedy
    """
    spelling.check('Server property', metadata, [SERVER_PROPERTY])
    return _read('Server property', metadata, SERVER_PROPERTY)


def _read(place: str, values: abc.Mapping[str, str], key: str) -> bool:
    if key not in values:
        return False
    try:
        return strutils.bool_from_string(values[key], strict=True)
    except ValueError:
        raise errors.InvalidSpec(
            "%(place)s '%(key)s' is '%(value)s', which is neither true nor "
            "false; set it to 'true' or 'false', or remove it" %
            {'place': place, 'key': key, 'value': values[key]})


def freeze(instance: objects.Instance, is_persistent: bool,
           by_server: bool = False) -> None:
    """Record the decision on a server for its lifetime (not saved here).

    :param by_server: whether the server or its image asked
    """
    notes.put(instance, _DECISION, str(is_persistent).lower())
    notes.put(instance, _DECISION_OF_SERVER, str(by_server).lower())


def with_flavor(instance: objects.Instance,
                extra_specs: abc.Mapping[str, str]) -> bool:
    """Whether a server that was spawned is a pVM with this flavor.

    The flavor may change with a resize. What the server itself asked for when
    it was created may not.

    :param extra_specs: of the flavor
    :raises InvalidSpec: naming the value and the remedy
    """
    by_server = notes.get(instance, _DECISION_OF_SERVER) == 'true'
    return is_requested_by_flavor(extra_specs) or by_server


def freeze_with_flavor(instance: objects.Instance,
                       extra_specs: abc.Mapping[str, str]) -> bool:
    """Change the recorded decision to that of :func:`with_flavor`.

    :returns: whether it is another one now (not saved here)
    """
    before = decision(instance)
    after = with_flavor(instance, extra_specs)
    notes.put(instance, _DECISION, str(after).lower())
    return before is not after


def decision(instance: objects.Instance) -> bool | None:
    """What was decided by :func:`freeze`; None before that."""
    value = notes.get(instance, _DECISION)
    return None if value is None else value == 'true'


def is_pvm(instance: objects.Instance) -> bool:
    """Whether a server was spawned as a pVM."""
    return decision(instance) is True
