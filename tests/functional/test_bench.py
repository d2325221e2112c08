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

"""The measurements work, and notice when memory is not what it should be."""

import json
import os
import subprocess
import sys

import pytest

from bench.vpm import programs

SIZE = 4 << 20


@pytest.fixture
def access(tmp_path):
    path = tmp_path / 'memory'
    with open(path, 'wb') as file:
        file.truncate(SIZE)
    program = programs.Access(SIZE, str(path))
    program.start()
    program.tell('fill')
    yield path, program
    program.close()


def test_pages_are_checked(access):
    path, program = access
    for pattern in ('uniform', 'zipf', 'seq'):
        answer = program.tell(pattern, 50, 2)
        assert answer['accesses'] > 0 and answer['ns'] >= 50e6


def test_one_wrong_byte_is_noticed(access):
    path, program = access
    with open(path, 'r+b', buffering=0) as file:
        with pytest.raises(programs.Ended, match='status 1'):
            # It may be written over before it is read.
            for attempt in range(100):
                byte = os.pread(file.fileno(), 1, SIZE // 2 + 1234)[0]
                os.pwrite(file.fileno(), bytes([byte ^ 1]), SIZE // 2 + 1234)
                program.tell('seq', 10, 1)


def test_last_line_is_the_result(tmp_path):
    output = subprocess.run(
        [sys.executable, '-m', 'bench', '--size', '16', '--seconds', '0.2',
         '--rounds', '1', '--disk', str(tmp_path), 'seq', 'policy'],
        check=True, stdout=subprocess.PIPE, text=True).stdout
    result = json.loads(output.splitlines()[-1])
    assert result['vs_kernel_swap_seq'] > 0
    assert result['second_vpm_policy_gain'] > 0
    assert list(tmp_path.iterdir()) == []


def test_unknown_parts_are_refused():
    refused = subprocess.run([sys.executable, '-m', 'bench', 'everything'],
                             stderr=subprocess.PIPE, text=True)
    assert refused.returncode == 2
    assert "there is no part 'everything'" in refused.stderr


def test_engine_beside_hostile_qemus():
    output = subprocess.run(
        [sys.executable, '-m', 'bench.engine', 'hostile', '--rounds', '2'],
        check=True, stdout=subprocess.PIPE, text=True).stdout
    result = json.loads(output.splitlines()[-1])
    assert result['hostile_p99_ratio'] > 0
    assert result['hostile']['fixation_ms']['p50'] > 0
