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

"""What a server is asked to be, read once from all places."""

import dataclasses

from nova import objects
import pytest

from nova_temporality.spec import errors
from nova_temporality.spec import persistence
from nova_temporality.spec import server_spec

objects.register_all()


def flavor(**extra_specs):
    return objects.Flavor(memory_mb=1000, extra_specs={
        'temporality:' + key: value for key, value in extra_specs.items()})


def server(is_persistent, by_server=False, **extra_specs):
    instance = objects.Instance(flavor=flavor(**extra_specs),
                                system_metadata={})
    persistence.freeze(instance, is_persistent, by_server)
    return instance


def test_ordinary_server():
    spec = server_spec.requested(flavor(), {}, {})
    assert spec == server_spec.ServerSpec(False)
    assert not spec.is_paged


def test_pvm_has_all_of_its_memory_in_nvram():
    spec = server_spec.requested(flavor(), {}, {'persistent': 'true'})
    assert spec.is_persistent
    assert spec.nvram_mb == 1000
    assert not spec.is_paged
    assert spec.priority == 50
    assert spec.max_outage is None


def test_flavor_says_all():
    spec = server_spec.requested(
        flavor(persistent='true', mrr='60', priority='90', max_outage='30'),
        {}, {})
    assert spec == server_spec.ServerSpec(
        True, 1000, nvram_mb=600, priority=90, max_outage=30)
    assert spec.is_paged


def test_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        server_spec.requested(flavor(), {}, {}).is_persistent = True


@pytest.mark.parametrize('extra_specs', [
    {'mrr': '5'}, {'priority': 'urgent'}, {'max_outage': '-1'},
    {'mrr': '50', 'nvram_mb': '500'}])
def test_ordinary_servers_are_not_stopped_by_what_does_not_concern_them(
        extra_specs):
    assert not server_spec.requested(flavor(**extra_specs), {},
                                     {}).is_persistent
    with pytest.raises(errors.InvalidSpec):
        server_spec.requested(flavor(**extra_specs), {},
                              {'persistent': 'true'})


def test_property_can_be_switched_off():
    with pytest.raises(errors.InvalidSpec, match='switched off'):
        server_spec.requested(flavor(), {}, {'persistent': 'true'},
                              property_allowed=False)


def test_decision_counts_and_not_the_flavor():
    assert server_spec.decided(server(True, mrr='50')).nvram_mb == 500
    assert not server_spec.decided(
        server(False, persistent='true')).is_persistent


def test_resize_changes_what_the_server_did_not_ask_for_itself():
    assert not server_spec.resized(server(True), flavor()).is_persistent
    assert server_spec.resized(server(True, by_server=True),
                               flavor()).is_persistent
    spec = server_spec.resized(server(False),
                               flavor(persistent='true', mrr='20'))
    assert spec.nvram_mb == 200


def test_flavor_that_came_with_a_server_does_not_stop_it():
    old = server(True, priority='urgent', max_outage='soon')
    spec = server_spec.decided(old)
    assert spec.priority == 50
    assert spec.max_outage is None
    assert server_spec.placed(server(True, by_server=True),
                              old.flavor).priority == 50
    with pytest.raises(errors.InvalidSpec):
        server_spec.resized(server(True, by_server=True), old.flavor)
    with pytest.raises(errors.InvalidSpec):
        server_spec.decided(server(True, mrr='half'))


@pytest.mark.parametrize('key', [
    'MRR', 'Nvram_mb', 'PRIORITY', 'Max_Outage', 'Persistent'])
def test_keys_in_other_capitals(key):
    wrong = flavor(**{key: '50'})
    persistent = flavor(**{key: '50', 'persistent': 'true'})
    named = "'temporality:%s'.*'temporality:%s'" % (key, key.lower())
    with pytest.raises(errors.InvalidSpec, match=named):
        server_spec.requested(persistent, {}, {})
    for becomes in (server_spec.resized, server_spec.placed):
        with pytest.raises(errors.InvalidSpec, match=named):
            becomes(server(False), persistent)
    if key != 'Persistent':
        assert not server_spec.requested(wrong, {}, {}).is_persistent
    # A server that has it runs on, and moves.
    before = server(True, by_server=True, **{key: '50'})
    assert server_spec.decided(before).is_persistent
    assert server_spec.resized(before, wrong).is_persistent
    assert server_spec.placed(before, wrong).is_persistent


def test_flavor_without_extra_specs():
    assert server_spec.requested(objects.Flavor(memory_mb=8), {},
                                 {'persistent': '1'}).nvram_mb == 8
