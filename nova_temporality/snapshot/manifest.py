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

"""What a snapshot says of itself: the contents of its manifest, in JSON."""

from typing import Any
from typing import NotRequired
from typing import TypedDict


class File(TypedDict, total=False):
    """One of its files.

    cloned: whether it shares blocks with its original; of disks only
    size: bytes
    sha256: of its contents, in hex
    """

    cloned: bool
    size: int
    sha256: str


class Copied(TypedDict):
    """What was copied of a server while it stood still.

    files: by name
    memory_size: bytes of its memory
    nvram_size: bytes of its NVRAM
    page_size: bytes of a page of its region; 0: it is fully resident
    meta: fields of the vpm.FixationMeta of its state
    cpu: what its vCPUs could do, see qemu.cpu; as of release 0.3
    copied_ms: milliseconds that copying took
    stood_still_ms: milliseconds that it stood still, if it ran before
    """

    files: dict[str, File]
    memory_size: int
    nvram_size: int
    page_size: int
    meta: dict[str, Any]
    cpu: NotRequired[dict[str, int]]
    copied_ms: float
    stood_still_ms: NotRequired[float]


class Contents(Copied):
    """The same, and what its machine was; see machine.Machine.

    disks: paths of the disks by the names of their copies
    read_only: SHA-256 by path of files that disks rest on
    """

    genid: str | None
    vcpus: int
    macs: list[str]
    disks: dict[str, str]
    read_only: dict[str, str]


class Manifest(Contents):
    """All of it.

    version: of this format
    server: its UUID
    name: of the snapshot
    created: when, ISO 8601
    """

    version: int
    server: str
    name: str
    created: str
