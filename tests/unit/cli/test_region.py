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

"""temporality region, on real pools."""

import struct
import time

from nova_temporality import vpm


def test_region_list(run_json, created, tmp_path):
    with vpm.Pool(str(tmp_path / 'pool')) as pool:
        region = pool.alloc('server', 1 << 20, sequence=2)
    row, = run_json('region', 'list')
    assert row['Server'] == 'server'
    assert row['ID'] == '%016x' % region.id
    assert (row['Sequence'], row['Size'], row['Epoch']) == (
        2, 1 << 20, region.epoch)
    assert row['State'] == 'unproven'
    assert row['Reason']


def test_region_list_of_some(run_json, created, tmp_path):
    with vpm.Pool(str(tmp_path / 'pool')) as pool:
        for name in ('one', 'two', 'three'):
            pool.alloc(name, 64 << 10)
    assert {row['Server'] for row in run_json(
        'region', 'list', 'one', 'three', 'other')} == {'one', 'three'}


def test_region_list_of_paged_regions(run_json, created, tmp_path,
                                      monkeypatch):
    swap = tmp_path / 'swap'
    swap.mkdir(mode=0o711)
    with vpm.Pool(str(tmp_path / 'pool')) as pool:
        pool.alloc('resident', 1 << 20)
        region, broken = (
            pool.alloc_vpm(name, 512 << 10, 256 << 10, str(swap),
                           page_size=4096, policy='fifo')
            for name in ('paged', 'broken'))

    def page(faults):
        # as the pager does: error, page, slot, and its counters
        with open(region.directory + '/ppt', 'r+b') as page_table:
            page_table.seek(4096)
            page_table.write(struct.pack(
                '<10Q', 2 << 32, 7, 9, 30, 10, faults, 0, 500, 400, 0))
    page(1000)
    with open(broken.directory + '/ppt', 'r+b') as page_table:
        page_table.write(b'no page table')
    monkeypatch.setattr(time, 'sleep', lambda seconds: page(1000 + 80))
    rows = {row['Server']: row for row in run_json('region', 'list')}
    assert rows['resident']['MRR'] is None
    row = rows['paged']
    assert (row['Size'], row['NVRAM']) == (512 << 10, 256 << 10)
    assert (row['In Memory'], row['In Swap'], row['MRR']) == (
        30 * 4096, 10 * 4096, 75.0)
    assert row['Faults/s'] == 160  # 80 in half a second
    assert (row['Swap-ins'], row['Swap-outs']) == (500, 400)
    assert (row['Page Size'], row['Policy']) == (4096, 'fifo')
    assert 'torn or foreign: page 7, slot 9' in row['Error']
    # one that is damaged hides no other
    assert 'page table' in rows['broken']['Error']
    assert rows['broken']['MRR'] is None
