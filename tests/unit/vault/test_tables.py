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

"""Paged servers whose pagers go on while they are written."""

import pytest

from nova_temporality.vault import data
from nova_temporality.vault import tables
from nova_temporality.vault import writing


@pytest.fixture
def region(host):
    return host.server(is_paged=True)


def count(region, number):
    with open(region.directory + '/ppt', 'r+b') as table:
        table.seek(-8, 2)
        table.write(number.to_bytes(8, 'little'))


def moving(region, monkeypatch, times):
    """Have the pager move a page so many times that frames are written."""
    written = []
    write = data.write

    def write_and_move(path, directory, part, *args):
        if part.name == 'ram':
            written.append(1)
            if len(written) <= times:
                count(region, len(written))
        return write(path, directory, part, *args)

    monkeypatch.setattr(data, 'write', write_and_move)
    return written


def test_written_again(host, region, monkeypatch):
    written = moving(region, monkeypatch, 1)
    assert host.reboot()['pvm'].result == 'restored'
    assert len(written) == 2


def test_pager_that_never_ends(host, region, monkeypatch):
    moving(region, monkeypatch, 1000)
    assert 'moved pages' in host.write()['pvm']
    host.lose_dram()
    assert host.restore()['pvm'].result == 'unproven'


def test_waits_until_it_is_quiet(host, region):
    part = next(one for one in data.parts(region) if one.name == 'ppt')
    looks = []

    def check():
        looks.append(1)
        if len(looks) < 4:
            count(region, len(looks))

    sums = tables.sums_when_quiet(region.directory, part, check)
    assert len(looks) == 4
    assert sums == tables.sums_now(region.directory, part)


def test_never_quiet(host, region, monkeypatch):
    monkeypatch.setattr(tables, '_QUIET_SECONDS', 0)
    part = next(one for one in data.parts(region) if one.name == 'ppt')
    looks = []

    def check():
        looks.append(1)
        count(region, len(looks))

    with pytest.raises(tables.Busy):
        tables.sums_when_quiet(region.directory, part, check)


def test_stopped_while_it_waits(host, region):
    part = next(one for one in data.parts(region) if one.name == 'ppt')

    def check():
        raise writing.Stopped()

    with pytest.raises(writing.Stopped):
        tables.sums_when_quiet(region.directory, part, check)
