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

"""Whom the notifier takes for the QEMU of a pVM."""

import types

import pytest

from nova_temporality.host import paths
from nova_temporality.notifier.pvm import attempts
from nova_temporality.notifier.pvm import conditions
from nova_temporality.notifier.pvm import connection
from nova_temporality.qemu import qmp


class Client:
    """Stands for QmpClient, of a QEMU whose process id is not known."""

    pid = 0
    closed = False

    def __init__(self, path, timeout, uid):
        self.uid = uid

    def close(self):
        Client.closed = True


@pytest.fixture
def reached(tmp_path):
    region = types.SimpleNamespace(name='pvm', uid=7)
    arming = types.SimpleNamespace(open=lambda: None, disarm=lambda: None)
    return connection.Qemu(region, str(tmp_path), arming, None)


def test_other_pid_namespace(reached, monkeypatch):
    monkeypatch.setattr(qmp, 'QmpClient', Client)
    with pytest.raises(conditions.NotArmed) as e:
        reached.reach(1)
    assert 'PID namespace' in str(e.value)
    assert '--pid=host' in e.value.condition.remedy
    assert Client.closed


def test_link_to_another_socket(reached, tmp_path):
    watch = tmp_path / 'qmp' / 'pvm' / 'watch.sock'
    assert str(watch) == paths.watch_socket(str(tmp_path), 'pvm')
    watch.parent.mkdir(parents=True)
    watch.symlink_to('/run/somebody.sock')
    with pytest.raises(qmp.QmpConnectionError) as e:
        reached.reach(1)
    assert str(watch) in str(e.value)


@pytest.mark.parametrize('make', [
    lambda words: conditions.Condition(conditions.NOT_ARMED, words),
    lambda words: conditions.NotArmed(conditions.NOT_ARMED, words).condition,
    lambda words: attempts.PvmReport('pvm', attempts.FAILED, reason=words)])
def test_words_of_qemu_are_printable(make):
    reason = make('a\nb\x1b' + 'x' * 10**6).reason
    assert reason.isprintable()
    assert len(reason) < 1000
    assert str(conditions.NotArmed(conditions.NOT_ARMED, 'a\nb')) == 'a\\nb'
