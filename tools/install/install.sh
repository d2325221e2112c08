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

# Install everything the pocket cloud and the tests need on Debian 12 or 13.
# Harmless to repeat: what is there already is left alone.

set -eu -o pipefail
# shellcheck source=/dev/null
. "$(dirname "$0")/../lib.sh"
# shellcheck source=/dev/null
. "$(dirname "$0")/packages.sh"

REQUIREMENTS=$TOP/tools/install/requirements.txt
PREFERENCES=/etc/apt/preferences.d/temporality-backports
POLICY=/usr/sbin/policy-rc.d
APT_GET=(apt-get -y -q --no-install-recommends
         -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300)
export DEBIAN_FRONTEND=noninteractive

# Print those of these packages that are not installed.
missing() {
    local name
    packages "$1" | while read -r name; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" \
            = installed ] || echo "$name"
    done
}

# A fresh package would start its daemon at once, some of them for the whole
# network.  While packages are installed no service starts.
forbid_service_starts() {
    if [ -e "$POLICY" ] && [ ! -e "$POLICY.temporality" ]; then
        mv "$POLICY" "$POLICY.temporality"
    fi
    printf '#!/bin/sh\nexit 101\n' >"$POLICY"
    chmod 0755 "$POLICY"
}

allow_service_starts() {
    rm -f "$POLICY"
    if [ -e "$POLICY.temporality" ]; then
        mv "$POLICY.temporality" "$POLICY"
    fi
}

enabled_units() {
    find /etc/systemd/system -path '*.wants/*' 2>/dev/null | sort
}

# apt_install PACKAGE...: install without starting anything, now or at boot.
apt_install() {
    local before after unit
    before=$(enabled_units)
    forbid_service_starts
    trap allow_service_starts EXIT
    "${APT_GET[@]}" install "$@"
    allow_service_starts
    trap - EXIT
    after=$(enabled_units)
    # What "systemctl disable" does, where there may be no systemd yet.
    comm -13 <(echo "$before") <(echo "$after") | while read -r unit; do
        case ${unit##*/} in
            mariadb*|mysql*|rabbitmq*|epmd*|openvswitch*|ovs*|libvirt*|virt*|\
            netfilter-persistent*|dnsmasq*|nut*)
                rm "$unit" ;;
        esac
    done
}

update_once() {
    [ -n "${apt_updated:-}" ] ||
        step apt-update "fetching the package lists" "${APT_GET[@]}" update
    apt_updated=1
}

install_debian_packages() {
    local names
    mapfile -t names < <(missing platform:dpkg)
    [ ${#names[@]} != 0 ] || return 0
    update_once
    step apt-debian "installing ${#names[@]} Debian packages" \
        apt_install "${names[@]}"
}

enable_backports() {
    local release
    release=$(codename)
    /usr/bin/python3 "$APT_ENTRY" "$release-backports" \
        /etc/apt/sources.list.d/temporality-backports
    backports_preferences "$release" >"$PREFERENCES"
    "${APT_GET[@]}" update
}

install_qemu_and_libvirt() {
    local names hash
    hash=$(content_hash "$APT_ENTRY")
    if stamped backports "$hash" &&
        [ -z "$(missing 'platform:dpkg backports')" ]; then
        return
    fi
    if wants_backports "$(codename)"; then
        step backports "enabling backports" enable_backports
    else
        update_once
    fi
    mapfile -t names < <(packages 'platform:dpkg backports')
    step apt-qemu "installing QEMU and libvirt" apt_install "${names[@]}"
    stamp backports "$hash"
}

make_venv() {
    rm -rf "$VENV" "$STAMPS/project" "$STAMPS/tools"
    /usr/bin/python3 -m venv "$VENV"
    "$VENV/bin/pip" install --disable-pip-version-check \
        -c "$TOP/constraints.txt" uv
}

install_requirements() {
    uv_pip "$VENV" install --compile-bytecode -c "$TOP/constraints.txt" \
        -r "$REQUIREMENTS" -r "$TOP/test-requirements.txt" "$(libvirt_python)"
}

install_venv() {
    local hash
    hash=$(libvirt_python)-$(content_hash "$TOP/constraints.txt" \
        "$REQUIREMENTS" "$TOP/test-requirements.txt")
    if stamped venv "$hash" && [ -x "$VENV/bin/python" ]; then
        return
    fi
    # After an upgrade of Debian what it has is for another Python.
    if ! "$VENV/bin/python" -c 'import uv' 2>/dev/null; then
        step venv "making the virtual environment" make_venv
    fi
    step requirements "installing Nova and the rest of the cloud from PyPI" \
        install_requirements
    stamp venv "$hash"
}

# Built without isolation, so that the build tools are the pinned ones too, and
# afresh, since setuptools would pick up files that are gone from the sources.
build_project() {
    rm -rf "$TOP/build"
    SKIP_GENERATE_AUTHORS=1 SKIP_WRITE_GIT_CHANGELOG=1 \
        uv_pip "$VENV" install --compile-bytecode --no-deps --no-build-isolation \
        --reinstall "$TOP"
}

install_project() {
    local hash
    hash=$(content_hash "$TOP/nova_temporality" "$TOP/pod" "$TOP/setup.cfg" \
        "$TOP/setup.py" "$TOP/pyproject.toml" "$STAMPS/venv")
    stamped project "$hash" && return
    step project "building and installing Temporality" build_project
    stamp project "$hash"
}

# Editable: the cloud reads its templates and scripts where they are.
link_tools() {
    uv_pip "$VENV" install --no-deps --no-build-isolation \
        --editable "$TOP/tools"
}

# What is installed is the path of the sources, so a change of them needs
# nothing.
install_tools() {
    local hash
    hash=$(content_hash "$TOP/tools/pyproject.toml" "$STAMPS/venv")
    stamped tools "$hash" && return
    step tools "making the pocket cloud importable" link_tools
    stamp tools "$hash"
}

main() {
    need_root
    state_init
    install_debian_packages
    install_qemu_and_libvirt
    install_venv
    install_project
    install_tools
    say "everything is installed; the virtual environment is $VENV"
}

main
