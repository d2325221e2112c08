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

"""Who may let vCPUs run; tests/unit/virt has the rest."""

import os
from unittest import mock

import pytest

from nova_temporality.host import notes
from nova_temporality.notifier import client
from nova_temporality.privsep import runs
from nova_temporality import vpm
from nova_temporality.vpm import runlock
from tests.framework import descriptors
from tests.framework import pools

pytestmark = pytest.mark.usefixtures('helper')


def test_load(pool):
    pool.alloc('pvm', 1 << 20)
    info = vpm.StateInfo(1, 12, 2, pools.META)
    with mock.patch.object(runs.qmp, 'QmpClient'), \
            mock.patch.object(runs.incoming, 'load_state',
                              return_value=info) as load_state:
        assert runs.load(pool.path, '/run', 'pvm', 5.0) == info
    assert load_state.call_args.args[2:] == (pool.lookup('pvm'), 5.0)


def test_compare_remote_disks(pool):
    region = pool.alloc('pvm', 1 << 20)
    pool.begin_epoch(region.id)
    pools.fixate(pool, region.id, b'state')

    def compare(**kwargs):
        with mock.patch.object(runs.qmp, 'QmpClient'), \
                mock.patch.object(runs.remote_disks, 'compare',
                                  **kwargs) as compared:
            found = runs.compare_remote_disks(pool.path, '/run', 'pvm', 5.0)
        assert compared.call_args.args[1:] == (
            pool.path, pool.lookup('pvm'), 1, 5.0)
        return found

    assert compare(return_value=['virtio-disk1: other contents']) == [
        'virtio-disk1: other contents']
    for silent in (runs.nbd.NbdTimeout('late'), runs.qmp.QmpTimeout('late'),
                   OSError('late'), KeyError('late')):
        with pytest.raises(runs.incoming.RecoveryError, match='late'):
            compare(side_effect=silent)


def test_suspend(pool):
    reply = {'name': 'pvm', 'result': 'fixated', 'fixated_ms': 4.2}
    with mock.patch.object(client, 'call', return_value=reply) as call:
        suspension = runs.suspend('/run', 'pvm')
    call.assert_called_once_with('/run', 'suspend', timeout=None,
                                 name='pvm')
    assert suspension.fixated_ms == 4.2


def is_free(region):
    lock = runlock.RunLock(region)
    try:
        lock.acquire(0)
    except runlock.RunLockTimeout:
        return False
    finally:
        lock.close()
    return True


@pytest.fixture
def run_dir(tmp_path):
    with mock.patch.object(client, 'call'):
        yield str(tmp_path / 'run')


def test_lock_is_free_after_a_run(pool):
    region = pool.alloc('pvm', 4096)
    with runs.allowed_to_run(pool.path, 'pvm'):
        assert not is_free(region)
    assert is_free(region)


def test_move_that_begins_during_a_run_keeps_the_lock(pool, run_dir):
    region = pool.alloc('pvm', 4096)
    with runs.allowed_to_run(pool.path, 'pvm'):
        runs.begin_move(pool.path, run_dir, 'pvm')
    assert not is_free(region)
    runs.end_move(run_dir, 'pvm')
    assert is_free(region)


def test_run_during_a_move_leaves_it_the_lock(pool, run_dir):
    region = pool.alloc('pvm', 4096)
    runs.begin_move(pool.path, run_dir, 'pvm')
    with runs.allowed_to_run(pool.path, 'pvm'):
        pass
    assert not is_free(region)
    runs.end_move(run_dir, 'pvm')
    assert is_free(region)


def test_move_that_fails_leaves_a_run_the_lock(pool, run_dir):
    region = pool.alloc('pvm', 4096)
    with runs.allowed_to_run(pool.path, 'pvm'):
        with mock.patch.object(runs.notes, 'set_moving', side_effect=OSError):
            with pytest.raises(OSError):
                runs.begin_move(pool.path, run_dir, 'pvm')
        assert not is_free(region)
    assert is_free(region)


def test_move_of_what_cannot_be_disarmed(pool, run_dir):
    """The engine may fixate it while it runs on the other host."""
    region = pool.alloc('pvm', 4096)
    # As of a thread that hangs.
    client.call.return_value = {'pvms': [{'name': 'pvm', 'state': 'armed'}]}
    with mock.patch.object(runs.engine, 'disarm', side_effect=vpm.EngineAway(
            'it is busy', gone=False)):
        with pytest.raises(runlock.RunLockTimeout, match='it is busy'):
            runs.begin_move(pool.path, run_dir, 'pvm')
    assert is_free(region)
    assert notes.why_moving(run_dir, 'pvm') is None


def test_answer_no_leaves_the_state(pool):
    region = pool.alloc('pvm', 4096)
    pool.begin_epoch(region.id)
    before = pool.lookup('pvm').epoch
    with pytest.raises(RuntimeError):
        with runs.allowed_to_run(pool.path, 'pvm',
                                 mock.Mock(side_effect=RuntimeError)):
            raise AssertionError('it must not run')
    assert pool.lookup('pvm').epoch == before
    assert is_free(region)


def test_lock_that_is_not_had_leaves_no_descriptor(pool, monkeypatch):
    monkeypatch.setattr(runs, '_LOCK_TIMEOUT', 0)
    region = pool.alloc('pvm', 4096)
    with runlock.RunLock(region):
        before = opened(region)
        for _ in range(3):
            with pytest.raises(runlock.RunLockTimeout):
                with runs.allowed_to_run(pool.path, 'pvm'):
                    raise AssertionError('it must not run')
        assert opened(region) == before


def opened(region):
    """How many descriptors of ours are of a region's files."""
    return len(descriptors.open_below(os.path.dirname(region.ram_path)))
