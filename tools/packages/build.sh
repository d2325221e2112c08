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

# build.sh [only]: build Debian packages of the checkout into
# $STATE/packages/RELEASE, in a bare root of that release (this machine's by
# default), check them with lintian and try them.  With "only" they are just
# built, unless they are there.

set -eu -o pipefail
# shellcheck source=/dev/null
. "$(dirname "$0")/../lib.sh"
# shellcheck source=/dev/null
. "$TOP/tools/packages/root.sh"

RELEASE=${RELEASE:-$(codename)}
OUT=$STATE/packages/$RELEASE
PREVIOUS=$STATE/packages/previous-$RELEASE
SCRATCH=$(mktemp -d)
trap 'rm -rf "$SCRATCH"' EXIT

# The version that pbr gives a checkout, as Debian writes it.
version() {
    cd "$1"
    "$VENV/bin/python" -c '
from pbr import packaging
from pbr import version
found = packaging.get_version("nova-temporality")
print(version.SemanticVersion.from_pip_string(found).debian_string())'
}

# changelog CHECKOUT: packages of a later release of Debian count as newer.
changelog() {
    cat <<END
nova-temporality ($(version "$1")+deb$DEBIAN) unstable; urgency=medium

  * The notes of this release are in its documentation.

 -- $(sed -n 's/^Maintainer: //p' "$1/debian/control")  $(
    git -C "$1" log -1 --format=%cD)
END
}

# build CHECKOUT OUT: build what git knows of it.
build() {
    local source=$SCRATCH/source
    rm -rf "$source" "$2"
    mkdir -p "$source/tree" "$2"
    git -C "$1" ls-files -z |
        tar -C "$1" --null --files-from - -c | tar -C "$source/tree" -x
    changelog "$1" >"$source/tree/debian/changelog"
    in_root "build-$RELEASE" "$source" \
        env -C tree dpkg-buildpackage -us -uc
    find "$source" -maxdepth 1 -type f -exec mv -t "$2" {} +
}

# Those of the commit before, if it has any, for an upgrade from them.
build_previous() {
    local commit
    git -C "$TOP" cat-file -e 'HEAD^:debian/control' || return 0
    commit=$(git -C "$TOP" rev-parse 'HEAD^')
    [ "$(cat "$PREVIOUS/commit" 2>/dev/null)" != "$commit" ] || return 0
    git clone -q --shared --no-checkout "$TOP" "$SCRATCH/previous"
    git -C "$SCRATCH/previous" checkout -q "$commit"
    build "$SCRATCH/previous" "$PREVIOUS"
    echo "$commit" >"$PREVIOUS/commit"
}

check() {
    in_root "build-$RELEASE" "$OUT" sh -c \
        'lintian --allow-root --info --fail-on error,warning *.changes'
}

make_build_root() {
    local needs
    needs=$(sed -n '/^Build-Depends:/,/^[^ B]/p' "$TOP/debian/control")
    # shellcheck disable=SC2016  # $1 is mmdebstrap's
    root "build-$RELEASE" "$RELEASE" "$needs" \
        'mkdir -p "$1/tmp/source/debian"' \
        "copy-in $TOP/debian/control /tmp/source/debian" \
        'chroot "$1" apt-get -y --no-install-recommends build-dep /tmp/source' \
        'chroot "$1" apt-get -y --no-install-recommends install \
             build-essential lintian' \
        'rm -r "$1/tmp/source"'
}

# Depends of the packages but for each other, and the headers of a kernel.
needs_of_packages() {
    local package
    for package in "$OUT"/*.deb; do
        dpkg-deb -f "$package" Depends
    done | sed 's/, */\n/g' | sort -u |
        grep -vE '^(libvpm|python3-nova-temporality|temporality)|^$'
    echo linux-headers-amd64
    echo systemd-standalone-tmpfiles
}

make_trial_root() {
    local needs
    needs=$(needs_of_packages)
    # shellcheck disable=SC2016  # $1 is mmdebstrap's
    root "trial-$RELEASE" "$RELEASE" "$needs" \
        "chroot \"\$1\" apt-get -y --no-install-recommends satisfy \
             '$(echo "$needs" | paste -s -d ,)'"
}

try() {
    local share=$SCRATCH/trial old=/mnt/new
    mkdir -p "$share/new"
    cp "$TOP/tests/packages/trial.sh" "$share"
    cp "$OUT"/*.deb "$share/new"
    if [ -e "$PREVIOUS/commit" ]; then
        cp -r "$PREVIOUS" "$share/old"
        old=/mnt/old
    fi
    in_root "trial-$RELEASE" "$share" ./trial.sh "$old" /mnt/new
}

main() {
    local hash
    need_root
    state_init
    hash=$(cd "$TOP" && git ls-files -z debian etc nova_temporality pod \
        'setup.*' pyproject.toml tools/packages | xargs -0 sha256sum |
        sha256sum | cut -d' ' -f1)
    if [ "${1:-}" = only ] && stamped "packages-$RELEASE" "$hash" &&
        [ -d "$OUT" ]; then
        return
    fi
    make_build_root
    # shellcheck source=/dev/null
    DEBIAN=$(. "$ROOTS/build-$RELEASE/etc/os-release" && echo "$VERSION_ID")
    step "packages-$RELEASE" "building packages for $RELEASE" \
        build "$TOP" "$OUT"
    stamp "packages-$RELEASE" "$hash"
    [ "${1:-}" != only ] || return 0
    step "lintian-$RELEASE" "checking them with lintian" check
    step "previous-$RELEASE" "building those of the commit before" \
        build_previous
    make_trial_root
    step "trial-$RELEASE" "installing, upgrading and purging them" try
    say "the packages are in $OUT"
}

main "$@"
