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

"""One engine takes the place of another one; nobody is unprotected."""

import contextlib
import os
import random
import select
import signal
import socket
import struct
import time

import pytest

from nova_temporality.native import _vpm
from nova_temporality.vpm import outcomes
from nova_temporality.vpm import runlock
from tests.framework import engine_process
from tests.framework import engine_successor
from tests.framework import machine

pytestmark = pytest.mark.native_threads

lib = _vpm.lib

# Replacements in the midst of which power fails.
REPLACEMENTS = int(os.environ.get('TEMPORALITY_REPLACEMENTS', 50))

# handover.c
TAKEN, KEPT = 3, 5


@pytest.fixture
def replace(process, pool):
    """Start a process that takes over; return it when the old one has ended.

    Then it is what *process* stands for.
    """
    def start():
        old = process.process
        process.launch()
        new = process.process
        assert old.wait(machine.PATIENCE) == 0
        assert new.poll() is None
        return new
    return start


def fire_at_signal(client):
    client.ask(lib.VPM_REQUEST_ON_SIGNAL, number=44,
               event={'raised_by': b'signal', 'deadline_ns': 60 * 10**9})


def test_armed_units(process, client, armed, make_qemu, replace, pool):
    """They are as they were, and the client notices nothing."""
    fire_at_signal(client)
    client.ask(lib.VPM_REQUEST_LISTEN)
    idle = make_qemu('b')
    idle.open(client)
    before = client.ask(lib.VPM_REQUEST_LOOK, **armed.key)
    # The beginning of a line, the rest of which the next one reads.
    armed.say(b'{"event": "ST')

    for _ in range(3):
        replace()

    assert armed.stops == 0
    after = client.ask(lib.VPM_REQUEST_LOOK, **armed.key)
    for field in ('region', 'created_ns', 'started', 'state', 'pid', 'route',
                  'priority'):
        assert getattr(before.unit, field) == getattr(after.unit, field)
    assert engine_process.state(client, idle) == lib.VPM_UNIT_IDLE
    armed.say(b'OP"}\n')
    process.process.send_signal(44)
    assert client.wait_news(lib.VPM_NEWS_SIGNAL).signal.pid == os.getpid()
    outcome = engine_process.take(client, armed)
    assert (outcome.result, outcome.raised_by) == (outcomes.FIXATED,
                                                   ('signal',))
    assert armed.stops == 1
    pool.verify_state(armed.region.id)


def test_outcome_and_run_lock(process, client, armed, replace, pool):
    """What was fixated before is known, and nobody may start it."""
    client.ask(lib.VPM_REQUEST_FIRE_ALL, event=engine_process.event())
    machine.wait_for(lambda: engine_process.state(client, armed) ==
                     lib.VPM_UNIT_SETTLED, 'settled')
    armed.lock.close()
    replace()
    with pytest.raises(runlock.RunLockTimeout):
        runlock.RunLock(armed.region).acquire(0)
    assert engine_process.take(client, armed).name == 'a'
    # The ring goes on where the old one ended.
    outcome = outcomes.Outcome('b', outcomes.SKIPPED)
    client.ask(lib.VPM_REQUEST_RECORD, outcome=outcomes.to_native(outcome))
    assert [(one.name, one.sequence) for one in outcomes.read(pool)] == [
        ('a', 1), ('b', 2)]


def test_caches_are_still_written_back(client, armed, replace):
    with open('/dev/null') as no_driver:
        client.ask(lib.VPM_REQUEST_WRITE_BACK, [no_driver.fileno()])
    replace()
    client.ask(lib.VPM_REQUEST_FIRE_ALL, event=engine_process.event())
    assert 'CPU caches' in engine_process.take(client, armed).reason


def test_fixation_under_way_ends_first(process, client, armed, pool):
    lock = runlock.RunLock(armed.region)
    lock.acquire(0)
    client.ask(lib.VPM_REQUEST_FIRE_ALL, event=engine_process.event())
    old = process.process
    process.launch()
    time.sleep(0.3)
    assert old.poll() is None
    lock.close()
    assert engine_process.take(client, armed).result == outcomes.FIXATED
    assert old.wait(machine.PATIENCE) == 0
    assert process.process.poll() is None


