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

"""Python knows /dev/pod as the C header describes it."""

import json
import re

from nova_temporality.notifier.sources import pod_device
from tests.framework import pod_stand_in
from tests.pod import build

# Python's names by the header's.
STRUCTS = {
    'pod_event': (pod_stand_in.EVENT, pod_stand_in.Event._fields),
    'pod_info': (pod_device.INFO, pod_device.Info._fields),
    'pod_registration': (pod_stand_in.REGISTRATION, ('abi', 'signal')),
    'pod_write_back': (pod_device.WRITE_BACK_RESULT,
                       ('duration_ns', 'cpus', 'reserved')),
}
NUMBERS = {
    'POD_ABI': pod_device.ABI,
    'POD_SIGNAL': pod_stand_in.SIGNAL,
    'POD_LOST': pod_stand_in.LOST,
    'POD_GOOD': pod_stand_in.GOOD,
    'POD_WARN': pod_stand_in.WARN,
    'POD_COMMIT': pod_stand_in.COMMIT,
    'POD_ORIGIN_LINE': pod_stand_in.ORIGIN_LINE,
    'POD_ORIGIN_NMI': pod_stand_in.ORIGIN_NMI,
    'POD_ORIGIN_TEST': pod_stand_in.ORIGIN_TEST,
    'POD_EVENT_STATE': pod_stand_in.EVENT_STATE,
    'POD_INPUT_LINES': pod_stand_in.INPUT_LINES,
    'POD_INPUT_NMI': pod_stand_in.INPUT_NMI,
    'POD_INPUT_TEST': pod_stand_in.INPUT_TEST,
    'POD_WRITES_BACK': pod_device.WRITES_BACK,
    'POD_INFO': pod_device.GET_INFO,
    'POD_REGISTER': pod_stand_in.REGISTER,
    'POD_WRITE_BACK': pod_device.WRITE_BACK,
    'POD_ACKNOWLEDGE': pod_stand_in.ACKNOWLEDGE,
}


def evaluate(tmp_path, expressions):
    """Return what the compiler makes of expressions, as numbers."""
    source = tmp_path / 'dump.c'
    source.write_text(
        '#include <stddef.h>\n#include <stdio.h>\n#include "pod.h"\n'
        'int main(void)\n{\n    printf("[");\n%s    printf("0]");\n}\n'
        % ''.join('    printf("%%llu,", (unsigned long long)(%s));\n' % one
                  for one in expressions))
    build.run('gcc', '-I%s' % build.POD, source, '-o', tmp_path / 'dump')
    return dict(zip(expressions, json.loads(build.run(tmp_path / 'dump'))))


def offsets(layout, names):
    """Return offset, size and signedness of each field of a Struct."""
    found, offset = {}, 0
    codes = re.sub(r'(\d+)(\w)', lambda m: m[2] * int(m[1]),
                   layout.format.lstrip('='))
    for name, code in zip(names, codes, strict=True):
        size = {'Q': 8, 'q': 8, 'I': 4}[code]
        found[name] = offset, size, code == 'q'
        offset += size
    return found


def test_structs(tmp_path):
    for name, (layout, fields) in STRUCTS.items():
        struct = 'struct ' + name
        expected = {'sizeof(%s)' % struct: layout.size}
        for field, (offset, size, signed) in offsets(layout, fields).items():
            expected['offsetof(%s, %s)' % (struct, field)] = offset
            expected['sizeof(((%s *)0)->%s)' % (struct, field)] = size
            expected['(__typeof__(((%s *)0)->%s))-1 < 0'
                     % (struct, field)] = signed
        assert evaluate(tmp_path, list(expected)) == expected


def test_numbers(tmp_path):
    assert evaluate(tmp_path, list(NUMBERS)) == NUMBERS


def test_nothing_is_forgotten():
    header = (build.POD / 'pod.h').read_text()
    assert set(re.findall(r'^struct (\w+)', header, re.M)) == set(STRUCTS)
    names = re.findall(r'^(?:#define |\t)(POD_\w+)(?: =| [^\n])', header, re.M)
    assert set(names) == set(NUMBERS)
