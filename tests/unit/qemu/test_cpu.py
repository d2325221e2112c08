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

"""What vCPUs can do, and what of it is gone."""

import pytest

from nova_temporality.qemu import cpu
from nova_temporality.qemu import qmp
from tests.framework import fake_qmp

NAMES = """<cpus>
<feature name='hle'>
  <cpuid eax_in='0x00000007' ecx_in='0x00000000' ebx='0x00000010'/>
</feature>
<feature name='rtm'>
  <cpuid eax_in='0x00000007' ecx_in='0x00000000' ebx='0x00000800'/>
</feature>
<feature name='an-msr'>
  <msr index='0x10a' edx='0x00000000' eax='0x00000001'/>
</feature>
<feature name='sse'>
  <cpuid eax_in='0x01' edx='0x02000000'/>
</feature></cpus>"""


def word(leaf, register, features, **more):
    return {'cpuid-input-eax': leaf, 'cpuid-register': register,
            'features': features, **more}


def read(words):
    return cpu.words(fake_qmp.FakeQmp(
        query_cpus_fast=[{'qom-path': '/machine/cpu'}], qom_get=words), 1)


@pytest.fixture
def names(tmp_path):
    path = tmp_path / 'features.xml'
    path.write_text(NAMES)
    return str(path)


def test_words():
    assert read([
        word(7, 'EBX', 0x810, **{'cpuid-input-ecx': 1}),
        word(0x80000001, 'ECX', 1)]) == {
            '7.1 EBX': 0x810, '80000001.0 ECX': 1}


def test_other_machines_have_none():
    assert read(qmp.QmpCommandError('qom-get', 'GenericError', 'no')) == {}


@pytest.mark.parametrize('words', [
    None, 7, [7], [{}], [word('7', 'EBX', 1)], [word(7, 'EBX', '1')],
    [word(7, 'EBX', 1, **{'cpuid-input-ecx': None})]])
def test_nonsense_is_an_error(words):
    with pytest.raises(qmp.QmpError):
        read(words)


def test_lost_ones_are_named(names):
    before = {'7.0 EBX': 0x811, '1.0 EDX': 1 << 25}
    assert cpu.lost(before, before, names) == []
    assert cpu.lost({'7.0 EBX': 0x801}, before, names) == []
    assert cpu.lost(before, {'7.0 EBX': 0x1}, names) == ['sse', 'hle', 'rtm']


def test_names_that_nobody_knows(names):
    for path in names, '/nonexistent':
        assert cpu.lost({'7.0 EDX': 4}, {}, path) == ['CPUID 7.0 EDX bit 2']
