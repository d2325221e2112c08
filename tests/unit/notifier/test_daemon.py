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

from unittest import mock

import pytest

from nova_temporality import conf
from nova_temporality.notifier import daemon
from nova_temporality.notifier import power
from tests.framework import pools

pytestmark = pytest.mark.native_threads


class _Connected(mock.Mock):
    """An engine that another one takes the place of just now."""

    def __setattr__(self, name, value):
        super().__setattr__(name, value)
        if name == 'on_changed':
            value()
            self.is_heard = True


@pytest.fixture
def options(tmp_path):
    """Options of a pool that is there."""
    pools.create(tmp_path / 'pool').close()
    for name, value in (('pool_path', str(tmp_path / 'pool')),
                        ('run_dir', str(tmp_path / 'run'))):
        conf.CONF.set_override(name, value, group='temporality')
    yield conf.CONF
    for name in ('pool_path', 'run_dir'):
        conf.CONF.clear_override(name, group='temporality')


def test_engine_that_is_replaced_while_the_notifier_starts(tmp_path, options):
    with pools.vpm.Pool(tmp_path / 'pool') as pool:
        engine = _Connected()
        daemon.Notifier(pool, engine, options, mock.Mock())
        assert engine.is_heard is True


def test_report_tells_the_hold_up_time_of_then(tmp_path, options):
    with pools.vpm.Pool(tmp_path / 'pool') as pool:
        notifier = daemon.Notifier(pool, mock.Mock(), options, mock.Mock())
        report = notifier.fixate(power.PowerEvent.now('test'))
    assert report['hold_up_ms'] == options.temporality.hold_up_ms
