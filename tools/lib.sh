# shellcheck shell=bash disable=SC2034  # read by those who source it
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

# Sourced by scripts that install and build: the state directory, steps with
# visible progress, stamps by content hash.

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
APT_ENTRY=$TOP/tools/install/apt_entry.py
STATE=${STATE:-/var/tmp/temporality}
MARKER=$STATE/.temporality-state
VENV=$STATE/venv
LOGS=$STATE/log/install
STAMPS=$STATE/stamps

say() {
    printf '[%4ds] %s\n' "$SECONDS" "$*"
}

die() {
    printf 'ERROR: %s\n' "$*" >&2
    exit 1
}

need_root() {
    [ "$(id -u)" = 0 ] || die "this must run as root"
}

# The code name of this Debian, such as bookworm.
codename() {
    sed -n 's/^VERSION_CODENAME=//p' /etc/os-release
}

# Make the state directory ours, or refuse one that belongs to others.
state_init() {
    case $STATE in
        /*) ;;
        *) die "STATE must be an absolute path, not '$STATE'" ;;
    esac
    if [ ! -e "$MARKER" ] && [ -n "$(ls -A "$STATE" 2>/dev/null)" ]; then
        die "$STATE exists and is not a state directory of ours"
    fi
    mkdir -p "$LOGS" "$STAMPS"
    touch "$MARKER"
    # QEMU processes run under other user ids and must get through.
    chmod 0755 "$STATE"
}

# step NAME WHAT COMMAND...: run it with its output in a log of its own.
step() {
    local what=$2 start=$SECONDS log=$LOGS/$1.log failed=0
    shift 2
    say "$what ..."
    set +e  # errexit would be off inside any condition
    (set -e; "$@") >"$log" 2>&1 </dev/null
    failed=$?
    set -e
    if [ $failed != 0 ]; then
        tail -n 20 "$log" | sed 's/^/    | /' >&2
        die "$what: failed; the whole log is $log"
    fi
    say "$what: done in $((SECONDS - start)) s"
}

# content_hash FILE...: one hash over names and contents, directories whole.
content_hash() {
    find "$@" -type f -not -name '*.pyc' -not -path '*.egg-info/*' \
        -print0 | sort -z | xargs -0 sha256sum | sha256sum | cut -d' ' -f1
}

# stamped NAME HASH: was NAME done for this very content, on this release?
stamped() {
    [ "$(cat "$STAMPS/$1" 2>/dev/null)" = "$(codename) $2" ]
}

stamp() {
    echo "$(codename) $2" >"$STAMPS/$1"
}

# stamped_build NAME BUILD SOURCE...: have the function BUILD make what becomes
# $STATE/NAME, in the directory $NEW; kept until a source changes.
stamped_build() {
    local name=$1 build=$2 hash
    shift 2
    need_root
    state_init
    hash=$(content_hash "$@")
    if stamped "$name" "$hash" && [ -e "$STATE/$name" ]; then
        return
    fi
    NEW=$STATE/$name.new
    rm -rf "$NEW" "${STATE:?}/$name"
    mkdir "$NEW"
    "$build"
    mv "$NEW" "$STATE/$name"
    stamp "$name" "$hash"
}

# The binding that fits the installed libvirt: an older one does not compile.
libvirt_python() {
    local version
    version=$(pkg-config --modversion libvirt)
    echo "libvirt-python==${version%.*}.*"
}

# uv_pip VENV COMMAND...: uv's pip for a virtual environment.  It does not read
# pip's configuration, so it is handed the index that stands there.
uv_pip() {
    local index
    index=$("$VENV/bin/pip" config get global.index-url 2>/dev/null) ||
        index=  # pip fails when nothing is configured, the usual case
    [ -z "$index" ] || export UV_DEFAULT_INDEX=${UV_DEFAULT_INDEX:-$index}
    UV_HTTP_TIMEOUT=180 UV_SYSTEM_CERTS=1 UV_CACHE_DIR=$STATE/uv-cache \
        "$VENV/bin/uv" pip "$2" --python "$1/bin/python" "${@:3}"
}