def test_unit_that_is_closed_meanwhile(process, client, armed, make_qemu,
                                       pool):
    """The next engine has prepared it; it is opened anew there."""
    other = make_qemu('b')
    other.open(client)
    lock = runlock.RunLock(armed.region)
    lock.acquire(0)
    client.ask(lib.VPM_REQUEST_FIRE_ALL, event=engine_process.event())
    old = process.process
    process.launch()
    machine.wait_for(lambda: has_open(process, other.region.ram_path,
                                      armed.region.ram_path),
                     'it has prepared both')
    assert client.ask(lib.VPM_REQUEST_CLOSE, **other.key).code == 0
    lock.close()
    assert engine_process.take(client, armed).result == outcomes.FIXATED
    assert old.wait(machine.PATIENCE) == 0

    other.open(client)
    assert other.arm(client).code == 0
    client.ask(lib.VPM_REQUEST_FIRE_ALL, event=engine_process.event())
    assert engine_process.take(client, other).result == outcomes.FIXATED
    pool.verify_state(other.region.id)


def has_open(process, *paths):
    """Whether a process has files of all these directories open."""
    directory = '/proc/%d/fd' % process.process.pid
    found = set()
    for fd in os.listdir(directory):
        with contextlib.suppress(FileNotFoundError):
            found.add(os.path.dirname(os.readlink(
                os.path.join(directory, fd))))
    return {os.path.dirname(path) for path in paths} <= found


def test_qemu_that_ends_meanwhile(client, armed, successor):
    """Whoever has the unit notices it."""
    armed.end()
    successor.close()
    machine.wait_for(lambda: engine_process.state(client, armed) ==
                     lib.VPM_UNIT_LOST, 'it is disarmed')


@pytest.fixture
def successor(process, client, armed):
    fire_at_signal(client)
    made = engine_successor.Successor(process)
    made.ask()
    yield made
    made.close()


@pytest.mark.parametrize('word', [False, True])
def test_successor_that_fails(process, client, armed, successor, word, pool):
    """All is armed again, and what was signalled meanwhile is done."""
    process.process.send_signal(44)
    time.sleep(0.2)
    assert armed.stops == 0
    if word:
        successor.say(99)
    successor.close()
    outcome = engine_process.take(client, armed)
    assert (outcome.result, outcome.raised_by) == (outcomes.FIXATED,
                                                   ('signal',))
    assert armed.stops == 1
    pool.verify_state(armed.region.id)


def test_successor_that_hangs(client, armed, successor):
    assert engine_process.state(client, armed) == lib.VPM_UNIT_ARMED
    client.ask(lib.VPM_REQUEST_FIRE_ALL, event=engine_process.event())
    assert engine_process.take(client, armed).result == outcomes.FIXATED


def test_word_that_comes_too_late(process, client, armed):
    """The old one goes on, so the new one must not."""
    old = process.process
    try:
        kept = relayed(process)
        assert process.process.wait(machine.PATIENCE) == 1
    finally:
        process.kill()
        process.process = old
    assert kept
    assert old.poll() is None
    client.ask(lib.VPM_REQUEST_FIRE_ALL, event=engine_process.event())
    assert engine_process.take(client, armed).result == outcomes.FIXATED
    assert armed.stops == 1


def relayed(process):
    """Start a process that takes over, and hold its word back.

    :returns: whether the old one said that it goes on
    """
    real = process.path + '.real'
    os.rename(process.path, real)
    with (socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening,
          socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as old):
        listening.bind(process.path)
        listening.listen()
        old.connect(real)
        process.launch()
        new, _address = listening.accept()
        with new:
            while (data := pass_on(new, old)) != struct.pack('<I', TAKEN):
                # All that the old one has to say to it; slowly, as that one
                # is to be the first whose patience ends.
                while data and select.select([old], [], [], 0.2)[0]:
                    time.sleep(0.3)
                    pass_on(old, new)
            word = old.recv(100)
            if word:
                with contextlib.suppress(BrokenPipeError):
                    new.send(word)
    os.rename(real, process.path)
    return word == struct.pack('<I', KEPT)


def pass_on(source, target):
    """Pass a message on, but the word; return it."""
    data, fds, _flags, _address = socket.recv_fds(source, 65536, 64)
    if data != struct.pack('<I', TAKEN):
        socket.send_fds(target, [data], fds)
    for fd in fds:
        os.close(fd)
    return data


def test_signals_are_passed_on(process, armed, successor):
    """Those that came before the word, and those that come after it."""
    process.process.send_signal(44)
    machine.wait_for(lambda: not pending(process.process.pid), 'it is taken')
    successor.take()
    assert successor.signals() == (44, os.getpid())
    process.process.send_signal(44)
    assert successor.signals() == (44, os.getpid())
    assert process.process.wait(machine.PATIENCE) == 0
    assert armed.stops == 0


def pending(pid):
    """Whether a signal has not been taken yet."""
    with open('/proc/%d/status' % pid) as status:
        return any(int(line.split()[1], 16) for line in status
                   if line.startswith('ShdPnd:'))


