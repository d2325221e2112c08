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

# tools/lint.sh [LINTER...]: run these linters, or all.  "make test" runs all,
# .pre-commit-config.yaml those that a commit concerns.

set -eu -o pipefail
TOP=$(cd "$(dirname "$0")/.." && pwd)
STATE=${STATE:-/var/tmp/temporality}
PATH=$STATE/venv/bin:$PATH
LINTERS=(flake8 mypy doc8 shellcheck bashate reno)
cd "$TOP"

lint() {
    case $1 in
        flake8) flake8 ;;
        mypy) mypy ;;
        doc8) doc8 ./*.rst pod/README.rst examples doc/source releasenotes ;;
        shellcheck)
            git ls-files '*.sh' .ci/run devstack tools/guest/init \
                tools/guest/initramfs-init tools/guest/dhcp-event \
                tools/guest/power-button |
                xargs shellcheck -x -S warning ;;
        bashate) bashate devstack/* tests/devstack/harness.sh ;;
        reno) reno -q lint ;;
        *)
            echo "no linter is called $1; there are: ${LINTERS[*]}" >&2
            return 2 ;;
    esac
}

[ $# != 0 ] || set -- "${LINTERS[@]}"
for linter; do
    lint "$linter"
done
