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

"""The vault: a pool in DRAM is kept on a disk while the host is down.

The directory of a vault holds:

* ``vault``: of which pool it is, and how to make that one again
* ``records/``: libvpm's; what was written of a server counts for one record
* ``servers/ID.data``: memory, page table and state, each at its own place
* ``servers/ID.manifest``: written when that is durable; proves it
* ``manifest``: written first and last; the pool's notes, which regions there
  were, and which servers are not in the vault
* ``bandwidth``: what was measured of its disk

What is damaged, torn, foreign or stale makes that server unproven, and no
other.
"""
