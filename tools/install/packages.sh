# shellcheck shell=bash
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

# Sourced after lib.sh: which packages of Debian are needed, and from where.

# packages SELECTORS: the names in bindep.txt that have exactly these in
# brackets.
packages() {
    sed -n "s/^\([^# ]*\) \[$1\]\$/\1/p" "$TOP/bindep.txt"
}

# Whether QEMU and libvirt of this release are too old for us.
wants_backports() {
    [ "$1" = bookworm ]
}

# What apt must be told to prefer, if it has a release's backports: they rank
# below everything unless asked for.
backports_preferences() {
    cat <<END
Package: src:qemu src:libvirt src:seabios
Pin: release n=$1-backports
Pin-Priority: 500
END
}
