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

"""Runs every fuzzing target for FUZZ_SECONDS (60) each.

New inputs are kept in build/fuzz/NAME/found, and those that crash a target in
build/fuzz/NAME/artifacts.
"""

import os
import pathlib
import subprocess
import sys

from tests.fuzz import build

SECONDS = os.environ.get('FUZZ_SECONDS', '60')


def main():
    if not SECONDS.isdecimal() or int(SECONDS) < 1:
        return "FUZZ_SECONDS is '%s'; it must be a positive number" % SECONDS
    for name in build.targets():
        print('fuzzing %s for %s s' % (name, SECONDS), flush=True)
        work = pathlib.Path('build/fuzz') / name
        for kind in ('found', 'artifacts'):
            (work / kind).mkdir(parents=True, exist_ok=True)
        result = subprocess.run(build.command(
            name, int(SECONDS), work / 'found', work / 'artifacts'))
        if result.returncode:
            return 'target %s failed; the input is in %s' % (
                name, work / 'artifacts')
    return 0


sys.exit(main())
