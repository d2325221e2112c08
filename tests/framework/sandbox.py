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

"""Runs a module under the system calls and capabilities that its unit has.

    python -m tests.framework.sandbox <unit> <module> [<argument> ...]

What systemd does, without systemd: see SystemCallFilter= and
CapabilityBoundingSet= in systemd.exec(5). A call that the unit does not allow
ends the process (SIGSYS).
"""

import ctypes
import errno
import pathlib
import re
import runpy
import struct
import subprocess
import sys

UNITS = pathlib.Path(__file__).parents[2] / 'etc/systemd'
_NUMBERS = pathlib.Path('/usr/include/x86_64-linux-gnu/asm/unistd_64.h')
_CAPABILITIES = pathlib.Path('/usr/include/linux/capability.h')

# These have calls of a group fail (EPERM), also if they are allowed.
_PROTECTIONS = {'ProtectClock': ['@clock'],
                'ProtectKernelModules': ['@module'],
                'ProtectKernelLogs': ['syslog']}

# prctl(2)
_CAPBSET_DROP = 24
_SET_NO_NEW_PRIVS = 38
_SET_SECCOMP = 22
_MODE_FILTER = 2

# seccomp(2), and the instructions of its programs
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _KILL, _FAIL = 0x7fff0000, 0x80000000, 0x00050000


def command(unit, module):
    """Arguments of Python that run a module in a unit's sandbox."""
    return ['-m', 'tests.framework.sandbox', unit, module]


def _settings(unit):
    """Values of a unit's section [Service], by their names."""
    found = {}
    text = (UNITS / unit).read_text().replace('\\\n', ' ')
    section = ''
    for line in text.splitlines():
        if line.startswith('['):
            section = line
        elif section == '[Service]' and re.match(r'\w+=', line):
            name, value = line.split('=', 1)
            found.setdefault(name, []).extend(value.split())
    return found


def _expand(names):
    """System calls in some groups (@...) and by their own names."""
    calls = set()
    for name in names:
        if not name.startswith('@'):
            calls.add(name)
            continue
        listed = subprocess.run(
            ['systemd-analyze', 'syscall-filter', name], check=True,
            text=True, stdout=subprocess.PIPE).stdout
        calls |= _expand(line.strip() for line in listed.splitlines()[1:]
                         if not line.strip().startswith('#'))
    return calls


def _constants(path, prefix):
    return {name: int(number) for name, number in re.findall(
        r'^#define %s(\w+)\s+(\d+)$' % prefix, path.read_text(), re.M)}


def _prctl(*arguments):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(*arguments, *[0] * (5 - len(arguments))) != 0:
        number = ctypes.get_errno()
        raise OSError(number, 'prctl%s' % (arguments,))


def _filter(calls, listed, otherwise):
    """Have calls that are listed end in one way, others in another."""
    numbers = _constants(_NUMBERS, '__NR_')
    program = [(_LOAD, 0, 0, 0)]
    for call in sorted(calls & numbers.keys()):
        program += [(_EQUAL, 0, 1, numbers[call]), (_RETURN, 0, 0, listed)]
    program.append((_RETURN, 0, 0, otherwise))
    code = ctypes.create_string_buffer(
        b''.join(struct.pack('=HBBI', *one) for one in program))
    head = struct.pack('@HP', len(program), ctypes.addressof(code))
    _prctl(_SET_SECCOMP, _MODE_FILTER, head)


def enter(unit):
    """Give up what a unit does not have; for ever."""
    settings = _settings(unit)
    fails = _expand(group for name, groups in _PROTECTIONS.items()
                    if settings.get(name) == ['yes'] for group in groups)
    allowed = _expand(settings['SystemCallFilter'])
    kept = settings['CapabilityBoundingSet']
    for name, number in _constants(_CAPABILITIES, 'CAP_').items():
        if 'CAP_' + name not in kept and name != 'LAST_CAP':
            _prctl(_CAPBSET_DROP, number)
    _prctl(_SET_NO_NEW_PRIVS, 1)
    _filter(fails, _FAIL | errno.EPERM, _ALLOW)
    _filter(allowed, _ALLOW, _KILL)


if __name__ == '__main__':
    enter(sys.argv[1])
    module = sys.argv[2]
    sys.argv[1:3] = []
    runpy.run_module(module, run_name='__main__', alter_sys=True)
