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

"""Who may ask for persistence, and in which words."""

import pytest

from nova_temporality.spec import errors
from nova_temporality.spec import persistence

IMAGE_KEY = 'image_' + persistence.IMAGE_PROPERTY


class _Instance:
    def __init__(self, **system_metadata):
        self.system_metadata = system_metadata


@pytest.mark.parametrize('specs, system_metadata, metadata', [
    ({'temporality:persistent': 'true'}, {}, {}),
    ({}, {IMAGE_KEY: 'True'}, {}),
    ({}, {}, {'persistent': 'yes'}),
    ({'temporality:persistent': 'false'}, {}, {'persistent': '1'}),
])
def test_any_place_suffices(specs, system_metadata, metadata):
    assert persistence.is_requested(specs, system_metadata, metadata) is True


@pytest.mark.parametrize('specs, system_metadata, metadata', [
    ({}, {}, {}),
    ({'temporality:persistent': 'no'}, {IMAGE_KEY: '0'},
     {'persistent': 'off'}),
    # other people's keys
    ({'persistent': 'true'}, {'persistent': 'true'},
     {'temporality_persistent': 'true'}),
])
def test_not_asked(specs, system_metadata, metadata):
    assert persistence.is_requested(specs, system_metadata, metadata) is False


@pytest.mark.parametrize('place, specs, system_metadata, metadata', [
    ('extra spec', {'temporality:persistent': 'maybe'}, {}, {}),
    ('Image property', {}, {IMAGE_KEY: 'maybe'}, {}),
    ('Server property', {}, {}, {'persistent': 'maybe'}),
    # a valid request elsewhere does not hide it
    ('Server property', {'temporality:persistent': 'true'}, {},
     {'persistent': 'maybe'}),
])
def test_bad_value_is_named(place, specs, system_metadata, metadata):
    with pytest.raises(errors.InvalidSpec) as caught:
        persistence.is_requested(specs, system_metadata, metadata)
    assert 'maybe' in str(caught.value)
    assert place in str(caught.value)


@pytest.mark.parametrize('specs, system_metadata, metadata, key, meant', [
    ({'temporality:Persistent': 'true'}, {}, {},
     'temporality:Persistent', 'temporality:persistent'),
    ({'Temporality:persistent': 'true'}, {}, {},
     'Temporality:persistent', 'temporality:persistent'),
    ({}, {'image_Temporality_persistent': 'true'}, {},
     'Temporality_persistent', 'temporality_persistent'),
    ({}, {}, {'Persistent': 'true'}, 'Persistent', 'persistent'),
    ({}, {}, {' persistent': 'false'}, ' persistent', 'persistent'),
    # twice, with different values
    ({}, {}, {'persistent': 'true', 'PERSISTENT': 'false'}, 'PERSISTENT',
     'persistent'),
])
def test_other_capitals_are_refused(specs, system_metadata, metadata, key,
                                    meant):
    with pytest.raises(errors.InvalidSpec) as caught:
        persistence.is_requested(specs, system_metadata, metadata)
    assert "'%s'" % key in str(caught.value)
    assert "'%s'" % meant in str(caught.value)


def test_property_can_be_switched_off():
    with pytest.raises(errors.InvalidSpec, match='switched off'):
        persistence.is_requested({}, {}, {'persistent': 'true'},
                                 property_allowed=False)
    assert persistence.is_requested({}, {}, {'persistent': 'false'},
                                    property_allowed=False) is False
    assert persistence.is_requested({'temporality:persistent': 'true'}, {}, {},
                                    property_allowed=False) is True


def test_decision_is_frozen():
    instance = _Instance()
    assert persistence.decision(instance) is None
    assert not persistence.is_pvm(instance)
    persistence.freeze(instance, True)
    assert persistence.is_pvm(instance)
    persistence.freeze(instance, False)
    assert persistence.decision(instance) is False
    assert not persistence.is_pvm(instance)


def test_image_property_is_not_a_decision():
    # the image's key must never be read as the frozen one
    instance = _Instance(**{IMAGE_KEY: 'true'})
    assert persistence.decision(instance) is None


@pytest.mark.parametrize('persistent, own, specs, after', [
    (True, True, {}, True),
    (True, False, {}, False),
    (True, False, {'temporality:persistent': 'true'}, True),
    (False, False, {'temporality:persistent': 'true'}, True),
    (False, False, {}, False),
    (True, True, {'temporality:persistent': 'false'}, True),
])
def test_new_flavor_decides_unless_the_server_asked(persistent, own, specs,
                                                    after):
    instance = _Instance()
    persistence.freeze(instance, persistent, own)
    assert persistence.with_flavor(instance, specs) is after
    assert persistence.decision(instance) is persistent
    assert persistence.freeze_with_flavor(
        instance, specs) is (persistent is not after)
    assert persistence.decision(instance) is after
    # the way back
    persistence.freeze_with_flavor(
        instance, {'temporality:persistent': 'true'})
    assert persistence.decision(instance) is True
