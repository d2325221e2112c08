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

# second-namespace.sh NETNS OWN COMMON COMMAND...: run a daemon of the second
# host in its network namespace, with its own directory where the first host
# has another one.

set -eu
netns=$1
own=$2
common=$3
shift 3
# Enters a mount namespace, too.
# shellcheck disable=SC2016
exec ip netns exec "$netns" sh -c \
    'mount --bind "$0" "$1" && shift && exec "$@"' "$own" "$common" "$@"
