# shellcheck shell=bash disable=SC2154  # STATE and others are those of lib.sh
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

# Sourced after lib.sh: Debian's root directories, kept below $STATE/roots, and
# commands in them.  The mirror is that of the machine.

ROOTS=$STATE/roots

# debootstrap_root DIRECTORY RELEASE HOOK...: make one, with mmdebstrap's hooks.
debootstrap_root() {
    local directory=$1 release=$2 scratch entry hook hooks=()
    shift 2
    for hook; do
        hooks+=(--customize-hook="$hook")
    done
    scratch=$(mktemp -d)
    entry=$(/usr/bin/python3 "$APT_ENTRY" "$release" "$scratch/debian")
    # The machine's settings, such as a proxy.
    apt-config dump Acquire >"$scratch/apt.conf"
    mmdebstrap --mode=root --variant=minbase --aptopt="$scratch/apt.conf" \
        "${hooks[@]}" "$release" "$directory" "$entry"
    rm -r "$scratch"
}

# root NAME RELEASE HASH HOOK...: have $ROOTS/NAME, made anew if HASH changed.
root() {
    local name=$1 release=$2 hash=$3
    shift 3
    stamped "root-$name" "$hash" && [ -d "$ROOTS/$name" ] && return
    mkdir -p "$ROOTS"
    rm -rf --one-file-system "${ROOTS:?}/$name"
    step "root-$name" "making a bare $release for $name" \
        debootstrap_root "$ROOTS/$name" "$release" "$@"
    stamp "root-$name" "$hash"
}

# in_root NAME SHARE COMMAND...: run it in a root, without network and as its
# only processes.  The directory SHARE is /mnt; all other changes are lost.
in_root() {
    local name=$1 share=$2 layers failed=0
    shift 2
    layers=$(mktemp -d -p "$ROOTS" layers.XXXXXX)
    mkdir "$layers/upper" "$layers/work" "$layers/root"
    unshare --mount --pid --fork --kill-child --net --ipc --uts \
        "$TOP/tools/packages/enter.sh" "$ROOTS/$name" "$layers" "$share" \
        "$@" || failed=$?
    rm -rf --one-file-system "$layers"
    return "$failed"
}
