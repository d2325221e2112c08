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

# Fetch the kernel that the POD driver is tested with, and what it takes to
# build modules for it, into $STATE/kernel.  Nothing of it is installed.
#
# It is Debian's kernel with GPIO lines, which the one for clouds lacks.

set -eu -o pipefail
# shellcheck source=/dev/null
. "$(dirname "$0")/../../tools/lib.sh"

OUT=$STATE/kernel

# Names of the packages that one depends on.
depends() {
    apt-cache depends "$1" | awk '$1 == "Depends:" { print $2 }'
}

# The version of a package that would be installed.
version() {
    apt-cache show --no-all-versions "$1" | awk '$1 == "Version:" { print $2 }'
}

# get PACKAGE VERSION [FILES]: unpack it, or only the files that match.
get() {
    apt-get -q -o APT::Sandbox::User=root download "$1=$2"
    dpkg-deb --fsys-tarfile "$1"_*.deb | tar -x --wildcards "${3:-*}"
    rm "$1"_*.deb
}

# Image and headers have to be of one version. The build tools need not: while
# an update is being published they are newer for some hours.
get_kernel() {
    local headers version name
    cd "$NEW"
    headers=$(depends linux-headers-amd64)
    version=$(version "$headers")
    depends "$headers" | grep -E '^linux-(headers|kbuild)-' |
        while read -r name; do
            case $name in
                linux-kbuild-*) get "$name" "$(version "$name")" ;;
                *) get "$name" "$version" ;;
            esac
        done
    get "$headers" "$version"
    get "linux-image-${headers#linux-headers-}" "$version" './boot/vmlinuz-*'
    # Where Debian's headers lie otherwise.
    sed -i "s|/usr/src/|$OUT/usr/src/|" "usr/src/$headers/Makefile"
    ln -s "usr/src/$headers" build
    mv boot/vmlinuz-* vmlinuz
    echo "${headers#linux-headers-}" >release
}

build() {
    step kernel "fetching the kernel that the POD driver is tested with" \
        get_kernel
}

stamped_build kernel build "${BASH_SOURCE[0]}"
