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

# Build the guest image from Debian packages: kernel, initial RAM disk and a
# root disk with Redis, into $STATE/guest.  Kept until its sources change.

set -eu -o pipefail
# shellcheck source=/dev/null
. "$(dirname "$0")/../lib.sh"

SOURCES=$TOP/tools/guest
DISK_SIZE=448M
PACKAGES=redis-server,busybox-static,iproute2,e2fsprogs,qemu-guest-agent
MODULES="virtio_pci virtio_blk ext4 virtio_net virtio_console af_packet button
    evdev"

# The kernel comes from its package; nothing of it is installed here.
get_kernel() {
    local package
    package=$(apt-cache depends linux-image-cloud-amd64 |
        awk '$1 == "Depends:" { print $2; exit }')
    mkdir -p "$WORK/kernel"
    cd "$WORK/kernel"
    apt-get -q -o APT::Sandbox::User=root download "$package"
    dpkg-deb -x ./*.deb .
    # From Debian 13 on its modules lie below usr; kmod looks below lib.
    [ -e lib ] || ln -s usr/lib lib
    cp boot/vmlinuz-* "$NEW/vmlinuz"
    depmod -b . "$(ls lib/modules)"
}

make_root() {
    local release entry
    release=$(codename)
    entry=$(/usr/bin/python3 "$APT_ENTRY" "$release" "$WORK/debian")
    # The machine's settings, such as a proxy; removed from the image below.
    apt-config dump Acquire >"$WORK/apt.conf"
    mmdebstrap --mode=root --variant=minbase --include="$PACKAGES" \
        --aptopt="$WORK/apt.conf" \
        --dpkgopt='path-exclude=/usr/share/doc/*' \
        --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' \
        "$release" "$ROOT" "$entry"
    rm -f "$ROOT/etc/apt/apt.conf.d/99mmdebstrap" \
        "$ROOT"/etc/apt/sources.list.d/*
    mkdir -p "$ROOT/data"
    gcc -O2 -Wall -Wextra -Werror -static -o "$WORK/witness" \
        "$SOURCES/witness.c"
    install -m 0755 "$WORK/witness" "$SOURCES/dhcp-event" \
        "$ROOT/usr/local/sbin"
    install -m 0755 "$SOURCES/init" "$ROOT/sbin/init"
    # where acpid looks for what to do when the power button is pressed
    install -D -m 0755 "$SOURCES/power-button" \
        "$ROOT/etc/acpi/PWRF/00000080"
    install -m 0644 "$SOURCES/redis.conf" "$ROOT/etc/redis/temporality.conf"
}

make_disk() {
    truncate -s "$DISK_SIZE" "$NEW/root.img"
    mkfs.ext4 -q -F -L temporality -m 0 -d "$ROOT" "$NEW/root.img"
}

# Not compressed: emulated CPUs take longer to unpack than to read.
make_initramfs() {
    local tree=$WORK/initramfs.d kernel=$WORK/kernel module
    mkdir -p "$tree"/{bin,dev,modules,root}
    cp "$ROOT/bin/busybox" "$tree/bin"
    install -m 0755 "$SOURCES/initramfs-init" "$tree/init"
    for module in $MODULES; do
        modprobe -d "$kernel" -S "$(ls "$kernel/lib/modules")" \
            --show-depends "$module"
    done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' |
        while read -r module; do
            cp "$module" "$tree/modules"
            # Debian 13 compresses them.
            case $module in
                *.xz) xz -d "$tree/modules/${module##*/}" ;;
            esac
            module=${module%.xz}
            echo "${module##*/}"
        done >"$tree/modules/order"
    (cd "$tree" && find . | cpio --quiet -o -H newc >"$NEW/initramfs")
}

build() {
    WORK=$NEW/work
    ROOT=$WORK/root
    mkdir "$WORK"
    step guest-kernel "fetching the guest's kernel" get_kernel
    step guest-root "building the guest's root file system" make_root
    step guest-disk "making the guest's disk" make_disk
    step guest-initramfs "making the guest's initial RAM disk" make_initramfs
    rm -rf "$WORK"
}

stamped_build guest build "$SOURCES"
