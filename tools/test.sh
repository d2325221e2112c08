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

# Linters, then all tests.  "make test" runs what they need before.

set -eu -o pipefail
TOP=$(cd "$(dirname "$0")/.." && pwd)
STATE=${STATE:-/var/tmp/temporality}
PATH=$STATE/venv/bin:$PATH
SCRATCH=$(mktemp -d)
beside=
trap '[ -z "$beside" ] || wait "$beside" || :; rm -rf "$SCRATCH"' EXIT
cd "$TOP"

say() {
    printf '\n== %s\n' "$*"
}

# Starts a command whose output join shows.
beside() {
    "$@" >"$SCRATCH/beside.log" 2>&1 &
    beside=$!
}

# Waits for it, shows its output, fails if it failed.
join() {
    local failed=0
    wait "$beside" || failed=1
    beside=
    cat "$SCRATCH/beside.log"
    return "$failed"
}

lint() {
    say "linters"
    tools/lint.sh
}

# The sample must be what the options say.
sample() {
    say "sample of the configuration"
    oslo-config-generator --config-file etc/temporality/config-generator.conf \
        --output-file "$SCRATCH/sample"
    diff -u etc/temporality/temporality.conf.sample "$SCRATCH/sample"
}

docs() {
    say "documentation"
    tools/docs.sh "$SCRATCH/docs"
}

pytest() {
    python -m pytest -p no:cacheprovider -W ignore --timeout 1200 "$@" |
        tee "$(mktemp -p "$SCRATCH" pytest.XXXXXX)"
}

# The functional tests mostly wait, so the others run beside them. The cloud
# needs the machine alone.
tests() {
    say "tests"
    # Without it pytest leaves tests/cloud out.
    python -c 'import pocketcloud'
    beside pytest -q tests --ignore tests/functional --ignore tests/cloud
    pytest --durations 10 tests/functional
    join
    pytest --durations 10 tests/cloud
}

# Nova's tests of its libvirt driver, on ours.
nova_unit() {
    say "Nova's own tests"
    pytest -q -p tests.nova_unit.plugin \
        --pyargs nova.tests.unit.virt.libvirt.test_driver
}

# Of Nova's functional libvirt tests those that call most of what our driver
# overrides. All of them take too long; "tox -e nova-functional" runs them.
nova_functional() {
    local module modules=()
    say "Nova's own functional tests"
    for module in evacuate live_migration rescue_deleted_base uefi vpmem; do
        modules+=("nova.tests.functional.libvirt.test_$module")
    done
    pytest -q -p tests.nova_functional.plugin --pyargs "${modules[@]}"
}

# Under eventlet, as Nova 33 is.
nova33() {
    say "Nova 33"
    tools/nova33.sh
}

# Each of these has one thread, and no machine that runs a cloud has only one
# processor.
nova() {
    beside nova33
    nova_unit
    nova_functional
    join
}

lint
sample
docs
nova
tests
say "counts"
grep -hE '[0-9]+ passed' "$SCRATCH"/pytest.*
