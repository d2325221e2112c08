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

# enter.sh ROOT LAYERS SHARE COMMAND...: what in_root runs in namespaces of its
# own.

set -eu
lower=$1 layers=$2 share=$3
root=$layers/root
shift 3

mount -t overlay overlay -o \
    "lowerdir=$lower,upperdir=$layers/upper,workdir=$layers/work" "$root"
mount --bind "$share" "$root/mnt"
mount -t proc proc "$root/proc"
# The kernel is the machine's.
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
chroot "$root" /usr/bin/env -i -C /mnt HOME=/root LC_ALL=C.UTF-8 \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    DEBIAN_FRONTEND=noninteractive "$@"
