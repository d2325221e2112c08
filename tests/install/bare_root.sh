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

# Install into a bare root of the other of Debian 12 and 13 than this machine
# has, build there, and run there what "make test" runs, but for the cloud and
# Nova's own tests: $STATE/bare-root, of the last commit.

set -eu -o pipefail
# shellcheck source=/dev/null
. "$(dirname "$0")/../../tools/lib.sh"

ROOT=$STATE/bare-root
ENTER=$TOP/tests/install/enter.sh

release() {
    case $(codename) in
        trixie) echo bookworm ;;
        *) echo trixie ;;
    esac
}

# What of this machine's settings it takes to download there.
copy_settings() {
    local path
    for path in /etc/hosts /etc/resolv.conf /etc/pip.conf \
        /root/.config/pip/pip.conf /usr/local/share/ca-certificates/*; do
        [ ! -f "$path" ] || install -D -m 0644 "$path" "$ROOT$path"
    done
    bash "$ENTER" "$ROOT" update-ca-certificates
}

make_root() {
    local entry
    rm -rf --one-file-system "$ROOT"
    entry=$(/usr/bin/python3 "$APT_ENTRY" "$(release)" "$STATE/bare-root.apt")
    apt-config dump Acquire >"$STATE/bare-root.conf"
    mmdebstrap --mode=root --variant=minbase --include=ca-certificates,git,make \
        --aptopt="$STATE/bare-root.conf" "$(release)" "$ROOT" "$entry"
    rm "$entry" "$STATE/bare-root.conf"
    copy_settings
    git clone -q "$TOP" "$ROOT/src"
}

# With the machine's environment: it may say where certificates and indexes
# are.
inside() {
    (unset STATE MAKEFLAGS MAKEOVERRIDES && bash "$ENTER" "$ROOT" "$@")
}

need_root
state_init
step bare-root "making a bare root of $(release)" make_root
inside make -C /src guest kernel native
inside make -C /src lint
inside sh -c 'cd /src && exec /var/tmp/temporality/venv/bin/python -m pytest \
    -p no:cacheprovider -W ignore -q --timeout 1200 tests \
    --ignore tests/cloud --ignore tests/install'
say "it works on $(release), too; the cloud was not tried"
