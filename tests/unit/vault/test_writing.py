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

"""What is written before a planned reboot."""

import os

import pytest

from nova_temporality.host import nvdimm_notes
from nova_temporality.vault import data
from nova_temporality.vault import writing
from nova_temporality import vpm
from tests.framework import pools


def written(host, region):
    with open(host.file('data', region), 'rb') as file:
        return file.read()


def test_zeros_are_not_written(host):
    region = host.server(data=b'something')
    with open(host.file('data', region), 'r+b') as file:
        file.write(b'X' * (1 << 20))
    host.write()
    content = written(host, region)
    assert content[:65536] == b'X' * 65536
    assert content[65536:131072].strip(b'\0') == b'something'
    assert content[131072:1 << 20] == b'X' * ((1 << 20) - 131072)
    host.lose_dram()
    assert host.restore()['pvm'].result == 'restored'
    assert host.memory(region).strip(b'\0') == b'something'


def test_holes_are_not_read(tmp_path):
    path = tmp_path / 'ram'
    with open(path, 'wb') as file:
        file.truncate(1 << 40)
        file.seek(1 << 39)
        file.write(b'x')
    fd = os.open(path, os.O_RDONLY)
    assert data.with_data(fd, 1 << 40) == [1 << 39]
    os.close(fd)


def test_server_that_fails_keeps_no_other_from_being_written(host):
    bad, good = host.server('bad'), host.server('good')
    os.unlink(host.file('data', bad))
    os.mkdir(host.file('data', bad))
    failures = host.write()
    assert list(failures) == ['bad']
    assert 'it would not survive' in failures['bad']
    host.lose_dram()
    outcomes = host.restore()
    assert outcomes['good'].result == 'restored'
    assert outcomes['bad'].result == 'unproven'
    assert outcomes['bad'].reason == failures['bad']
    assert host.memory(host.pool.lookup('good'))[100000:100004] == b'good'
    assert good.id == host.pool.lookup('good').id


def test_server_that_runs_is_not_written(host):
    region = host.server(fixated=False)
    assert host.write() == {}
    assert not os.path.exists(host.file('manifest', region))


def test_state_that_nobody_can_tell_of(host, monkeypatch):
    host.server()

    def fail(*args):
        raise vpm.SystemCallFailed('nobody can tell')

    monkeypatch.setattr(nvdimm_notes, 'proven_state', fail)
    assert 'nobody can tell' in host.write()['pvm']


def test_server_that_is_let_run_meanwhile(host, monkeypatch):
    region = host.server()
    write = data.write

    def let_run(*args):
        host.pool.begin_epoch(region.id)
        return write(*args)

    monkeypatch.setattr(data, 'write', let_run)
    assert 'was let run' in host.write()['pvm']
    host.lose_dram()
    assert host.restore()['pvm'].result == 'unproven'


def test_what_is_there_is_not_written_again(host, monkeypatch):
    host.server()
    host.reboot()
    monkeypatch.setattr(data, 'write', None)
    assert host.write() == {}
    host.lose_dram()
    assert host.restore()['pvm'].result == 'restored'


def test_what_is_of_an_earlier_state_is_written(host):
    region = host.server()
    host.reboot()
    host.pool.begin_epoch(region.id)
    host.poke(region, b'newer')
    pools.fixate(host.pool, region.id)
    host.reboot()
    assert host.memory(region)[100000:100005] == b'newer'


def test_vault_that_is_not_mounted(host):
    host.server()
    os.rename(host.vault, host.vault + '.away')
    os.mkdir(host.vault)
    assert 'mount its disk' in host.write()['pvm']


def test_memory_of_another_size_is_not_written(host):
    region = host.server()
    part, *_ = data.parts(region)
    os.truncate(region.ram_path, 1 << 30)
    with pytest.raises(OSError, match='too large'):
        data.write(host.file('data', region), region.directory, part, 1)


def test_disk_without_direct_writes(host, monkeypatch):
    monkeypatch.setattr(os, 'O_DIRECT', 0)
    host.server()
    assert host.reboot()['pvm'].result == 'restored'


def test_large_memory(host):
    """Several pieces, the last one shorter, with zeros in between."""
    region = host.pool.alloc('pvm', (5 << 20) + 4096)
    host.pool.begin_epoch(region.id)
    host.poke(region, os.urandom(3 << 20), 0)
    host.poke(region, os.urandom((1 << 20) + 4096), 4 << 20)
    memory = host.memory(region)
    pools.fixate(host.pool, region.id)
    host.reboot()
    assert host.memory(region) == memory


def test_notes_that_are_none(host):
    host.server()
    with open(os.path.join(host.pool_path, 'large'), 'wb') as file:
        file.truncate(writing._NOTE_MOST + 1)
    os.symlink('/etc/passwd', os.path.join(host.pool_path, 'link'))
    host.reboot()
    assert sorted(os.listdir(host.pool_path)) == [
        'conf', 'lock', 'pause', 'pool', 'regions']


def test_only_root_can_read_it(host):
    region = host.server()
    host.write()
    assert os.stat(host.vault).st_mode & 0o777 == 0o700
    for kind in ('record', 'data', 'manifest'):
        assert os.stat(host.file(kind, region)).st_mode & 0o777 == 0o600


def test_pool_without_a_vault(tmp_path):
    with pools.create(tmp_path / 'pool') as pool:
        assert (pool.info().vault, pool.info().version) == ('', 3)
