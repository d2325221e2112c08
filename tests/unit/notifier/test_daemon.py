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
from nova_temporality.notifier.reports import events
from nova_temporality.notifier import vault_writer
from nova_temporality.vault import writing
from tests.framework import pools
from tests.framework import vaults

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


class TestVault:
    """A pool that has a vault."""

    @pytest.fixture
    def host(self):
        with vaults.directories() as directories:
            made = vaults.VaultedHost(*directories)
            yield made
            made.pool.close()

    @pytest.fixture
    def make(self, host, options, monkeypatch):
        begun = []
        monkeypatch.setattr(vault_writer.VaultWriter, 'begin',
                            lambda self: begun.append(1))

        def make(hold_up):
            conf.CONF.set_override('vault_hold_up', hold_up,
                                   group='temporality')
            return daemon.Notifier(host.pool, mock.Mock(), options,
                                   mock.Mock()), begun
        yield make
        conf.CONF.clear_override('vault_hold_up', group='temporality')

    def test_supply_that_lasts(self, make):
        notifier, begun = make(60)
        report = notifier.fixate(power.PowerEvent.now('test'))
        assert report['vault']['servers'] == []
        assert begun

    def test_supply_that_does_not_last(self, make):
        notifier, begun = make(0)
        assert 'vault' not in notifier.fixate(power.PowerEvent.now('test'))
        assert not begun
        assert 'vault_hold_up is 0' in notifier.status()['platform']['detail']

    def test_planned_reboot_writes_it_alone(self, make):
        notifier, begun = make(60)
        notifier.fixate_for_reboot()
        assert not begun

    def test_told_after_the_call_off(self, make):
        """It was under way, and is of no use any more."""
        notifier, _begun = make(60)
        notifier.fixate(power.PowerEvent.now('test'))
        notifier.resume()
        notifier._on_vaulted(writing.Written('pvm', 1))
        notifier._on_all_vaulted()
        assert notifier.status()['last_outage']['vault']['servers'] == []
        kinds = [call.args[0] for call in
                 notifier._publish.call_args_list]
        assert events.OUTAGE_VAULTED not in kinds

    def test_published_when_all_are_there(self, make):
        notifier, _begun = make(60)
        notifier.fixate(power.PowerEvent.now('test'))
        notifier._on_vaulted(writing.Written('pvm', 1))
        notifier._on_all_vaulted()
        kind, report = notifier._publish.call_args.args
        assert kind == events.OUTAGE_VAULTED
        assert report['vault']['servers'][0]['name'] == 'pvm'
