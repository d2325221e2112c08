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

"""The note that a pVM was stopped."""

import pytest

from nova_temporality.host import paths
from nova_temporality.notifier.pvm import stopped_note
from nova_temporality.vpm import engine


class TestNote:

    @pytest.fixture
    def open_one(self, tmp_path):
        (tmp_path / 'stopped').mkdir()
        return lambda: stopped_note.StoppedNote(str(tmp_path), 'pvm')

    def test_is_about_one_process(self, open_one):
        one = open_one()
        assert one.read(7) is None
        stopped = engine.Stopped(7, 'running', ('nut', 'operator'))
        one.write(stopped)
        assert one.read(7) == stopped
        assert one.read(8) is None

    def test_outlives_the_notifier(self, open_one):
        stopped = engine.Stopped(7, 'suspended', ())
        open_one().write(stopped)
        assert open_one().read(7) == stopped

    def test_remove(self, open_one):
        one = open_one()
        one.write(engine.Stopped(7, 'running', ()))
        one.remove()
        one.remove()
        assert one.read(7) is None
        assert open_one().read(7) is None

    def test_names_that_do_not_fit_are_left_out(self, open_one):
        one = open_one()
        one.write(engine.Stopped(7, 'running', ('a' * 90, 'nut', 'signal')))
        assert one.read(7).raised_by == ('a' * 90, 'nut')

    @pytest.mark.parametrize('size', [0, 10, 2 * 144, 10000])
    def test_damaged_note_is_none(self, open_one, tmp_path, size):
        with open(paths.stopped_note(str(tmp_path), 'pvm'), 'wb') as f:
            f.write(b'\x01' * size)
        one = open_one()
        assert one.read(0x1010101) is None
        one.write(engine.Stopped(7, 'running', ()))
        assert one.read(7)

    def test_torn_note_leaves_the_earlier_one(self, open_one, tmp_path):
        one = open_one()
        earlier = engine.Stopped(7, 'running', ('nut',))
        one.write(earlier)
        one.write(engine.Stopped(7, 'running', ('nut', 'signal')))
        path = paths.stopped_note(str(tmp_path), 'pvm')
        with open(path, 'r+b') as f:
            at = f.read().index(b'nut,signal')
            f.seek(at)
            f.write(b'X')
        assert open_one().read(7) == earlier
