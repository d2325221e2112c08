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

"""What fixating a host's pVMs would take."""

import dataclasses
import json
import os

import pytest

from nova_temporality.host import budget
from nova_temporality.host import contention
from nova_temporality.host import paths

# Three take a third more than they would have to.
DRILLED = budget.Drilled({'a': 4.0, 'b': 2.0, 'c': 3.0}, 6.0,
                         (((3, 4 / 3),),), '2026-01-01T00:00:00.000+00:00')


def equal(*names):
    return {name: 50 for name in names}


class TestPredict:

    def total(self, priorities, drilled=DRILLED, cpus=2):
        return budget.predict(priorities, drilled, cpus).total_ms

    def test_nobody(self):
        assert self.total({}) == 0

    def test_cpus_share_the_work(self):
        # 9 ms of work on two CPUs, and a third more than that, as in the
        # drill
        assert self.total(equal('a', 'b', 'c')) == 6.0
        assert self.total(equal('a', 'b', 'c'), cpus=1) == 12.0

    def test_the_longest_counts(self):
        assert self.total(equal('a', 'b', 'c'), cpus=64) == (
            pytest.approx(4.0 * 4 / 3, abs=0.001))

    def test_priorities_follow_each_other(self):
        # Nobody is in another's way.
        assert self.total({'a': 90, 'b': 50, 'c': 10}, cpus=64) == 9.0

    def test_largest_wave_slows_all_down(self):
        assert self.total({'a': 90, 'b': 50, 'c': 50, 'd': 50}, cpus=1) == (
            pytest.approx((4.0 + 2.0 + 3.0 + 4.0) * 4 / 3, abs=0.001))

    def test_lucky_drill_promises_nothing(self):
        lucky = dataclasses.replace(DRILLED, curves=(((3, 0.5),),))
        assert self.total(equal('a', 'b', 'c'), lucky) == 4.5

    def test_worst_of_the_latest_drills_counts(self):
        drilled = dataclasses.replace(
            DRILLED, curves=(((3, 2.0),), ((3, 1.0),)))
        assert self.total(equal('a', 'b', 'c'), drilled) == 9.0

    def test_more_pvms_never_take_less(self):
        names, before = [], 0
        for number in range(20):
            names.append('pvm-%d' % number)
            total = self.total(equal('a', *names), cpus=4)
            assert total >= before
            before = total

    def test_not_drilled(self):
        prediction = budget.predict(equal('a', 'new', 'newer'), DRILLED, 1)
        assert (prediction.pvms, prediction.assumed) == (3, 2)
        assert prediction.assumed_ms == 4.0
        assert prediction.total_ms == 16.0

    def test_nothing_was_ever_drilled(self):
        prediction = budget.predict(equal('a', 'b', 'c'), budget.Drilled(),
                                    2)
        assert prediction.assumed_ms == budget.ASSUMED_MS
        assert prediction.total_ms == pytest.approx(
            1.5 * budget.ASSUMED_MS * contention.slowdown([], 3, 2), abs=0.001)


class TestRecord:

    def test_store_and_load(self, tmp_path):
        path = str(tmp_path)
        assert budget.load(path) == budget.Drilled()
        budget.store(path, DRILLED)
        assert budget.load(path) == DRILLED
        assert os.listdir(path) == ['drills']
        erred = dataclasses.replace(DRILLED, errors=(1.5, 0.5))
        budget.store(path, erred)
        assert budget.load(path) == erred

    def test_record_of_an_earlier_version(self, tmp_path):
        record = dataclasses.asdict(DRILLED)
        del record['errors'], record['curves']
        record['bound_ms'] = 4.5
        with open(paths.drills(str(tmp_path)), 'w') as stream:
            json.dump(record, stream)
        assert budget.load(str(tmp_path)) == (
            dataclasses.replace(DRILLED, curves=()))

    def test_cut_off(self, tmp_path, monkeypatch):
        """A power cut before the end leaves the earlier record."""
        path = str(tmp_path)
        budget.store(path, DRILLED)

        def cut(_fd):
            raise OSError('power cut')
        monkeypatch.setattr(os, 'fsync', cut)
        with pytest.raises(OSError):
            budget.store(path, dataclasses.replace(DRILLED, total_ms=7.0))
        assert budget.load(path) == DRILLED

    @pytest.mark.parametrize('damage', [
        {'costs_ms': {'a': -1}}, {'costs_ms': {'a': 'much'}},
        {'costs_ms': []}, {'total_ms': None}, {'curves': [[[2, 0]]]},
        {'curves': [[[2, 1.5], [2, 1.5]]]}, {'curves': [[[3, 1.5], [2, 1.5]]]},
        {'curves': [[2]]}, {'curves': 7}, {'total_ms': float('nan')},
        {'errors': [1.0, -1]}, {'errors': 7}])
    def test_damaged_value_is_not_believed(self, tmp_path, damage):
        path = str(tmp_path)
        record = dict(dataclasses.asdict(DRILLED), **damage)
        with open(paths.drills(path), 'w') as stream:
            json.dump(record, stream)
        assert budget.load(path) == budget.Drilled()

    @pytest.mark.parametrize('content', ['', '{', '[]', '1', '{}'])
    def test_no_record(self, tmp_path, content):
        (tmp_path / 'drills').write_text(content)
        assert budget.load(str(tmp_path)) == budget.Drilled()


