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

# DevStack sources this with a mode and a phase; see the dispatcher at the end.

TEMPORALITY_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
TEMPORALITY_CONF=$TEMPORALITY_CONF_DIR/temporality.conf
TEMPORALITY_POOL=$TEMPORALITY_NVRAM_DIR/pool

# Not in a subshell, out of which "die" would not lead.
function find_temporality_qemu_group {
    local name
    for name in ${TEMPORALITY_QEMU_GROUP:-libvirt-qemu qemu}; do
        if getent group "$name" >/dev/null; then
            TEMPORALITY_QEMU_GROUP=$name
            return
        fi
    done
    die $LINENO "There is no group '$name'; set TEMPORALITY_QEMU_GROUP to" \
        "the group under which libvirt runs QEMU"
}

function _temporality_bin {
    echo "$(get_python_exec_prefix)/$1"
}

function install_temporality_packages {
    # the native library is compiled
    install_package gcc
    if is_fedora; then
        install_package python3-devel
    else
        install_package python3-dev
    fi
}

function install_temporality {
    setup_develop "$TEMPORALITY_DIR"
}

# Put a file of ours in place, with the real paths and group.
function _temporality_install_file {
    sed -e "s|/var/lib/temporality/nvram|$TEMPORALITY_NVRAM_DIR|g" \
        -e "s|/run/temporality|$TEMPORALITY_RUN_DIR|g" \
        -e "s|libvirt-qemu\"|$TEMPORALITY_QEMU_GROUP\"|g" \
        "$TEMPORALITY_DIR/etc/$1" | sudo tee "$2" >/dev/null
}

function configure_temporality_host {
    _temporality_install_file udev/65-temporality.rules \
        /etc/udev/rules.d/65-temporality.rules
    sudo udevadm control --reload
    sudo udevadm trigger --sysname-match=kvm --sysname-match=userfaultfd
    _temporality_install_file sysctl.d/60-temporality.conf \
        /etc/sysctl.d/60-temporality.conf
    sudo sysctl -q -p /etc/sysctl.d/60-temporality.conf
    _temporality_install_file tmpfiles.d/temporality.conf \
        /etc/tmpfiles.d/temporality.conf
    sudo systemd-tmpfiles --create /etc/tmpfiles.d/temporality.conf
    if [[ -e /etc/apparmor.d/abstractions/libvirt-qemu ]]; then
        sudo mkdir -p /etc/apparmor.d/abstractions/libvirt-qemu.d
        _temporality_install_file apparmor.d/temporality \
            /etc/apparmor.d/abstractions/libvirt-qemu.d/temporality
    fi
}

function mount_temporality_nvram {
    sudo mkdir -p "$TEMPORALITY_NVRAM_DIR"
    if mountpoint -q "$TEMPORALITY_NVRAM_DIR"; then
        return
    fi
    if [[ -n "$TEMPORALITY_DEVICE" ]]; then
        sudo mount -o "$TEMPORALITY_MOUNT_OPTIONS" "$TEMPORALITY_DEVICE" \
            "$TEMPORALITY_NVRAM_DIR" ||
            die $LINENO "Cannot mount TEMPORALITY_DEVICE $TEMPORALITY_DEVICE" \
                "with $TEMPORALITY_MOUNT_OPTIONS; format it first"
    else
        sudo mount -t tmpfs \
            -o "mode=0755,size=$TEMPORALITY_EMULATED_SIZE" \
            temporality "$TEMPORALITY_NVRAM_DIR"
    fi
}

function _temporality {
    sudo "$(_temporality_bin temporality)" \
        --config-file "$TEMPORALITY_CONF" "$@"
}

# A pool that is there is kept: its servers may be waiting in it. So may those
# in a vault.
function create_temporality_pool {
    local vault=()
    if sudo test -e "$TEMPORALITY_POOL/pool"; then
        return
    fi
    if [[ -z "$TEMPORALITY_VAULT_DIR" ]]; then
        :
    elif sudo test -e "$TEMPORALITY_VAULT_DIR/vault"; then
        # It fails too where only some servers are unproven.
        _temporality vault restore ||
            sudo test -e "$TEMPORALITY_POOL/pool" ||
            die $LINENO "The vault $TEMPORALITY_VAULT_DIR cannot be" \
                "restored, see above"
        return
    else
        vault=(--vault "$TEMPORALITY_VAULT_DIR")
    fi
    # shellcheck disable=SC2086 # several arguments
    _temporality pool create $TEMPORALITY_POOL_ARGS "${vault[@]}"
    # Nobody could tell otherwise whether power lasts for it.
    if [[ "$TEMPORALITY_VAULT_HOLD_UP" != 0 ]]; then
        _temporality vault measure
    fi
}

function _temporality_iniset_all {
    local file=$1
    iniset "$file" temporality pool_path "$TEMPORALITY_POOL"
    iniset "$file" temporality run_dir "$TEMPORALITY_RUN_DIR"
    iniset "$file" temporality qemu_group "$TEMPORALITY_QEMU_GROUP"
    iniset "$file" temporality hold_up_ms "$TEMPORALITY_HOLD_UP_MS"
    iniset "$file" temporality vault_path "$TEMPORALITY_VAULT_DIR"
    iniset "$file" temporality vault_hold_up "$TEMPORALITY_VAULT_HOLD_UP"
}

