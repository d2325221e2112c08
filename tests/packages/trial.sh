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

# trial.sh OLD NEW: install, upgrade, remove and purge the packages in these
# directories, which may be the same.  Runs as root in a bare Debian that has
# what they depend on, and a kernel's headers; see tools/packages/build.sh.
#
# There is no systemd, but what asks for it is answered and noted.

set -eu -o pipefail
OLD=$1
NEW=$2
ASKED=/tmp/systemctl.log
NVRAM=/var/lib/temporality/nvram
PACKAGES="libvpm-preload python3-nova-temporality temporality-engine
    temporality-notifier temporality-dkms"

say() {
    printf '\n== %s\n' "$*"
}

fail() {
    printf 'FAILED: %s\n' "$*" >&2
    exit 1
}

# All but what dpkg, depmod, DKMS, mount and Python make for themselves.
files() {
    find / -xdev \( -path /mnt -o -path /tmp -o -path /var/cache \
        -o -path /var/log -o -path /var/lib/dpkg -o -path /var/lib/apt \
        -o -path /run/lock -o -path /run/mount -o -path /root/.cache \
        -o -path '/usr/lib/modules/*/modules.*' \
        -o -path '/var/lib/dkms/mok.*' \) -prune -o -print | sort
}

systemd_stand_in() {
    mkdir -p /run/systemd/system
    cat >/usr/bin/systemctl <<END
#!/bin/sh
echo "\$@" >>$ASKED
END
    chmod 0755 /usr/bin/systemctl
    : >"$ASKED"
}

# asked PATTERN: was systemctl called so?
asked() {
    grep -qE -- "$1" "$ASKED"
}

debs() {
    local name
    for name in $PACKAGES; do
        echo "$1/${name}"_*.deb
    done
}

install() {
    # shellcheck disable=SC2046  # one word each
    apt-get -y -q --no-install-recommends \
        -o Dpkg::Use-Pty=0 --reinstall install $(debs "$1")
}

start_engine() {
    temporality-engine >>/tmp/engine.log 2>&1 &
    engine=$!
}

engines() {
    local process
    for process in /proc/[0-9]*; do
        case $(readlink "$process/exe") in
            */native/temporality-engine*) echo "${process#/proc/}" ;;
        esac
    done
}

start_notifier() {
    temporality-notifier >>/tmp/notifier.log 2>&1 &
    notifier=$!
    until temporality status >/dev/null 2>&1; do
        kill -0 "$notifier" 2>/dev/null || {
            cat /tmp/engine.log /tmp/notifier.log
            fail "the notifier ended"
        }
        sleep 0.1
    done
}

try_install() {
    say "install"
    install "$OLD"
    for unit in temporality-{engine,notifier,fixate-at-shutdown,vault}; do
        ! asked "(enable|start) .*$unit" ||
            fail "$unit is started before there is a pool"
    done
    mount -t tmpfs -o size=64M tmpfs "$NVRAM"
    temporality pool create --descriptors 4 --state-size 1M
    start_engine
    start_notifier
}

try_upgrade() {
    say "upgrade"
    : >"$ASKED"
    install "$NEW"
    kill -0 "$engine" || fail "the upgrade ended the engine"
    kill -0 "$notifier" || fail "the upgrade ended the notifier"
    asked '^reload temporality-engine.service' ||
        fail "the engine would run on as it is: $(cat "$ASKED")"
    asked '^try-restart temporality-notifier.service' ||
        fail "the notifier would run on with what is old: $(cat "$ASKED")"
    ! asked '^(stop|restart) ' || fail "something is stopped"
    ! asked fixate-at-shutdown || fail "servers would be stopped"
    ! asked temporality-vault || fail "a vault would be restored"
    say "what reload does: from the old engine to the new one"
    kill -HUP "$engine"
    wait "$engine" || fail "the engine did not end well: $(cat /tmp/engine.log)"
    engine=$(engines)
    [ "$(readlink "/proc/$engine/exe")" = "$(echo \
        /usr/lib/python3*/dist-packages/*/native/temporality-engine)" ] ||
        fail "not the new engine: $(cat /tmp/engine.log)"
    say "what try-restart does"
    local since=${EPOCHREALTIME/./}
    kill "$notifier"
    wait "$notifier" || fail "the notifier did not end well"
    start_notifier
    say "without a notifier for at most $(((${EPOCHREALTIME/./} - since) / 1000)) ms"
    temporality pool check
}

# Debian's libraries are older than those of "make install".
try_modules() {
    local name
    cd /usr/lib/python3/dist-packages
    find nova_temporality/{cli,host,notifier,qemu,snapshot,vpm} \
        -name '[a-z]*.py' | while read -r name; do
        name=${name%.py}
        echo "import ${name//\//.}"
    done | python3
    cd /mnt
}

try_what_is_installed() {
    local library name release
    say "what is installed"
    try_modules
    temporality pool show
    temporality-status upgrade check 2>/tmp/said && fail "without Nova?"
    grep -q 'There is no Nova' /tmp/said || fail "$(cat /tmp/said)"
    library=$(python3 -c 'from nova_temporality import vpm
print(vpm.PRELOAD_PATH)')
    [ "$library" = "$(echo /usr/lib/*/temporality/libvpm-preload.so)" ] ||
        fail "servers would remember $library"
    [ -z "$(LD_PRELOAD=$library /bin/true 2>&1)" ] ||
        fail "$library cannot be preloaded"
    for name in man8/temporality{,-engine,-notifier,-status}.8 \
        man5/temporality.conf.5; do
        [ -e "/usr/share/man/$name.gz" ] || fail "no manual page $name"
    done
    zcat /usr/share/man/man8/temporality.8.gz | grep -q 'vault restore' ||
        fail "no commands in the manual page"
    [ -x /etc/libvirt/hooks/qemu.d/temporality ] || fail "no hook"
    release=$(basename "$(dirname "$(echo /lib/modules/*/build)")")
    modinfo -k "$release" pod || fail "no module for $release"
}

try_remove() {
    say "remove"
    : >"$ASKED"
    kill "$notifier"
    wait "$notifier" || fail "the notifier did not end well"
    kill "$engine"
    while [ -n "$(engines)" ]; do
        sleep 0.1
    done
    # shellcheck disable=SC2086
    apt-get -y -q -o Dpkg::Use-Pty=0 remove $PACKAGES
    for unit in engine notifier; do
        asked "^stop temporality-$unit.service" || fail "the $unit would run on"
    done
    ! asked fixate-at-shutdown || fail "servers would be stopped"
    [ -e /etc/temporality/temporality.conf ] || fail "configuration is gone"
}

purge() {
    # shellcheck disable=SC2086
    dpkg --purge $PACKAGES
}

try_purge() {
    local pool
    say "purge with a pool"
    pool=$(cd "$NVRAM" && find . -type f -exec sha256sum {} +)
    purge
    [ "$pool" = "$(cd "$NVRAM" && find . -type f -exec sha256sum {} +)" ] ||
        fail "the pool is damaged"
    say "purge without a pool"
    umount "$NVRAM"
    install "$NEW"
    purge
    # As a reboot does. QEMUs that run on may have sockets in there.
    rm -r /run/temporality
    diff /tmp/before <(files) || fail "something is left, or gone"
}

systemd_stand_in
files >/tmp/before
try_install
try_upgrade
try_what_is_installed
try_remove
try_purge
say "all is well"
