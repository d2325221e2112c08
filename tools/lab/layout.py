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

"""Where everything of the laboratory is."""

import os
import pathlib

from pocketcloud import layout

TOP = pathlib.Path(__file__).parents[2]
STATE = layout.STATE
VENV = layout.VENV

# Made by build.sh.
IMAGE = STATE / 'lab-image'

# What its NVRAM is: "nvdimm", or "dram" that the kernel sets aside. Each has
# a machine of its own.
NVRAM = os.environ.get('LAB_NVRAM', 'nvdimm')
HOME = STATE / ('lab-' + NVRAM)
DISK = HOME / 'disk.qcow2'
OVERLAY = HOME / 'overlay.qcow2'
NVDIMM = HOME / 'nvdimm.img'
# What the machine sees, read-only.
SHARE = HOME / 'share'
AGENT = HOME / 'agent.sock'
CONSOLE = HOME / 'console.sock'
LOG = HOME / 'qemu.log'
CONSOLE_LOG = HOME / 'console.log'
# It is there when the machine needs no more help to be a compute host.
READY = HOME / 'ready'

# With the labels the region is a multiple of 16 MiB, which namespaces need.
NVDIMM_MIB = 3074
LABELS_MIB = 2
MEMORY_MIB = 3072
# Of DRAM, from 4 GiB on; q35 has that much below there, and the rest above.
SET_ASIDE = 'memmap=2G!4G'
DRAM_MEMORY_MIB = 6144