function configure_temporality_compute {
    if [[ "$VIRT_DRIVER" != libvirt ]]; then
        die $LINENO "VIRT_DRIVER is $VIRT_DRIVER; Temporality needs libvirt"
    fi
    if [[ "$TEMPORALITY_VAULT_HOLD_UP" != 0 && \
            -z "$TEMPORALITY_VAULT_DIR" ]]; then
        die $LINENO "TEMPORALITY_VAULT_HOLD_UP needs TEMPORALITY_VAULT_DIR"
    fi
    if [[ -n "$TEMPORALITY_VAULT_DIR" && -n "$TEMPORALITY_DEVICE" ]]; then
        die $LINENO "TEMPORALITY_DEVICE needs no TEMPORALITY_VAULT_DIR:" \
            "unset one of them"
    fi
    sudo install -d -o "$STACK_USER" "$TEMPORALITY_CONF_DIR"
    touch "$TEMPORALITY_CONF"
    _temporality_iniset_all "$TEMPORALITY_CONF"
    # nova-cpu.conf is copied from this when nova-compute starts.
    _temporality_iniset_all "$NOVA_CONF"
    iniset "$NOVA_CONF" DEFAULT compute_driver temporality.TemporalityDriver
    iniset "$NOVA_CONF" temporality_privileged helper_command \
        "sudo $(_temporality_bin privsep-helper) --config-file $NOVA_CONF"
}

function configure_temporality_scheduler {
    iniset_multiline "$NOVA_CONF" filter_scheduler available_filters \
        nova.scheduler.filters.all_filters \
        nova_temporality.scheduler.register
}

# nova-compute starts after this, as it should.
function start_temporality {
    local name
    for name in temporality-engine temporality-notifier; do
        run_process "$name" \
            "$(_temporality_bin $name) --config-file $TEMPORALITY_CONF" \
            root root
    done
}

function create_temporality_flavor {
    if ! openstack flavor show "$TEMPORALITY_FLAVOR" >/dev/null 2>&1; then
        openstack flavor create --vcpus 1 --ram 256 --disk 1 \
            --property temporality:persistent=true "$TEMPORALITY_FLAVOR"
    fi
}

function configure_temporality_tempest {
    if [[ "$TEMPORALITY_TEMPEST_PERSISTENT" != True ]]; then
        return
    fi
    local option
    for option in flavor_ref flavor_ref_alt; do
        openstack flavor set --property temporality:persistent=true \
            "$(iniget "$TEMPEST_CONFIG" compute $option)"
    done
    # DevStack may have switched these on; they are refused.
    for option in swap_volume volume_multiattach; do
        iniset "$TEMPEST_CONFIG" compute-feature-enabled $option False
    done
    # Emulated CPUs: refused while the server runs.
    if [[ "$(iniget "$NOVA_CONF" libvirt virt_type)" == qemu ]]; then
        iniset "$TEMPEST_CONFIG" compute-feature-enabled live_migration False
    fi
}

# What may be in real NVRAM or in a vault is somebody's data, and stays.
function clean_temporality {
    local source
    # findmnt fails where nothing is mounted.
    source=$(findmnt -n -t tmpfs -o SOURCE -M "$TEMPORALITY_NVRAM_DIR" || true)
    if [[ "$source" == temporality ]]; then
        sudo umount "$TEMPORALITY_NVRAM_DIR"
    fi
    sudo rm -f /etc/udev/rules.d/65-temporality.rules \
        /etc/sysctl.d/60-temporality.conf /etc/tmpfiles.d/temporality.conf \
        /etc/apparmor.d/abstractions/libvirt-qemu.d/temporality
    sudo rm -rf "$TEMPORALITY_CONF_DIR" "$TEMPORALITY_RUN_DIR"
}

case "$1 ${2:-}" in
    "stack pre-install")
        install_temporality_packages
        ;;
    "stack install")
        echo_summary "Installing Temporality"
        install_temporality
        ;;
    "stack post-config")
        echo_summary "Configuring Temporality"
        if is_service_enabled n-sch; then
            configure_temporality_scheduler
        fi
        if is_service_enabled n-cpu; then
            find_temporality_qemu_group
            configure_temporality_compute
            mount_temporality_nvram
            configure_temporality_host
            create_temporality_pool
            start_temporality
        fi
        ;;
    "stack extra")
        if is_service_enabled n-api; then
            create_temporality_flavor
        fi
        ;;
    "stack test-config")
        if is_service_enabled tempest; then
            configure_temporality_tempest
        fi
        ;;
    "unstack ")
        if is_service_enabled n-cpu; then
            stop_process temporality-notifier
            stop_process temporality-engine
        fi
        ;;
    "clean ")
        clean_temporality
        ;;
esac
