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

"""The engine, made to die or to see QEMU hang at a chosen point.

    engine_at.py <point> --config-file ...
"""

import os
import sys

from nova_temporality.cmd import engine
from nova_temporality.native import _vpm
from tests.framework import native_build

_lib = _vpm.lib

# Where it dies.
STEPS = {
    'after-note': _lib.VPM_STEP_NOTED,
    'after-fire': _lib.VPM_STEP_FIRED,
    'after-begin': _lib.VPM_STEP_BEGUN,
    'after-stop': _lib.VPM_STEP_STOPPED,
    'after-migrate': _lib.VPM_STEP_SAVING,
    'after-receive': _lib.VPM_STEP_RECEIVED,
    'before-commit': _lib.VPM_STEP_SAVED,
    'after-commit': _lib.VPM_STEP_FIXATED,
}
# The first QEMU that has stopped its guest hangs then.
HANG = 'hang-qemu-at-first-save'
POINTS = (*STEPS, HANG)


if __name__ == '__main__':
    point = sys.argv.pop(1)
    if point in STEPS:
        os.environ['ENGINE_DIES_AT'] = str(STEPS[point])
    else:
        os.environ['QEMU_HANGS_AT'] = str(_lib.VPM_STEP_STOPPED)
    engine.PROGRAM = native_build.engine_at()
    sys.exit(engine.main())
