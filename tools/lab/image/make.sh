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

# In the root that is to be the machine's, with nothing of it running: install
# our packages, configure what an operator does not, and make a disk of it all,
# /mnt/disk.img.

set -eu -o pipefail
cd /mnt

apt-get -y -q --no-install-recommends -o Dpkg::Use-Pty=0 install ./*.deb
cp -r image/etc /
cat /etc/temporality/laboratory.conf >>/etc/temporality/temporality.conf
rm /etc/temporality/laboratory.conf
echo lab >/etc/hostname
passwd -q -d root
# They would only take the processor's time.
systemctl -q mask apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer \
    fstrim.timer dpkg-db-backup.timer man-db.timer systemd-pstore.service \
    networking.service ndctl-monitor.service
rm -f /etc/apt/apt.conf.d/99mmdebstrap /etc/apt/sources.list.d/*
# The journal survives power cuts.
mkdir -p tree /var/lib/nova/instances /var/log/journal
# Without what is mounted below it.
mount --bind / tree
mkdir -p tree/mnt/lab
truncate -s 8G disk.img
mke2fs -q -F -t ext4 -m 0 -E lazy_itable_init=1,lazy_journal_init=1 \
    -d tree disk.img
umount tree
