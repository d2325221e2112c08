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

"""libvpm against a model, in any order of operations, with crashes.

A crash is a real one: another process does the operation and is stopped at
some step of it. Either all of it happened then, or nothing.
"""

import dataclasses
import os
import shutil
import subprocess
import tempfile

from hypothesis import settings
from hypothesis import stateful
from hypothesis import strategies as st

from nova_temporality import vpm
from tests.framework import native_build

TOTAL = 512 << 10
PAGE = 4096
DESCRIPTORS = 5

NAMES = st.sampled_from(['a', 'b', 'c', 'd', 'e', 'f'])
SIZES = st.sampled_from([1, PAGE, PAGE + 1, 64 << 10, 100 << 10, TOTAL])
# Memory of VPM regions, of which half is NVRAM.
VPM_SIZES = st.sampled_from([512 << 10, 640 << 10, 2 * TOTAL, 4 * TOTAL])
# More steps than any operation has, so that some are not stopped.
STEPS = st.integers(0, 60)


@dataclasses.dataclass
class Region:
    """What the model knows of a region."""

    size: int
    epoch: int = 0
    byte: bytes = b'\0'
    fixated: bytes = b''     # the stream that is proven, if any
    virtual: int = 0         # the memory of a VPM region


class PoolMachine(stateful.RuleBasedStateMachine):
    """One pool and its model."""

    def __init__(self):
        super().__init__()
        self.directory = tempfile.mkdtemp(dir='/dev/shm')
        self.path = os.path.join(self.directory, 'pool')
        self.swap = os.path.join(self.directory, 'swap')
        os.mkdir(self.swap, 0o711)
        self.pool = vpm.Pool.create(
            self.path, total_size=TOTAL, state_size=16 << 10,
            page_size=PAGE, descriptors=DESCRIPTORS, uid_base=0)
        self.model = {}

    def teardown(self):
        self.pool.close()
        shutil.rmtree(self.directory)

    def fits(self, name, size):
        used = sum(region.size for region in self.model.values())
        return (name not in self.model and used + size <= TOTAL and
                len(self.model) < DESCRIPTORS)

    @staticmethod
    def rounded(size):
        return -(-size // PAGE) * PAGE

    def id_of(self, name):
        return vpm.region_id(name)

    @stateful.rule(name=NAMES, size=SIZES)
    def alloc(self, name, size):
        size = self.rounded(size)
        fits = self.fits(name, size)
        try:
            region = self.pool.alloc(name, size)
        except vpm.AlreadyExists:
            assert name in self.model
        except vpm.PoolFull:
            assert name not in self.model and not fits
        else:
            assert fits and region.size == size
            self.model[name] = Region(size)

    @stateful.rule(name=NAMES, virtual=VPM_SIZES)
    def alloc_vpm(self, name, virtual):
        fits = self.fits(name, virtual // 2)
        try:
            region = self.pool.alloc_vpm(name, virtual, virtual // 2,
                                         self.swap, page_size=PAGE)
        except vpm.AlreadyExists:
            assert name in self.model
        except vpm.PoolFull:
            assert name not in self.model and not fits
        else:
            assert fits and region.virtual_size == virtual
            self.model[name] = Region(virtual // 2, virtual=virtual)
            self.fill(name, b'x')

    @stateful.rule(name=NAMES)
    def free(self, name):
        try:
            self.pool.free(name)
        except vpm.NotFound:
            assert name not in self.model
        else:
            # It may have been freed before, by one that was stopped.
            self.model.pop(name, None)

    @stateful.rule(name=NAMES, byte=st.sampled_from([b'x', b'y']))
    def write(self, name, byte):
        if name in self.model:
            self.fill(name, byte)

    def fill(self, name, byte):
        region = self.pool.lookup(name)
        with open(region.ram_path, 'r+b') as ram:
            ram.write(byte * self.model[name].size)
        if self.model[name].virtual:
            with open(region.swap_path, 'r+b') as swap:
                swap.write(byte * PAGE)
        self.model[name].byte = byte

    @stateful.rule(name=NAMES)
    def scrub(self, name):
        try:
            self.pool.scrub(self.id_of(name))
        except vpm.NotFound:
            assert name not in self.model
        else:
            self.scrubbed(name, self.model[name].epoch + 1)

    def scrubbed(self, name, epoch):
        self.model[name] = Region(self.model[name].size, epoch,
                                  virtual=self.model[name].virtual)

    @stateful.rule(name=NAMES)
    def begin_epoch(self, name):
        try:
            self.pool.begin_epoch(self.id_of(name))
        except vpm.NotFound:
            assert name not in self.model
        else:
            self.model[name].epoch += 1
            self.model[name].fixated = b''

    @stateful.rule(name=NAMES, stream=st.binary(min_size=1, max_size=3000))
    def fixate(self, name, stream):
        if name not in self.model:
            return
        region = self.model[name]
        read_end, write_end = os.pipe()
        with os.fdopen(read_end, 'rb') as source, \
                self.pool.open_fixation(self.id_of(name)) as fixation:
            with os.fdopen(write_end, 'wb') as sink:
                sink.write(stream)
            try:
                fixation.begin()
            except vpm.AlreadyFixated:
                assert region.fixated
                return
            assert not region.fixated
            fixation.receive(source)
            fixation.commit(vpm.FixationMeta())
        region.fixated = stream

    @stateful.rule()
    def reopen(self):
        self.pool.close()
        self.pool = vpm.Pool(self.path)

    def operate(self, step, operation, name='', size=0):
        result = subprocess.run(
            [native_build.crash_program(), str(step), self.path, operation,
             name, str(size), self.swap], stderr=subprocess.DEVNULL)
        assert result.returncode >= 0
        return result.returncode

    def after_crash(self, crash_again):
        """Recover, perhaps stopped again, perhaps without reopening."""
        if crash_again is not None:
            self.operate(crash_again, 'finish')
            self.reopen()

    @stateful.rule(name=NAMES, size=SIZES, step=STEPS,
                   again=st.none() | STEPS)
    def alloc_and_crash(self, name, size, step, again):
        size = self.rounded(size)
        fits = self.fits(name, size)
        status = self.operate(step, 'alloc', name, size)
        self.after_crash(again)
        self.allocated(name, Region(size), status, fits)

    @stateful.rule(name=NAMES, virtual=VPM_SIZES, step=STEPS,
                   again=st.none() | STEPS)
    def alloc_vpm_and_crash(self, name, virtual, step, again):
        fits = self.fits(name, virtual // 2)
        status = self.operate(step, 'alloc_vpm', name, virtual)
        self.after_crash(again)
        self.allocated(name, Region(virtual // 2, virtual=virtual), status,
                       fits)

    def allocated(self, name, region, status, fits):
        if status == 0:
            assert fits
            self.model[name] = region
        elif status == native_build.CRASHED and fits and self.is_there(name):
            self.model[name] = region
        else:
            assert status == native_build.CRASHED or not fits

    @stateful.rule(name=NAMES, step=STEPS, again=st.none() | STEPS)
    def free_and_crash(self, name, step, again):
        status = self.operate(step, 'free', name)
        self.after_crash(again)
        there = self.is_there(name)
        assert there or status in (0, native_build.CRASHED) or (
            name not in self.model)
        assert status or not there
        # It may have been freed before, by one that was stopped.
        if not there:
            self.model.pop(name, None)

    @stateful.rule(name=NAMES, step=STEPS)
    def scrub_and_crash(self, name, step):
        """A server whose scrub was cut off is scrubbed again."""
        status = self.operate(step, 'scrub', name)
        if name not in self.model:
            assert status != 0
            return
        epoch = self.pool.lookup(name).epoch
        assert epoch - self.model[name].epoch in (0, 1)
        self.pool.scrub(self.id_of(name))
        self.scrubbed(name, epoch + 1)

    @stateful.rule(name=NAMES, step=STEPS)
    def begin_epoch_and_crash(self, name, step):
        status = self.operate(step, 'epoch', name)
        if name not in self.model:
            assert status != 0
            return
        region = self.model[name]
        epoch = self.pool.lookup(name).epoch
        assert epoch == region.epoch + 1 or (
            epoch == region.epoch and status == native_build.CRASHED)
        if epoch > region.epoch:
            region.epoch = epoch
            region.fixated = b''

    @stateful.rule(name=NAMES, step=STEPS,
                   length=st.integers(1, 3000))
    def fixate_and_crash(self, name, step, length):
        status = self.operate(step, 'fixate', name, length)
        if name not in self.model or self.model[name].fixated:
            assert status != 0
            return
        try:
            self.pool.verify_state(self.id_of(name))
        except vpm.Unproven:
            assert status == native_build.CRASHED
        else:
            self.model[name].fixated = b'S' * length

    def is_there(self, name):
        return name in {region.name for region in self.pool.regions()}

    @stateful.invariant()
    def regions_are_those_of_the_model(self):
        found = {region.name: (region.size, region.epoch,
                               region.virtual_size)
                 for region in self.pool.regions()}
        assert found == {name: (region.size, region.epoch,
                                region.virtual or region.size)
                         for name, region in self.model.items()}
        for name in self.model:
            assert self.pool.lookup(name).name == name

    @stateful.invariant()
    def contents_are_those_of_the_model(self):
        for name, region in self.model.items():
            found = self.pool.lookup(name)
            with open(found.ram_path, 'rb') as ram:
                assert ram.read() == region.byte * region.size
            if region.virtual:
                with open(found.swap_path, 'rb') as swap:
                    assert swap.read(PAGE) == region.byte * PAGE

    @stateful.invariant()
    def proven_is_what_was_fixated(self):
        for name, region in self.model.items():
            try:
                state = self.pool.verify_state(self.id_of(name))
            except vpm.Unproven:
                assert not region.fixated
                continue
            assert state.length == len(region.fixated)
            assert state.epoch == region.epoch
            read_end, write_end = os.pipe()
            with os.fdopen(read_end, 'rb') as source:
                with os.fdopen(write_end, 'wb') as sink:
                    self.pool.send_state(self.id_of(name), sink)
                assert source.read() == region.fixated

    @stateful.rule()
    def check(self):
        """Sound after the next opening, whatever was before."""
        self.reopen()
        self.pool.finish_freed()
        assert vpm.check(self.path) == []
        assert ({os.path.join(self.swap, name)
                 for name in os.listdir(self.swap)} ==
                {self.pool.lookup(name).swap_path
                 for name, region in self.model.items() if region.virtual})
        used = sum(region.size for region in self.model.values())
        assert self.pool.info().used_size == used


TestPoolMachine = PoolMachine.TestCase
TestPoolMachine.settings = settings(max_examples=300, deadline=None,
                                    stateful_step_count=30)
