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

# Build the native library in the checkout, for what imports that.

set -eu
TOP=$(cd "$(dirname "$0")/.." && pwd)
STATE=${STATE:-/var/tmp/temporality}
cd "$TOP"
log=$(mktemp)
trap 'rm -f "$log"' EXIT

"$STATE/venv/bin/python" setup.py -q build_ext --inplace >"$log" 2>&1 || {
    cat "$log"
    exit 1
}
