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

from nova_temporality.qemu import qmp
from tests.pod import build

# Seconds without a word after which the machine is taken for dead; booting it
# and a test that hangs take less.
SILENCE = 150
_RESULT = re.compile(r'(not )?ok \d+ - (\w+)')


class Machine:
    """Runs once, from power on to power off.

    :param arguments: of the guest's init
    :param cpu: QEMU's name and flags of it
    :ivar passed: dict of bool by the name of the test
    :ivar said: all that came out of the second serial port
    :ivar kernel_log: all that came out of the first one
    :ivar hung: whether it had to be killed
    """

    def __init__(self, arguments='', cpu='qemu64'):
        directory = build.scratch()
        log = directory / 'kernel.log'
        monitor = directory / 'qmp.sock'
        self.passed = {}
        self.said = []
        self.hung = False
        ours, theirs = socket.socketpair()
        process = subprocess.Popen(
            ['qemu-system-x86_64', '-accel', 'tcg,thread=multi', '-machine',
             'q35', '-cpu', cpu, '-smp', '2', '-m', '256', '-nodefaults',
             '-display', 'none', '-no-reboot',
             '-kernel', build.kernel() / 'vmlinuz',
             '-initrd', build.initramfs(),
             '-append', 'console=ttyS0 oops=panic panic=-1 -- ' + arguments,
             '-serial', 'file:%s' % log,
             '-chardev', 'socket,id=tap,fd=%d' % theirs.fileno(),
             '-serial', 'chardev:tap',
             '-qmp', 'unix:%s,server=on,wait=off' % monitor],
            pass_fds=[theirs.fileno()])
        theirs.close()
        try:
            self._listen(ours, monitor)
        finally:
            process.kill()
            process.wait()
            ours.close()
        self.kernel_log = log.read_text(errors='replace')

    def _listen(self, tap, monitor):
        tap.settimeout(SILENCE)
        lines = tap.makefile(errors='replace')
        while True:
            try:
                line = lines.readline()
            except TimeoutError:
                self.hung = True
                return
            if not line:
                return  # QEMU has ended
            line = line.rstrip()
            self.said.append(line)
            result = _RESULT.fullmatch(line)
            if result:
                self.passed[result[2]] = not result[1]
            elif line == 'ask nmi':
                client = qmp.QmpClient(str(monitor), SILENCE)
                client.command('inject-nmi', timeout=SILENCE)
                client.close()
