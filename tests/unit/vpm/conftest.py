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

"""An engine, its client, and QEMUs."""

import os
import tempfile

import pytest

from nova_temporality.native import _vpm
from tests.framework import engine_process
from tests.framework import pools

lib = _vpm.lib


@pytest.fixture
def pool(tmp_path):
    with pools.create(tmp_path / 'pool') as pool:
        yield pool


@pytest.fixture
def process(pool):
    # Others can enter it, so that they can be refused.
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        made = engine_process.EngineProcess(pool, directory + '/run')
        yield made
        made.kill()


@pytest.fixture
def client(process):
    process.start()
    with process.connect() as client:
        yield client


@pytest.fixture
def make_qemu(pool, process):
    made = []

    def make(name='a'):
        made.append(engine_process.Qemu(pool.alloc(name, 4096),
                                        process.run_dir))
        return made[-1]
    yield make
    for one in made:
        one.close()


@pytest.fixture
def armed(client, make_qemu):
    qemu = make_qemu()
    assert qemu.open(client).code == lib.VPM_OK
    assert qemu.arm(client).code == lib.VPM_OK
    return qemu
