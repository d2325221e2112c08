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

# provision.sh nvdimm|dram: runs in the machine, once; what the installation
# guide has an operator do with a host that has our packages.

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

"$1"
# Extents that huge pages can map.
mkfs.ext4 -q -b 4096 -E stride=512,stripe_width=512 /dev/pmem0
echo '/dev/pmem0 /var/lib/temporality/nvram ext4 dax=always,nofail 0 0' \
    >>/etc/fstab
systemctl daemon-reload
mount /var/lib/temporality/nvram
temporality pool create --descriptors 8
systemctl enable --now temporality-engine temporality-notifier \
    temporality-fixate-at-shutdown
# It sees the hook.
systemctl restart libvirtd
systemctl enable --now nova-compute
