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

# Nova's own tests and ours with Nova 33, the release before, in a virtual
# environment of its own and in eventlet, which that release runs by default.

set -eu -o pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
OLD=$STATE/venv-nova33

install_nova33() {
    local constraints=$STATE/constraints-nova33.txt
    rm -rf "$OLD"
    /usr/bin/python3 -m venv "$OLD"
    sed '/^nova==/d' "$TOP/constraints.txt" >"$constraints"
    uv_pip "$OLD" install --compile-bytecode -c "$constraints" \
        -r "$TOP/requirements.txt" -r "$TOP/test-requirements.txt" \
        pbr setuptools wheel 'nova>=33,<34' "$(libvirt_python)"
}

install_project() {
    SKIP_GENERATE_AUTHORS=1 SKIP_WRITE_GIT_CHANGELOG=1 \
        uv_pip "$OLD" install --no-deps --no-build-isolation --reinstall "$TOP"
}

tests() {
    OS_NOVA_DISABLE_EVENTLET_PATCHING=false \
        "$OLD/bin/python" -m pytest -p no:cacheprovider -W ignore -q \
        --timeout 600 "$@"
}

hash=$(libvirt_python)-$(content_hash "$TOP/constraints.txt" \
    "$TOP/requirements.txt" "$TOP/test-requirements.txt" "$0")
if ! stamped nova33 "$hash"; then
    step nova33 "installing Nova 33 beside" install_nova33
    stamp nova33 "$hash"
fi
step nova33-project "installing Temporality there" install_project
cd "$TOP"
tests -p tests.nova_unit.plugin \
    --pyargs nova.tests.unit.virt.libvirt.test_driver
tests tests/unit
