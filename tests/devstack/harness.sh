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

# DevStack as far as its plugins see it, in a mount namespace of its own.
#
#   harness.sh <directory> <mode and phase>...
#
# sources the plugin's files in the order in which stack.sh, unstack.sh and
# clean.sh do, for each mode and phase in a shell of its own. Calls of
# DevStack's functions and of programs that would change the machine are logged
# to <directory>/calls. Mounts, pools and files are real, on file systems that
# vanish with the namespace; <directory> stays. Further variables for local.conf
# come from <directory>/local.conf.

set -eu
HERE=$(cd "$(dirname "$0")" && pwd)

if [[ -z "${TEMPORALITY_HARNESS:-}" ]]; then
    TEMPORALITY_HARNESS=1 exec unshare --mount --propagation slave "$0" "$@"
fi

WORK=$1
shift

mkdir -p "$WORK/bin" "$WORK/root"
for path in /etc/udev/rules.d /etc/sysctl.d /etc/tmpfiles.d /etc/apparmor.d \
    /var/lib /run; do
    if [[ -d $path ]]; then
        mkdir -p "$WORK/root$path"
        mount --bind "$WORK/root$path" "$path"
    fi
done
if [[ -d /etc/apparmor.d ]]; then
    mkdir -p /etc/apparmor.d/abstractions
    touch /etc/apparmor.d/abstractions/libvirt-qemu
fi

for program in udevadm sysctl openstack; do
    cat >"$WORK/bin/$program" <<EOF
#!/bin/bash
echo "$program \$*" >>"$WORK/calls"
[[ "\$*" != "flavor show"* ]] || grep -q "flavor create.* \${*: -1}\$" "$WORK/calls"
EOF
    chmod +x "$WORK/bin/$program"
done
export PATH=$WORK/bin:$PATH

log() {
    echo "$*" >>"$WORK/calls"
}

# -- functions of DevStack ------------------------------------------------------

for name in echo_summary install_package setup_develop run_process \
    stop_process; do
    eval "function $name { log $name \"\$@\"; }"
done

function die {
    shift
    echo "$*" >&2
    exit 1
}

function sudo {
    "$@"
}

function is_fedora {
    [[ "${OS_VENDOR:-Debian}" == Fedora ]]
}

function get_python_exec_prefix {
    echo "$WORK/venv/bin"
}

function enable_service {
    ENABLED_SERVICES+=,$1
}

# Any of them.
function is_service_enabled {
    local name
    for name in "$@"; do
        if [[ ",$ENABLED_SERVICES," == *",$name,"* ]]; then
            return 0
        fi
    done
    return 1
}

function iniset {
    "$HERE/ini.py" set "$@"
}

function iniset_multiline {
    "$HERE/ini.py" set "$@"
}

function iniget {
    "$HERE/ini.py" get "$@"
}

# -- local.conf and what stack.sh sets ------------------------------------------

DEST=$WORK/stack
DATA_DIR=$WORK/stack/data
STACK_USER=$(id -un)
NOVA_CONF=$WORK/nova.conf
TEMPEST_CONFIG=$WORK/tempest.conf
ENABLED_SERVICES=n-api,n-sch,n-cpu,tempest
export DEST DATA_DIR STACK_USER NOVA_CONF TEMPEST_CONFIG
# shellcheck source=/dev/null
source "$WORK/local.conf"

PLUGIN=$HERE/../../devstack
# shellcheck source=/dev/null
source "$PLUGIN/override-defaults"
# shellcheck source=/dev/null
source "$PLUGIN/settings"

for phase in "$@"; do
    log "== $phase"
    # stack.sh stops at the first error, of the plugin too
    # shellcheck disable=SC2086,SC1091 # mode and phase are two arguments
    (set -e +u; source "$PLUGIN/plugin.sh" $phase)
done
