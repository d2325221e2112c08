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

# libvirt-namespace.sh STATE NUMBER NAME COMMAND...: run a daemon of libvirt
# with the files of the compute host of that number where it looks for its own.
# Runs in a mount namespace, so a libvirt of the system's does not notice, and
# a UTS namespace: libvirt does not migrate to a host of the same name.

set -eu
state=$1
number=$2
name=$3
shift 3
[ -z "$number" ] || hostname "$name"
for pair in \
    "$state/host$number/libvirt/etc:/etc/libvirt" \
    "$state/host$number/libvirt/lib:/var/lib/libvirt" \
    "$state/host$number/libvirt/cache:/var/cache/libvirt" \
    "$state/log/libvirt$number:/var/log/libvirt" \
    "$state/run$number/libvirt:/run/libvirt"
do
    mkdir -p "${pair#*:}"
    mount --bind "${pair%%:*}" "${pair#*:}"
done
exec "$@"
