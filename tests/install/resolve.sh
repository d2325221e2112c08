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

# tests/install/resolve.sh RELEASE: what install.sh would install on a bare
# machine with this release of Debian: "apt NAME VERSION" and "pip NAME==VERSION"
# a line.  Downloads lists only, and what PyPI has no wheel of.

set -eu -o pipefail
# shellcheck source=/dev/null
. "$(dirname "$0")/../../tools/lib.sh"
# shellcheck source=/dev/null
. "$TOP/tools/install/packages.sh"

RELEASE=$1
# Have no wheel, so they are compiled, or just unpacked, for any Python.
SOURCES=(libvirt-python ovs simplegeneric uwsgi)
ROOT=$(mktemp -d)
trap 'rm -rf "$ROOT"' EXIT
# Where keys lie, and proxies, the machine's own settings say.
APT_GET=(apt-get -q -o Dir="$ROOT" -o Dir::State::status="$ROOT/status"
         -o Dir::Etc::Trusted=/etc/apt/trusted.gpg
         -o Dir::Etc::TrustedParts=/etc/apt/trusted.gpg.d
         -o APT::Sandbox::User=root)

lists() {
    local apt=$ROOT/etc/apt
    mkdir -p "$apt"/{sources.list.d,preferences.d} \
        "$ROOT"/var/{lib/apt/lists,cache/apt/archives}/partial
    touch "$ROOT/status"
    /usr/bin/python3 "$APT_ENTRY" "$RELEASE" "$apt/sources.list.d/release"
    if wants_backports "$RELEASE"; then
        /usr/bin/python3 "$APT_ENTRY" "$RELEASE-backports" \
            "$apt/sources.list.d/backports"
        backports_preferences "$RELEASE" >"$apt/preferences.d/backports"
    fi
    "${APT_GET[@]}" -o APT::Update::Error-Mode=any update
}

# What apt says is "Inst NAME (VERSION ARCHIVE [ARCHITECTURE])".
from_debian() {
    local names
    mapfile -t names < <(packages platform:dpkg
        packages 'platform:dpkg backports')
    "${APT_GET[@]}" -s --no-install-recommends install "${names[@]}" |
        sed -nE 's/^Inst ([^ ]+) \(([^ ]+) .*/apt \1 \2/p'
}

# version NAME: the first two numbers of what apt has for it.
version() {
    sed -nE "s/^apt $1 ([0-9]+:)?([0-9]+\.[0-9]+)\..*/\2/p" "$ROOT/debian"
}

from_pypi() {
    echo "libvirt-python==$(version libvirt-dev).*" >"$ROOT/libvirt"
    uv_pip "$VENV" compile -q --python-version "$(version python3)" \
        --no-header --no-annotate -c "$TOP/constraints.txt" \
        --only-binary :all: "${SOURCES[@]/#/--no-binary=}" \
        "$TOP/tools/install/requirements.txt" "$TOP/requirements.txt" \
        "$TOP/test-requirements.txt" "$ROOT/libvirt" | sed 's/^/pip /'
}

lists >&2
from_debian | tee "$ROOT/debian"
from_pypi
