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

# tools/docs.sh [DIRECTORY]: build the documentation into html, and the manual
# pages into man, below this directory ($STATE/docs by default).

set -eu
TOP=$(cd "$(dirname "$0")/.." && pwd)
STATE=${STATE:-/var/tmp/temporality}
PATH=$STATE/venv/bin:$PATH
OUT=${1:-$STATE/docs}
cd "$TOP"

# build BUILDER ARGUMENT...: with what Sphinx has read beside it.
build() {
    local name=$1
    shift
    sphinx-build -q -W -b "$name" -d "$OUT/doctrees/$name" "$@" "$OUT/$name"
}

build html doc/source
build man -c doc/man doc/source/man
echo "the documentation is in $OUT"
