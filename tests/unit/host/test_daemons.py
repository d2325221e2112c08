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

"""Daemons, as the kernel describes their processes."""

import pytest

from nova_temporality.host import daemons
from tests.framework import procfs


@pytest.fixture
def proc(tmp_path):
    return procfs.Procfs(tmp_path)


def test_none(proc):
    assert daemons.find(daemons.ENGINE, str(proc.path)) is None


def test_among_others(proc):
    proc.daemon(5, 'bash')
    proc.daemon(6, daemons.ENGINE, files='524288', memory='unlimited',
                capabilities=0)
    proc.daemon(7, daemons.NOTIFIER, files='unlimited', memory='8388608',
                capabilities=1 << 24 | 1, program='/gone (deleted)')
    assert daemons.find(daemons.ENGINE, str(proc.path)) == daemons.Daemon(
        6, 524288, daemons.UNLIMITED, False, False)
    assert daemons.find(daemons.NOTIFIER, str(proc.path)) == daemons.Daemon(
        7, daemons.UNLIMITED, 8388608, True, True)


def test_it_has_just_ended(proc):
    proc.daemon(6, daemons.ENGINE)
    (proc.path / '6/limits').unlink()
    assert daemons.find(daemons.ENGINE, str(proc.path)) is None


def test_its_program_is_nobody_s_business(proc):
    proc.daemon(6, daemons.ENGINE)
    (proc.path / '6/exe').unlink()
    assert not daemons.find(daemons.ENGINE, str(proc.path)).is_replaced


def test_real_limits_are_understood():
    """What this kernel says of this process."""
    with open('/proc/self/comm', encoding='ascii') as comm:
        name = comm.read().strip()
    found = daemons.find(name)
    assert found is not None
    assert found.open_files == daemons.UNLIMITED or found.open_files > 0
