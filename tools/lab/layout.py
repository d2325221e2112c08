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
import sys

from pocketcloud import layout

TOP = pathlib.Path(__file__).parents[2]
STATE = layout.STATE
VENV = layout.VENV

# Made by build.sh.
IMAGE = STATE / 'lab-image'


def _one_of(name, *choices):
    """What the environment says; the first choice if it says nothing."""
    value = os.environ.get(name) or choices[0]
    if value not in choices:
        sys.exit('%s is "%s"; it can be: %s' % (
            name, value, ', '.join(choices)))
    return value


# What its NVRAM is: an NVDIMM, DRAM that the kernel sets aside, or a tmpfs
# with a vault. Each has a machine of its own, and so has each file system of
# NVRAM.
NVRAM = _one_of('LAB_NVRAM', 'nvdimm', 'dram', 'vault')
FILESYSTEM = 'tmpfs' if NVRAM == 'vault' else _one_of(
    'LAB_FILESYSTEM', 'ext4', 'xfs')
# The beginning of a version, as "6.1"; empty for the newest. One machine can
# be booted with each of them.
KERNEL = os.environ.get('LAB_KERNEL', '')
# Who saves what is in CPU caches when power fails: hardware, or the POD
# driver. QEMU's words for them.
DOMAIN = {'eadr': 'cpu', 'adr': 'mem-ctrl'}[_one_of(
    'LAB_DOMAIN', 'eadr', 'adr')]

NAME = 'lab-%s-%s' % (NVRAM, FILESYSTEM)
HOME = STATE / NAME
DISK = HOME / 'disk.qcow2'
OVERLAY = HOME / 'overlay.qcow2'
NVDIMM = HOME / 'nvdimm.img'
# What the machine sees, read-only.
SHARE = HOME / 'share'
AGENT = HOME / 'agent.sock'
CONSOLE = HOME / 'console.sock'
MONITOR = HOME / 'monitor.sock'
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