class TestHostBudget:

    @pytest.fixture
    def host(self, tmp_path):
        return budget.HostBudget(str(tmp_path), 20)

    def test_nothing_is_drilled(self, host):
        status = host.status(equal('a'))
        assert status['predicted_ms'] == budget.ASSUMED_MS
        assert (status['not_drilled'], status['drilled_at']) == (1, None)
        assert status['fits']

    def test_drill_is_learnt_and_stored(self, host, tmp_path):
        host.learn({'a': 33.0}, [('a', 33.0)], 'now', equal('a'))
        status = host.status(equal('a'))
        assert status['predicted_ms'] == 33.0
        assert not status['fits']
        assert (status['drilled_ms'], status['drilled_at']) == (33.0, 'now')
        again = budget.HostBudget(str(tmp_path), 20)
        assert again.status(equal('a')) == status

    def test_earlier_costs_count_while_the_pvm_is_there(self, host):
        host.learn({'a': 30.0, 'b': 1.0}, [('ab', 31.0)], 'now',
                   equal('a', 'b'))
        host.learn({'b': 2.0}, [('b', 2.0)], 'later', equal('a', 'b'))
        assert host.status(equal('a', 'b'))['not_drilled'] == 0
        host.learn({'b': 2.0}, [('b', 2.0)], 'later', equal('b'))
        assert host.status(equal('a', 'b'))['not_drilled'] == 1

    def test_first_forecast_is_a_guess(self, host):
        forecast = host.learn({'a': 30.0}, [('a', 33.0)], 'now', equal('a'))
        assert forecast == {'predicted_ms': budget.ASSUMED_MS,
                            'taken_ms': 33.0, 'not_drilled': 1}
        assert host.status(equal('a'))['errors'] == []

    def test_errors_are_kept(self, host, tmp_path):
        host.learn({'a': 30.0}, [('a', 30.0)], 'now', equal('a'))
        forecast = host.learn({'a': 45.0}, [('a', 45.0)], 'later', equal('a'))
        assert forecast == {'predicted_ms': 30.0, 'taken_ms': 45.0,
                            'not_drilled': 0}
        host.learn({'a': 22.5}, [('a', 22.5)], 'later', equal('a'))
        assert host.status(equal('a'))['errors'] == [1.5, 0.5]
        again = budget.HostBudget(str(tmp_path), 20)
        assert again.status(equal('a'))['errors'] == [1.5, 0.5]

    def test_only_the_latest_errors_are_kept(self, host):
        for number in range(1, 21):
            host.learn({'a': 1.5 ** number}, [('a', 1.5 ** number)], 'now',
                       equal('a'))
        assert host.status(equal('a'))['errors'] == 10 * [1.5]

    def test_forecast_is_of_those_that_were_measured(self, host,
                                                     monkeypatch):
        monkeypatch.setattr(os, 'cpu_count', lambda: 2)
        host.learn({'a': 10.0, 'b': 30.0}, [('ab', 40.0)], 'now',
                   equal('a', 'b'))
        forecast = host.learn({'a': 12.0, 'b': 12.0}, [('ab', 20.0)], 'later',
                              equal('a', 'b', 'c'))
        # a third more than the bound, as in the first drill
        assert forecast['predicted_ms'] == 40.0
        forecast = host.learn({'b': 12.0}, [('b', 12.0)], 'later',
                              equal('a', 'b', 'c'))
        assert forecast['predicted_ms'] == 12.0

    def test_groups_are_learnt(self, host, tmp_path, monkeypatch):
        monkeypatch.setattr(os, 'cpu_count', lambda: 2)
        costs_ms = dict.fromkeys('abcde', 4.0)
        for slower in 1.0, 1.5:
            host.learn(costs_ms, [('ab', 5.0 * slower), ('cdea', 12.0),
                                  ('abcde', 15.0)], 'now', equal(*'abcde'))
        assert budget.load(str(tmp_path)).curves == (
            ((2, 1.25), (4, 1.5), (5, 1.5)), ((2, 1.875), (4, 1.5), (5, 1.5)))
        assert host.status(equal(*'ab'))['predicted_ms'] == 7.5

    def test_only_the_latest_curves_are_kept(self, host, tmp_path):
        for taken_ms in 50.0, 6.0, 5.0, 5.0, 5.0, 5.0:
            host.learn({'a': 4.0, 'b': 4.0}, [('ab', taken_ms)], 'now',
                       equal('a', 'b'))
        slowest = budget.load(str(tmp_path)).curves[0][0][1]
        assert slowest == 6.0 / budget.bound_ms(
            equal('a', 'b'), {'a': 4.0, 'b': 4.0}, budget.cpus())

    def test_record_that_cannot_be_written_is_logged(self, host, tmp_path,
                                                     caplog):
        (tmp_path / 'drills.new').mkdir()
        host.learn({'a': 30.0}, [('a', 33.0)], 'now', equal('a'))
        assert 'Cannot record' in caplog.text
        assert host.status(equal('a'))['drilled_ms'] == 33.0
