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

"""Small pools, and proven states in them."""

import os
import struct

from nova_temporality.native import _vpm
from nova_temporality import vpm
from nova_temporality.vpm import outcomes

META = vpm.FixationMeta(wall_ns=1, signal_ns=2, stopped_ns=3, saved_ns=4,
                        runstate='running', producer='qemu 10.0.2')


def create(path, **params):
    params = {'total_size': 1 << 20, 'state_size': 64 << 10,
              'descriptors': 40, 'uid_base': 0} | params
    return vpm.Pool.create(path, **params)


def pipe_with(data):
    read_end, write_end = os.pipe()
    with os.fdopen(write_end, 'wb') as sink:
        sink.write(data)
    return os.fdopen(read_end, 'rb')


def fixate(pool, id, data=b'stream', meta=META):
    with pool.open_fixation(id) as fixation, pipe_with(data) as source:
        fixation.begin()
        fixation.receive(source)
        return fixation.commit(meta)


def record(pool, outcome):
    """Add an outcomes.Outcome to a pool's ring, as the engine does."""
    pool.call(_vpm.lib.vpm_outcome_record, _vpm.ffi.new(
        'struct vpm_outcome *', outcomes.to_native(outcome)))


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def make_on(path, medium):
    """Have CONF of a pool say that it was made on a medium.

    :param medium: a key of vpm.MEDIA, or None: an earlier version made it
    """
    with open(os.path.join(path, 'pool'), 'r+b') as file:
        conf = bytearray(file.read(4096))
        conf[96:100] = struct.pack('<I', vpm.MEDIA[medium] if medium else 0)
        conf[4092:] = struct.pack('<I', crc32c(conf[:4092]))
        file.seek(0)
        file.write(conf)
    os.unlink(os.path.join(path, 'conf'))
