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

"""Builds and runs the crash explorer (see the documentation for it).

The arguments are the explorer's own, which main.c describes.
"""

import subprocess
import sys

from tests.framework import native_build

sys.exit(subprocess.run([native_build.explorer(), *sys.argv[1:]]).returncode)
