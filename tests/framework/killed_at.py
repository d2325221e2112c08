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

"""Writes a vault, or restores it, and is killed at the n-th system call.

Each call that Python audits and that has to do with files counts.

usage: killed_at.py ahead|write|restore VAULT POOL N
"""

import os
import signal
import sys

from nova_temporality.vault import ahead
from nova_temporality.vault import restoring
from nova_temporality.vault import writing
from nova_temporality import vpm

_EVENTS = {'open', 'os.rename', 'os.remove', 'os.mkdir', 'os.rmdir',
           'os.listdir', 'os.scandir', 'shutil.rmtree', 'fcntl.flock'}


def main(what, vault, pool_path, number):
    left = int(number)

    def count(event, args):
        nonlocal left
        if event in _EVENTS:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    if what == 'ahead':
        with vpm.Pool(pool_path) as pool:
            names = [region.name for region in pool.regions()]
            writer = ahead.Ahead(pool, 1 << 20, lambda: names, lambda: True,
                                 lambda: False)
            sys.addaudithook(count)
            writer.step()
    elif what == 'write':
        with vpm.Pool(pool_path) as pool:
            sys.addaudithook(count)
            assert writing.write(pool) == {}
    else:
        sys.addaudithook(count)
        restoring.restore(vault, pool_path)


if __name__ == '__main__':
    main(*sys.argv[1:])
