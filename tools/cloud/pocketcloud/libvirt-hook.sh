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

# libvirt's hook of the pocket cloud: bring a started guest's taps up.
#
# Open vSwitch in user space notices a new tap and makes it promiscuous: it
# reads the flags, adds one and writes them back.  libvirt brings the tap up
# at the very same time; when it does so in between, the tap is down for good.
# So wait until Open vSwitch had its say, and have the last word.  A guest
# without network is better than none: this never fails.

[ "$2" = started ] || exit 0
sed -n "s/.*<target dev='\(tap[^']*\)'.*/\1/p" | while read -r tap; do
    tries=0
    until ip link show "$tap" | grep -q PROMISC || [ $tries = 40 ]; do
        tries=$((tries + 1))
        sleep 0.05
    done
    ip link set "$tap" up
done
exit 0
