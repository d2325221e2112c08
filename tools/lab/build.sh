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

# Build what the laboratory's machine starts from into $STATE/lab-image: a
# Debian of this machine's release with a kernel, libvirt, QEMU, a Nova in a
# virtual environment, and our own packages.  What is there is left alone.

set -eu -o pipefail
# shellcheck source=/dev/null
. "$(dirname "$0")/../lib.sh"
# shellcheck source=/dev/null
. "$TOP/tools/packages/root.sh"
# shellcheck source=/dev/null
. "$TOP/tools/install/packages.sh"

RELEASE=$(codename)
NAME=lab-$RELEASE
ROOT=$ROOTS/$NAME
DEBS=$STATE/packages/$RELEASE
SETTINGS=$TOP/tools/lab/image

# One a line: what an operator's host has, and what a machine in a box needs.
plain_packages() {
    cat <<END
apparmor
ca-certificates
dbus
dkms
e2fsprogs
initramfs-tools
kexec-tools
kmod
ndctl
procps
python3-venv
systemd
systemd-sysv
udev
xfsprogs
zstd
END
}

# The release's own stay when backports bring newer ones.
kernel_packages() {
    cat <<END
linux-headers-amd64
linux-image-amd64
END
}

backports_packages() {
    cat <<END
libvirt-clients
libvirt-daemon-system
qemu-guest-agent
qemu-system-x86
qemu-utils
END
}

# What our packages depend on, but for each other.
needs_of_packages() {
    local package
    for package in "$DEBS"/*.deb; do
        dpkg-deb -f "$package" Depends
    done | sed 's/, */\n/g' | sort -u |
        grep -vE '^(libvpm|python3-nova-temporality|temporality)|^$'
}

make_root() {
    local needs scratch entry backports=() hooks=()
    local apt='chroot "$1" apt-get -y --no-install-recommends'
    needs=$(needs_of_packages)
    scratch=$(mktemp -d)
    if wants_backports "$RELEASE"; then
        backports=(-t "$RELEASE-backports")
        entry=$(/usr/bin/python3 "$APT_ENTRY" "$RELEASE-backports" \
            "$scratch/backports")
        hooks=("copy-in $entry /etc/apt/sources.list.d"
               "$apt update")
    fi
    hooks+=(
        "mkdir -p \"\$1/etc/initramfs-tools/conf.d\""
        "copy-in $SETTINGS/initramfs /etc/initramfs-tools/conf.d"
        "$apt install $(plain_packages | paste -s -d ' ')"
        "$apt satisfy '$(echo "$needs" | paste -s -d ,)'"
        "printf '%s\n' virtio_pci virtio_blk ext4 \
             >>\"\$1/etc/initramfs-tools/modules\""
        "$apt install $(kernel_packages | paste -s -d ' ')"
        "$apt ${backports[*]} install $(kernel_packages | paste -s -d ' ') \
             $(backports_packages | paste -s -d ' ')")
    root "$NAME" "$RELEASE" "$(content_hash "$SETTINGS/initramfs")
        $needs $(plain_packages) $(kernel_packages) $(backports_packages)" \
        "${hooks[@]}"
    rm -r "$scratch"
}

# In the machine it sees Debian's Python packages, so ours, too.
install_nova() {
    local venv=$ROOT/opt/nova
    rm -rf "$venv"
    /usr/bin/python3 -m venv --without-pip "$venv"
    uv_pip "$venv" install --compile-bytecode -c "$TOP/constraints.txt" \
        nova "$(libvirt_python)"
    sed -i 's/^\(include-system-site-packages\).*/\1 = true/' \
        "$venv/pyvenv.cfg"
}

make_nova() {
    local hash
    hash=$(libvirt_python)-$(content_hash "$TOP/constraints.txt")
    stamped lab-nova "$hash" && [ -d "$ROOT/opt/nova" ] && return
    step lab-nova "installing Nova into it" install_nova
    stamp lab-nova "$hash"
}

# The image's own kernels are started from outside of it.
install_image() {
    local share=$NEW/share
    mkdir -p "$share"
    cp -r "$SETTINGS" "$share/image"
    cp "$DEBS"/*.deb "$share"
    in_root "$NAME" "$share" image/make.sh
    mv "$share/disk.img" "$NEW"
    cp "$ROOT"/boot/vmlinuz-* "$ROOT"/boot/initrd.img-* "$NEW"
    rm -r "$share"
}

make_image() {
    step lab-image "installing our packages, making its disk" install_image
}

main() {
    need_root
    "$TOP/tools/packages/build.sh" only
    state_init
    make_root
    make_nova
    stamped_build lab-image make_image "$DEBS" "$SETTINGS" \
        "$STAMPS/root-$NAME" "$STAMPS/lab-nova"
}

main
