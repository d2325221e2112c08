#!/bin/bash
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

# Stop the pocket cloud and remove the state directory.

set -eu -o pipefail
# shellcheck source=/dev/null
. "$(dirname "$0")/../lib.sh"

mounts_below() {
    awk -v state="$STATE/" 'index($2, state) == 1 { print $2 }' \
        /proc/self/mounts | sort -r
}

need_root
if [ ! -e "$STATE" ]; then
    say "there is no $STATE"
    exit
fi
[ -e "$MARKER" ] || die "$STATE is not a state directory of ours"
if [ -x "$VENV/bin/python" ]; then
    # By its path: what STATE was made by may not have installed it.
    PYTHONPATH=$TOP/tools "$VENV/bin/python" -m pocketcloud down
    for nvram in nvdimm dram; do
        LAB_NVRAM=$nvram PYTHONPATH=$TOP/tools "$VENV/bin/python" -m lab down
    done
fi
mounts_below | xargs -r -n 1 umount
# Never across a mount: what is mounted still is not ours to remove.
rm -rf --one-file-system "$STATE"
say "removed $STATE"
