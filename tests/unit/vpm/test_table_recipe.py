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

"""The manual's recipe for a bad line in the table of contents."""

import pathlib
import re
import subprocess

import pytest

from nova_temporality import vpm
from tests.framework import pools

MANUAL = pathlib.Path(__file__).parents[3] / 'doc/source/operate/index.rst'


def recipe(pool, copy, offset):
    """The commands from the manual, but for those about services."""
    text = MANUAL.read_text().split('To mend the table')[1]
    lines = re.search(r'::\n\n((?:    .*\n|\n)+)', text)[1]
    commands = lines.replace('P/pool', str(pool / 'pool')).replace(
        '/root/pool.read', str(copy))
    return 'set -e; O=%d\n' % offset + '\n'.join(
        re.sub(r'seek=O\b', 'seek=$O', line) for line in commands.splitlines()
        if not re.match(' *(systemctl|temporality) ', line))


def test_others_are_kept(tmp_path):
    path = tmp_path / 'pool'
    with pools.create(path) as pool:
        ids = {}
        for name in 'abc':
            ids[name] = pool.alloc(name, 4096).id
            pools.fixate(pool, ids[name], name.encode())
    offset = 4096 + 256
    with open(path / 'pool', 'r+b') as file:
        file.seek(offset + 60)
        file.write(b'damage')
    with pytest.raises(vpm.PoolCorrupt, match='offset %d' % offset):
        vpm.Pool(path)

    subprocess.run(['bash', '-c', recipe(path, tmp_path / 'copy', offset)],
                   check=True)

    found, = vpm.check(path)
    assert '%016x is unknown to the table' % ids['b'] in found
    with vpm.Pool(path) as pool:
        assert {region.name for region in pool.regions()} == {'a', 'c'}
        assert pool.verify_state(ids['a']).length == 1
        assert pool.verify_state(ids['c']).length == 1
        (path / 'regions' / ('%016x' % ids['b'])).rename(tmp_path / 'away')
        pool.alloc('b', 4096)
    assert vpm.check(path) == []
