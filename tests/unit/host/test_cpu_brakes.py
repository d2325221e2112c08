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

"""Slowing vCPUs: files of control groups, of both versions."""

import json
import os

import pytest

from nova_temporality.host import cpu_brakes

FILES = {1: {'cpu.cfs_quota_us': '-1\n', 'cpu.cfs_period_us': '100000\n'},
         2: {'cpu.max': 'max 100000\n'}}


class Groups:
    """Two vCPUs of this process, as far as its files say."""

    def __init__(self, monkeypatch, tmp_path, version):
        self.version = version
        self.note = str(tmp_path / 'brakes')
        self.root = tmp_path / 'cgroup'
        self.directories = []
        for number in range(2):
            directory = self.root / ('' if version == 2 else 'cpu') / (
                'machine/libvirt/vcpu%d' % number)
            directory.mkdir(parents=True)
            self.directories.append(directory)
            self.fill(number, FILES[version])
        monkeypatch.setattr(cpu_brakes, '_ROOT', str(self.root))
        self.lines = ['4:memory:/x/vcpu3\n'] + [
            '%s:/machine/libvirt/%s\n' % (
                '0:' if version == 2 else '3:cpu,cpuacct', name)
            for name in ('vcpu0', 'vcpu1', 'emulator')]
        monkeypatch.setattr(cpu_brakes, '_groups', self.groups)

    def groups(self, _pid):
        return [cpu_brakes._Group(path) for path in
                filter(None, map(cpu_brakes._vcpu_of, self.lines))]

    def fill(self, number, files):
        for name, text in files.items():
            (self.directories[number] / name).write_text(text)

    def limit(self, quota, period):
        """Somebody sets quotas."""
        for number in range(2):
            self.fill(number, {'cpu.max': '%d %d' % (quota, period)}
                      if self.version == 2 else {
                'cpu.cfs_quota_us': str(quota),
                'cpu.cfs_period_us': str(period)})

    def read(self):
        found = {tuple(cpu_brakes._Group(str(directory)).read())
                 for directory in self.directories}
        return found.pop() if len(found) == 1 else found


@pytest.fixture(params=[1, 2])
def groups(monkeypatch, tmp_path, request):
    return Groups(monkeypatch, tmp_path, request.param)


def share(quota):
    return quota[0] / quota[1]


@pytest.fixture
def brakes(groups):
    return cpu_brakes.Brakes(groups.note)


def test_slowed_and_released(groups, brakes):
    before = groups.read()
    brakes.set(1, 0.5)
    assert share(groups.read()) == pytest.approx(0.5, abs=0.01)
    brakes.set(1, 0.25)
    assert share(groups.read()) == pytest.approx(0.25, abs=0.01)
    brakes.set(1, 1.0)
    assert groups.read() == before


def test_never_too_slow(groups, brakes):
    brakes.set(1, 0.0)
    assert share(groups.read()) >= cpu_brakes.SLOWEST * 0.99


def test_quota_of_nova(groups, brakes):
    """It is slowed by as much, and gets its own back."""
    groups.limit(20000, 40000)
    brakes.set(1, 0.5)
    assert share(groups.read()) == pytest.approx(0.25, abs=0.01)
    brakes.release()
    assert groups.read() == (20000, 40000)


def test_quota_that_is_smaller(groups, brakes):
    groups.limit(5000, 100000)
    brakes.set(1, 0.9)
    assert groups.read() == (5000, 100000)


def test_quota_that_is_set_meanwhile(groups, brakes):
    brakes.set(1, 0.5)
    groups.limit(30000, 100000)
    brakes.release()
    assert groups.read() == (30000, 100000)


def test_next_process_releases(groups, brakes):
    """This one was killed."""
    groups.limit(20000, 40000)
    brakes.set(1, 0.5)
    cpu_brakes.Brakes(groups.note)
    assert groups.read() == (20000, 40000)


def test_note_that_is_lost(groups, brakes):
    before = groups.read()
    brakes.set(1, 0.5)
    os.unlink(groups.note)
    other = cpu_brakes.Brakes(groups.note)
    other.set(1, 0.7)
    other.release()
    assert groups.read() == before


@pytest.mark.parametrize('text', ['', '{', '[1]', '{"/x": 3}',
                                  '{"/x": [1, 2, 3]}', '{"/x": ["a", 1]}'])
def test_note_that_is_damaged(groups, text):
    with open(groups.note, 'w', encoding='utf-8') as note:
        note.write(text)
    before = groups.read()
    brakes = cpu_brakes.Brakes(groups.note)
    assert groups.read() == before
    # It is as good as none.
    brakes.set(1, 0.5)
    brakes.release()
    assert groups.read() == before


def test_server_that_has_ended(groups, brakes):
    brakes.set(1, 0.5)
    for directory in groups.directories:
        for name in FILES[groups.version]:
            (directory / name).unlink()
        directory.rmdir()
    brakes.release()
    with open(groups.note, encoding='utf-8') as note:
        assert json.load(note) == {}


def test_without_groups(monkeypatch, tmp_path):
    monkeypatch.setattr(cpu_brakes, '_ROOT', str(tmp_path))
    with pytest.raises(cpu_brakes.Unavailable, match='no control groups'):
        cpu_brakes.check(os.getpid())


def test_no_such_process(tmp_path):
    with pytest.raises(cpu_brakes.Unavailable, match='not known'):
        cpu_brakes.Brakes(str(tmp_path / 'brakes')).set(1 << 22, 0.5)


def test_that_cannot_be_written(groups, monkeypatch):
    cpu_brakes.check(1)
    monkeypatch.setattr(os, 'access', lambda path, mode: False)
    with pytest.raises(cpu_brakes.Unavailable, match='cannot be written'):
        cpu_brakes.check(1)
