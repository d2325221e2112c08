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

"""A virtual machine (TCG) with Debian's kernel that runs tests/pod/guest."""

import re
import socket
import subprocess
import time

from nova_temporality import qmp
from tests.pod import build

# Seconds for booting and all tests on a busy machine.
PATIENCE = 400
_RESULT = re.compile(r'(not )?ok \d+ - (\w+)')


class Machine:
    """Runs once, from power on to power off.

    :param arguments: of the guest's init
    :param cpu: QEMU's name and flags of it
    :ivar passed: dict of bool by the name of the test
    :ivar said: all that came out of the second serial port
    :ivar kernel_log: all that came out of the first one
    """

    def __init__(self, arguments='', cpu='qemu64'):
        directory = build.scratch()
        log = directory / 'kernel.log'
        monitor = directory / 'qmp.sock'
        self.passed = {}
        self.said = []
        ours, theirs = socket.socketpair()
        process = subprocess.Popen(
            ['qemu-system-x86_64', '-accel', 'tcg,thread=multi', '-machine',
             'q35', '-cpu', cpu, '-smp', '2', '-m', '256', '-nodefaults',
             '-display', 'none', '-no-reboot',
             '-kernel', build.kernel() / 'vmlinuz',
             '-initrd', build.initramfs(),
             '-append', 'console=ttyS0 panic=-1 -- ' + arguments,
             '-serial', 'file:%s' % log,
             '-chardev', 'socket,id=tap,fd=%d' % theirs.fileno(),
             '-serial', 'chardev:tap',
             '-qmp', 'unix:%s,server=on,wait=off' % monitor],
            pass_fds=[theirs.fileno()])
        theirs.close()
        try:
            self._listen(ours, monitor)
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()
            process.wait()
            ours.close()
        self.kernel_log = log.read_text(errors='replace')

    def _listen(self, tap, monitor):
        deadline = time.monotonic() + PATIENCE
        tap.settimeout(PATIENCE)
        for line in tap.makefile(errors='replace'):
            assert time.monotonic() < deadline, self.said
            line = line.rstrip()
            self.said.append(line)
            result = _RESULT.fullmatch(line)
            if result:
                self.passed[result[2]] = not result[1]
            elif line == 'ask nmi':
                client = qmp.QmpClient(str(monitor), PATIENCE)
                client.command('inject-nmi', timeout=PATIENCE)
                client.close()
