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

"""What a QEMU's vCPUs can do, as their guest sees it (CPUID).

A guest looks once, when it boots, and goes on to use what it has seen. So a
state must not be loaded where that is gone: after an update of microcode,
another kernel or QEMU, a setting of the firmware. QEMU itself does not
compare.
"""

from collections import abc
from xml.etree import ElementTree

from nova_temporality.qemu import qmp as qmp_module

# 32 bits each, by "LEAF.SUBLEAF REGISTER", the numbers in hexadecimal.
Words = abc.Mapping[str, int]

# Names of features; libvirt-common has it.
_NAMES = '/usr/share/libvirt/cpu_map/x86_features.xml'


def words(qmp: qmp_module.QmpClient, timeout: float) -> dict[str, int]:
    """Return the feature words of a QEMU's vCPUs.

    :param timeout: seconds for each command
    :returns: nothing if QEMU does not tell: it does on x86 only
    :raises: qmp.QmpError
    """
    try:
        # All vCPUs of a machine are alike.
        first = qmp.command('query-cpus-fast', timeout=timeout)[0]
        found = qmp.command('qom-get', {'path': first['qom-path'],
                                        'property': 'feature-words'},
                            timeout=timeout)
        return {'%x.%x %.3s' % (word['cpuid-input-eax'],
                                word.get('cpuid-input-ecx', 0),
                                word['cpuid-register']):
                word['features'] & 0xffffffff for word in found}
    except qmp_module.QmpCommandError:
        return {}
    except (LookupError, TypeError, AttributeError):
        raise qmp_module.QmpError('QEMU names no features of its vCPUs')


def lost(before: Words, now: Words, names: str = _NAMES) -> list[str]:
    """Name the features that are gone.

    :param names: path of libvirt's list of features; without it they are
                  named by their places
    """
    known = _read_names(names)
    return [known.get((place, bit), 'CPUID %s bit %d' % (place, bit))
            for place, word in sorted(before.items()) for bit in range(32)
            if (word & ~now.get(place, 0)) >> bit & 1]


def _read_names(path: str) -> dict[tuple[str, int], str]:
    found: dict[tuple[str, int], str] = {}
    try:
        features = ElementTree.parse(path).getroot().findall('feature')
    except (OSError, ElementTree.ParseError):
        return found
    for feature in features:
        cpuid = feature.find('cpuid')
        if cpuid is None:
            continue
        leaf = '%x.%x' % (int(cpuid.get('eax_in', '0'), 16),
                          int(cpuid.get('ecx_in', '0'), 16))
        for register in ('eax', 'ebx', 'ecx', 'edx'):
            mask = int(cpuid.get(register, '0'), 16)
            found.update({
                ('%s %s' % (leaf, register.upper()), bit):
                feature.get('name', '') for bit in range(32)
                if mask >> bit & 1})
    return found
