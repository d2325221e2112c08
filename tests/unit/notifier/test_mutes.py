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


import os

import pytest

from nova_temporality.notifier import mutes

NOW = 1000.0


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / 'mutes')


@pytest.fixture
def now(monkeypatch):
    """Have it be another time; the host's clock may jump, too."""
    instant = [NOW, 0.0]
    monkeypatch.setattr(mutes.time, 'time', lambda: sum(instant))
    monkeypatch.setattr(mutes.time, 'monotonic', lambda: instant[0])

    def set_to(seconds, jump=0.0):
        instant[:] = seconds, jump
    return set_to


def test_ends(path, now):
    made = mutes.Mutes(path)
    assert made.mute('A', 10, ['x']) == mutes.Mute(NOW + 10, ('x',))
    now(NOW + 9)
    assert list(made.active()) == ['A']
    now(NOW + 10)
    assert made.active() == {}


@pytest.mark.parametrize('jump', [-10**9, 10**9])
def test_clock_that_jumps(path, now, jump):
    """A mute must not last for years because of that, nor end at once."""
    made = mutes.Mutes(path)
    made.mute('A', 10, ['x'])
    now(NOW + 9, jump)
    for one in made, mutes.Mutes(path):
        assert one.active() == {'A': mutes.Mute(NOW + jump + 10, ('x',))}
    now(NOW + 10, jump)
    for one in made, mutes.Mutes(path):
        assert one.active() == {}


def test_survives_a_restart(path, now):
    mutes.Mutes(path).mute('A', 10, ['x'])
    mutes.Mutes(path).mute('B', 20, [])
    assert mutes.Mutes(path).active() == {
        'A': mutes.Mute(NOW + 10, ('x',)), 'B': mutes.Mute(NOW + 20, None)}
    assert os.stat(path).st_mode & 0o777 == 0o600


def test_anew(path, now):
    made = mutes.Mutes(path)
    made.mute('A', 10, ['x'])
    made.mute('A', 5, ['x', 'y'])
    assert made.active() == {'A': mutes.Mute(NOW + 5, ('x', 'y'))}


def test_unmute(path, now):
    made = mutes.Mutes(path)
    made.mute('A', 10, [])
    made.unmute('A')
    made.unmute('A')
    assert made.active() == mutes.Mutes(path).active() == {}


@pytest.mark.parametrize('seconds', [0, -1, mutes.LONGEST + 1, float('nan'),
                                     float('inf')])
def test_not_for_so_long(path, seconds):
    with pytest.raises(ValueError):
        mutes.Mutes(path).mute('A', seconds, [])


def test_what_cannot_be_kept_is_refused(tmp_path):
    made = mutes.Mutes(str(tmp_path / 'none/mutes'))
    with pytest.raises(OSError):
        made.mute('A', 10, [])
    assert made.active() == {}


@pytest.mark.parametrize('content', [
    '', '[]', '7', '{"A": 1}', '{"A": {"ends": "x", "names": null}}',
    '{"A": {"ends": 1, "names": 7}}', '\xff'])
def test_damaged(path, content, caplog):
    with open(path, 'w', encoding='latin-1') as stream:
        stream.write(content)
    assert mutes.Mutes(path).active() == {}
    assert 'Mutes cannot be read' in caplog.text


def test_covers():
    assert mutes.Mute(1, None).covers(['a'])
    assert mutes.Mute(1, ('a', 'b')).covers(['a'])
    assert not mutes.Mute(1, ('a',)).covers(['a', 'b'])
