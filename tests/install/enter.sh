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

# tests/install/enter.sh ROOT COMMAND...: run it in another root directory, in
# mounts and processes of its own, which end with it.

set -eu -o pipefail

# Runs in the new namespaces. Not by chroot: for unshare, which tests use, the
# root has to be a mount.
enter() {
    local root=$1
    shift
    mount --bind "$root" "$root"
    mount --rbind /sys "$root/sys"
    mount -t proc proc "$root/proc"
    # Copies: packages give nodes to groups of theirs, like /dev/kvm.
    mount -t tmpfs -o mode=0755 tmpfs "$root/dev"
    cp -ax /dev/. "$root/dev"
    mkdir -p "$root/dev/pts" "$root/dev/shm"
    mount -t devpts -o newinstance,mode=0620,ptmxmode=0666 devpts \
        "$root/dev/pts"
    mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
    mount -t tmpfs -o mode=0755 tmpfs "$root/run"
    mkdir "$root/run/lock"
    cd "$root"
    mkdir -p .old
    pivot_root . .old
    umount --lazy .old
    exec "$@"
}

if [ "$1" = --inside ]; then
    enter "${@:2}"
fi
exec unshare --mount --pid --fork --kill-child \
    bash "${BASH_SOURCE[0]}" --inside "$@"