def test_nothing_is_left_open(process, client, armed, replace):
    """Each process has as many files as the one before."""
    replace()
    count = engine_process.open_files(process)
    replace()
    client.ask(lib.VPM_REQUEST_HELLO)
    machine.wait_for(lambda: engine_process.open_files(process) == count,
                     'the connection to the old one ends')


def test_started_by_itself(process, armed, client):
    """SIGHUP starts the next one, which is as any process."""
    command = [str(one) for one in (
        process.program, '--pool', process.pool.path, '--run-dir',
        process.run_dir)]
    process.kill()
    process.start('--', *command)
    with process.connect() as asks:
        armed.open(asks)
        armed.arm(asks)
        old = process.process
        old.send_signal(signal.SIGHUP)
        assert old.wait(machine.PATIENCE) == 0
        assert engine_process.state(asks, armed) == lib.VPM_UNIT_ARMED
        other = process.connect()
        pid = struct.unpack('3i', other.socket.getsockopt(
            socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
        # It listened with the old one's socket.
        assert pid == old.pid
        [new] = [int(one) for one in os.listdir('/proc') if one.isdigit() and
                 command == command_of(one)]
        blocked = mask_of(new)
        assert blocked & 1 << 43 and not blocked & 1 << signal.SIGCHLD - 1
        os.kill(new, signal.SIGTERM)
        machine.wait_for(lambda: asks.receive() is None, 'the end')


def command_of(pid):
    try:
        with open('/proc/%s/cmdline' % pid) as arguments:
            return arguments.read().split('\0')[:-1]
    except OSError:
        return None


def mask_of(pid):
    with open('/proc/%d/status' % pid) as status:
        return next(int(line.split()[1], 16) for line in status
                    if line.startswith('SigBlk:'))


def test_not_told_how_to_start_another(process, tmp_path):
    log = tmp_path / 'log'
    with open(log, 'wb') as file:
        process.start(stderr=file)
    process.process.send_signal(signal.SIGHUP)
    machine.wait_for(lambda: 'not told how' in log.read_text(), 'words')
    with process.connect() as client:
        assert client.ask(lib.VPM_REQUEST_HELLO).code == 0


def test_power_fails_in_the_midst(process, client, make_qemu, pool):
    """Every time each unit is fixated, by exactly one of the two."""
    qemus = [make_qemu(name) for name in 'abc']
    fire_at_signal(client)
    for qemu in qemus:
        qemu.open(client)
    leaving = []
    for number in range(1, REPLACEMENTS + 1):
        for qemu in qemus:
            assert qemu.arm(client).code == 0
        old = process.process
        process.launch()
        leaving.append(old)
        time.sleep(random.uniform(0, 0.03))
        # It stays for a while, so that this reaches somebody in any case.
        old.send_signal(44)
        for qemu in qemus:
            outcome = engine_process.take(client, qemu)
            assert outcome.result == outcomes.FIXATED, outcome
            assert qemu.stops == number
            pool.verify_state(qemu.region.id)
            pool.begin_epoch(qemu.region.id)
        machine.wait_for(lambda: has_taken_over(process), 'it has taken over')
        assert process.process.poll() is None
        for one in leaving[:-3]:
            assert one.wait(machine.PATIENCE) == 0
            leaving.remove(one)
    assert len(outcomes.read(pool)) == min(
        len(qemus) * REPLACEMENTS, lib.VPM_OUTCOMES_MAX)
    for one in leaving:
        assert one.wait(machine.PATIENCE) == 0


def has_taken_over(process):
    """Whether a process has what the engine of a directory locks."""
    directory = '/proc/%d/fd' % process.process.pid
    for fd in os.listdir(directory):
        with contextlib.suppress(FileNotFoundError):
            if 'engine.lock' in os.readlink(os.path.join(directory, fd)):
                return True
    return False


@pytest.mark.parametrize('victim', ['old', 'new'])
def test_one_of_them_is_killed(process, client, make_qemu, pool, victim):
    """Each unit is then armed in exactly one, or in none."""
    qemu = make_qemu('a')
    for number in range(10):
        with contextlib.suppress(OSError):
            client.socket.close()
        process.kill()
        process.start()
        client = process.connect()
        fire_at_signal(client)
        qemu.open(client)
        assert qemu.arm(client).code == 0
        old = process.process
        process.launch()
        new = process.process
        time.sleep(random.uniform(0, 0.02))
        dies, lives = (old, new) if victim == 'old' else (new, old)
        dies.kill()
        dies.wait()
        before = qemu.stops
        # If that one had given all away already, it ends.
        process.process = lives
        if lives.poll() is None:
            with contextlib.suppress(OSError):
                lives.send_signal(44)
        time.sleep(0.1)
        assert qemu.stops - before <= 1
        if old.poll() is None:
            old.kill()
            old.wait()
