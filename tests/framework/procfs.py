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

"""A procfs with the daemons of a host."""

_LIMITS = """\
Limit                     Soft Limit           Hard Limit           Units
Max open files            %-20s 1048576              files
Max locked memory         %-20s unlimited            bytes
"""


class Procfs:
    """Stands for /proc.

    :param top: where it is made
    :ivar path: where it is mounted, so to speak
    """

    def __init__(self, top):
        self.path = top / 'proc'
        (self.path / 'sys').mkdir(parents=True)

    def sysctl(self, name, value):
        """Set a number."""
        path = self.path.joinpath('sys', *name.split('.'))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('%d\n' % value, encoding='ascii')

    def daemon(self, pid, name, *, files='65536', memory='unlimited',
               capabilities=0, program='/usr/bin/program'):
        """Have one run."""
        directory = self.path / str(pid)
        directory.mkdir()
        for attribute, text in (
                ('comm', name[:15] + '\n'),
                ('limits', _LIMITS % (files, memory)),
                ('status', 'Name:\tx\nCapEff:\t%016x\n' % capabilities)):
            (directory / attribute).write_text(text, encoding='ascii')
        (directory / 'exe').symlink_to(program)
