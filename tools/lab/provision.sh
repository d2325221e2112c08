#!/bin/sh
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

# provision.sh nvdimm|dram|vault ext4|xfs|tmpfs: runs in the machine, once; what
# the guides have an operator do with a host that has our packages.

set -eux

region() {
    ndctl list -R | grep -q region0
}

# Right after the boot it is not there yet.
wait_region() {
    udevadm settle
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        region && break
        sleep 1
    done
}

nvdimm() {
    modprobe nfit
    modprobe nd_pmem
    wait_region
    ndctl disable-region region0
    ndctl init-labels -f nmem0
    ndctl enable-region region0
    ndctl create-namespace -m fsdax -M mem
}

dram() {
    wait_region
    ndctl create-namespace -f -e namespace0.0 -m fsdax -M mem
}

# Extents that huge pages can map.
ext4() {
    mkfs.ext4 -q -b 4096 -E stride=512,stripe_width=512 /dev/pmem0
}

xfs() {
    mkfs.xfs -q -d su=2m,sw=1 /dev/pmem0
}

# mount_nvram WHAT FILESYSTEM OPTIONS
mount_nvram() {
    echo "$1 /var/lib/temporality/nvram $2 $3 0 0" >>/etc/fstab
    systemctl daemon-reload
    mount /var/lib/temporality/nvram
}

# On the machine's disk.
vault() {
    vault=/var/lib/temporality/vault
    mount_nvram tmpfs tmpfs size=1G,mode=0755
    echo "vault_path = $vault" >>/etc/temporality/temporality.conf
    temporality pool create --size 512M --descriptors 8 --vault "$vault"
    systemctl enable --now temporality-vault
}

on_dax() {
    "$1"
    "$2"
    # An emulated processor is slow to find it.
    mount_nvram /dev/pmem0 "$2" dax=always,nofail,x-systemd.device-timeout=900
    temporality pool create --descriptors 8
}

if [ "$1" = vault ]; then
    vault
else
    on_dax "$1" "$2"
fi

install -d -m 0711 /var/lib/temporality/swap
# Where power fails by an NMI, or by its trigger.
echo 'options pod nmi=1 test_trigger=1' >/etc/modprobe.d/pod.conf
echo pod >/etc/modules-load.d/pod.conf
modprobe pod
systemctl enable --now temporality-engine temporality-notifier \
    temporality-fixate-at-shutdown
# It sees the hook.
systemctl restart libvirtd
systemctl enable --now nova-compute
