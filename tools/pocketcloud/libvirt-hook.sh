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

# libvirt's hook of the pocket cloud: connect a started guest's taps to Open
# vSwitch, whose userspace datapath has two faults that the kernel module does
# not have.  It never fails: a guest without network is better than no guest.

[ "$2" = started ] || exit 0
# libvirt passes little of its environment on.
OVS_RUNDIR=$(tr '\0' '\n' <"/proc/$PPID/environ" | sed -n 's/^OVS_RUNDIR=//p')
export OVS_RUNDIR

# Did Open vSwitch open it?  Then it made it promiscuous.
opened() {
    tries=0
    until ip link show "$1" | grep -q PROMISC; do
        tries=$((tries + 1))
        [ $tries -le 40 ] || return 1
        sleep 0.05
    done
}

# A tap that was deleted, and made again under the same name while its port
# stayed, as Nova does for a rescue: Open vSwitch goes on to read the dead one.
# Without its datapath's port it opens the tap anew, at the next change of its
# configuration, whichever that is.
reopen() {
    ovs-appctl -t "$OVS_RUNDIR/vswitchd.ctl" \
        dpctl/del-if netdev@ovs-netdev "$1"
    ovs-vsctl --timeout=5 set Interface "$1" \
        other_config:reopened="$(date +%s%N)"
}

sed -n "s/.*<target dev='\(tap[^']*\)'.*/\1/p" | while read -r tap; do
    opened "$tap" || { reopen "$tap" && opened "$tap"; }
    # To make it promiscuous, Open vSwitch reads the flags, adds one and writes
    # them back.  If libvirt brings the tap up in between, it stays down.  So
    # bring it up once more, after that.
    ip link set "$tap" up
done >/dev/null 2>&1
exit 0
