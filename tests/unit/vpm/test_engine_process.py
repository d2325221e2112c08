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

"""What temporality-engine does for its clients, and what it takes from them.

QEMUs are played by the test.
"""

import os
import resource
import signal
import socket
import subprocess

import pytest

from nova_temporality.native import _vpm
from nova_temporality import vpm
from nova_temporality.vpm import outcomes
from nova_temporality.vpm import runlock
from tests.framework import engine_process
from tests.framework import machine

pytestmark = pytest.mark.native_threads

lib = _vpm.lib


def test_fixates(client, armed, pool):
    client.ask(lib.VPM_REQUEST_LISTEN)
    assert client.ask(lib.VPM_REQUEST_FIRE_ALL,
                      event=engine_process.event()).count == 1
    news = client.wait_news(lib.VPM_NEWS_SETTLED)
    assert news.unit.region == armed.region.id
    assert news.unit.state == lib.VPM_UNIT_SETTLED
    outcome = engine_process.take(client, armed)
    assert (outcome.result, outcome.name, outcome.raised_by) == (
        outcomes.FIXATED, 'a', ('test',))
    assert pool.verify_state(armed.region.id).meta.runstate == 'running'
    assert outcomes.read(pool) == [outcome]
    # Nothing is left.
    assert client.ask(lib.VPM_REQUEST_TAKE,
                      **armed.key).code == lib.VPM_ENOENT


def test_one_alone(client, armed, make_qemu):
    other = make_qemu('b')
    other.open(client)
    other.arm(client)
    for number in (1, 0):
        assert client.ask(lib.VPM_REQUEST_FIRE, **armed.key,
                          event=engine_process.event()).count == number
    engine_process.take(client, armed)
    assert engine_process.state(client, other) == lib.VPM_UNIT_ARMED
    assert other.stops == 0


def test_units_outlive_the_client(process, client, armed, pool):
    """The next one finds them, and the run lock with them."""
    assert client.ask(
        lib.VPM_REQUEST_ON_SIGNAL, number=44,
        event={'raised_by': b'signal', 'deadline_ns': 60 * 10**9}).code == 0
    client.socket.close()
    armed.lock.close()
    process.process.send_signal(44)
    machine.wait_for(lambda: outcomes.read(pool), 'an outcome')
    pool.verify_state(armed.region.id)

    with process.connect() as later:
        # It notes the outcome first.
        machine.wait_for(lambda: engine_process.state(later, armed) ==
                         lib.VPM_UNIT_SETTLED, 'it is settled')
        said = later.ask(lib.VPM_REQUEST_LIST)
        unit = said.unit
        assert (unit.region, unit.pid, unit.started, unit.created_ns) == (
            armed.region.id, os.getpid(), 7, armed.region.created_ns)
        assert later.ask(lib.VPM_REQUEST_LIST,
                         region=unit.region).code == lib.VPM_ENOENT
        again = engine_process.Qemu(armed.region, process.run_dir)
        assert again.open(later).unit.state == lib.VPM_UNIT_SETTLED
        [lock_fd] = later.fds
        with pytest.raises(runlock.RunLockTimeout):
            runlock.RunLock(armed.region).acquire(0)
        lock = runlock.RunLock(armed.region)
        lock.adopt(lock_fd)
        lock.release()
        with runlock.RunLock(armed.region):
            pass
        lock.close()
        again.close()
        assert engine_process.take(later, armed).raised_by == ('signal',)


@pytest.mark.parametrize('number', [44, signal.SIGPWR])
def test_signals(process, client, armed, number):
    client.ask(lib.VPM_REQUEST_LISTEN)
    # It was not told to fire.
    process.process.send_signal(number)
    news = client.wait_news(lib.VPM_NEWS_SIGNAL)
    came = news.signal
    assert (came.number, came.pid) == (number, os.getpid())
    assert engine_process.state(client, armed) == lib.VPM_UNIT_ARMED
    client.ask(lib.VPM_REQUEST_ON_SIGNAL, number=number,
               event={'raised_by': b'x', 'deadline_ns': 60 * 10**9})
    # It came to another process.
    client.ask(lib.VPM_REQUEST_SIGNAL, number=number, pid=99)
    news = client.wait_news(lib.VPM_NEWS_SIGNAL)
    came = news.signal
    assert (came.number, came.pid) == (number, 99)
    outcome = engine_process.take(client, armed)
    assert (outcome.signal_ns, outcome.wall_ns) == (came.monotonic_ns,
                                                    came.wall_ns)
    # It is to fire no more.
    client.ask(lib.VPM_REQUEST_ON_SIGNAL, number=number)
    armed.arm(client)
    process.process.send_signal(number)
    client.wait_news(lib.VPM_NEWS_SIGNAL)
    assert engine_process.state(client, armed) == lib.VPM_UNIT_ARMED


def test_only_the_latest_signals_are_remembered(process, client):
    for pid in range(40):
        client.ask(lib.VPM_REQUEST_SIGNAL, number=44, pid=pid)
    with process.connect() as later:
        later.ask(lib.VPM_REQUEST_LISTEN)
        assert [later.wait_news(lib.VPM_NEWS_SIGNAL).signal.pid
                for _ in range(lib.VPM_SIGNALS_MAX)] == list(range(24, 40))
    # They are not told twice.
    with process.connect() as third:
        third.ask(lib.VPM_REQUEST_LISTEN)
        client.ask(lib.VPM_REQUEST_SIGNAL, number=44, pid=40)
        assert third.wait_news(lib.VPM_NEWS_SIGNAL).signal.pid == 40


def test_second_client(process, client, armed):
    """Both are served; news are for those who listen."""
    with process.connect() as second:
        second.ask(lib.VPM_REQUEST_LISTEN)
        client.ask(lib.VPM_REQUEST_FIRE_ALL, event=engine_process.event())
        second.wait_news(lib.VPM_NEWS_SETTLED)
        assert engine_process.take(second, armed).result == outcomes.FIXATED
        assert client.ask(lib.VPM_REQUEST_HELLO).code == 0
        assert not client.news


def test_too_many_clients(process, client):
    others = [process.connect() for _ in range(7)]
    for other in others:
        assert other.ask(lib.VPM_REQUEST_HELLO).code == 0
    with process.connect() as refused:
        with pytest.raises(OSError):
            if refused.ask(lib.VPM_REQUEST_HELLO) is None:
                raise ConnectionResetError()
    others.pop().socket.close()
    machine.wait_for(process.listens, 'room')
    assert client.ask(lib.VPM_REQUEST_HELLO).code == 0
    for other in others:
        other.socket.close()


def test_client_that_does_not_read_delays_nobody(process, client, armed):
    with process.connect() as slow:
        slow.ask(lib.VPM_REQUEST_LISTEN)
        slow.socket.setblocking(False)
        for _ in range(3000):
            client.ask(lib.VPM_REQUEST_SIGNAL, number=44, pid=1)
        client.ask(lib.VPM_REQUEST_FIRE_ALL, event=engine_process.event())
        assert engine_process.take(client, armed).result == outcomes.FIXATED


def test_client_that_reads_late_misses_no_answer(process, client):
    """News fill its socket meanwhile, faster than it can read them."""
    with process.connect() as slow:
        slow.ask(lib.VPM_REQUEST_LISTEN)
        for pid in range(300):
            client.ask(lib.VPM_REQUEST_SIGNAL, number=44, pid=pid)
        assert slow.ask(lib.VPM_REQUEST_HELLO).code == 0
        pids = [-1]
        while pids[-1] != 299:
            pids.append(slow.wait_news(lib.VPM_NEWS_SIGNAL).signal.pid)
        assert pids == sorted(set(pids))


def test_client_that_only_asks_waits_itself(process, client):
    with process.connect() as slow:
        slow.socket.setblocking(False)
        asked = 0
        with pytest.raises(BlockingIOError):
            while True:
                slow.socket.send(bytes(slow.request(lib.VPM_REQUEST_HELLO)))
                asked += 1
        assert client.ask(lib.VPM_REQUEST_HELLO).code == 0
        slow.socket.setblocking(True)
        for _ in range(asked):
            assert slow.receive().code == 0


def _with(**fields):
    return lambda client: client.request(
        fields.pop('kind', lib.VPM_REQUEST_HELLO), **fields)


def _put(name, data, kind=None):
    """A request with some bytes in a member of a member."""
    def make(client):
        request = client.request(kind or lib.VPM_REQUEST_HELLO)
        outer, inner = name.split('.')
        ffi = _vpm.ffi
        offset = (ffi.offsetof('struct vpm_request', outer) +
                  ffi.offsetof('struct vpm_' + outer, inner))
        request[offset:offset + len(data)] = data
        return request
    return make


@pytest.mark.parametrize('make, words', [
    (lambda client: b'', None),
    (lambda client: b'x', 'a message of 1 bytes'),
    (lambda client: client.request(1)[:-1], 'instead of'),
    (lambda client: client.request(1) + b'x', 'instead of'),
    (lambda client: b'\xff' * 5000, 'version'),
    (_with(version=99), 'version 99'),
    (_with(kind=0), 'no request 0'),
    (_with(kind=21), 'no request 21'),
    (_with(kind=2**32 - 1), 'no request'),
    (_with(id=0), 'no id'),
    (_with(kind=lib.VPM_REQUEST_OPEN), '0 descriptors instead of 1'),
    (_with(kind=lib.VPM_REQUEST_ARM), '0 descriptors instead of 3'),
    (_put('arming.runstate', b'x' * 32), 'has no end'),
    (_put('arming.before', b'x' * 32), 'has no end'),
    (_put('arming.producer', b'a\nb\0'), 'cannot be printed'),
    (_put('event.raised_by', b'x' * 96), 'has no end'),
    (_put('event.raised_by', b'\x1b[2J\0'), 'cannot be printed'),
    (_put('outcome.name', b'\xff\0'), 'cannot be printed'),
    (_put('outcome.reason', b'x' * 208), 'has no end')])
def test_malformed_messages(process, pool, tmp_path, make, words):
    """They end that client, with a line in the log, and nothing else."""
    with open(tmp_path / 'log', 'w+') as log:
        process.start(stderr=log)
        with process.connect() as client, process.connect() as other:
            client.send(make(client))
            said = client.receive()
            if words:
                assert words in engine_process.text(said)
                assert said.code < 0
                said = client.receive()
                assert len((tmp_path / 'log').read_text().splitlines()) == 1
            assert said is None
            assert other.ask(lib.VPM_REQUEST_HELLO).code == 0


def test_descriptors_that_nobody_wants(process, client):
    client.ask(lib.VPM_REQUEST_HELLO)
    before = engine_process.open_files(process)
    for count, words in ((1, '1 descriptors instead of 0'),
                         (4, 'more than 3'), (20, 'more than 3')):
        with process.connect() as other:
            other.send(other.request(lib.VPM_REQUEST_HELLO), [0] * count)
            assert words in engine_process.text(other.receive())
    with process.connect() as other:
        other.send(b'', [0] * 3)
        assert other.receive() is None
    client.ask(lib.VPM_REQUEST_HELLO)
    assert engine_process.open_files(process) == before


def test_no_descriptors_left(process, client, make_qemu):
    """The client is told, and others are not served for ever."""
    qemu = make_qemu()
    qemu.open(client)
    # What came with a request is closed after its answer.
    client.ask(lib.VPM_REQUEST_HELLO)
    pid = process.process.pid
    limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    used = {int(fd) for fd in os.listdir('/proc/%d/fd' % pid)}
    first_free = min(set(range(len(used) + 1)) - used)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (first_free, limits[1]))
    said = qemu.arm(client)
    assert said.code == lib.VPM_ESYS
    assert 'LimitNOFILE' in engine_process.text(said)
    with process.connect() as refused:
        assert refused.socket.recv(1) == b''
    resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
    assert qemu.arm(client).code == lib.VPM_OK
    with process.connect() as other:
        assert other.ask(lib.VPM_REQUEST_HELLO).code == 0


def test_arming_is_checked(client, make_qemu):
    qemu = make_qemu()
    assert qemu.arm(client).code == lib.VPM_ENOENT
    qemu.open(client)
    for arming, words in (
            ({'pid': 1}, 'not to process 1'), ({'route': 2}, 'no route 2'),
            ({'priority': 101}, 'must be from 0 to 100')):
        said = qemu.arm(client, **arming)
        assert said.code == lib.VPM_EINVAL
        assert words in engine_process.text(said)
    with socket.socket() as no_pipe, open('/dev/null') as no_lock:
        ours, theirs = socket.socketpair()
        arming = {'pid': os.getpid()}
        for fds, words in (
                ((no_lock, no_pipe, qemu.lock), 'QMP connection'),
                ((theirs, no_pipe, qemu.lock), 'no pipe'),
                ((theirs, os.pipe()[0], no_lock), 'no file')):
            said = client.ask(
                lib.VPM_REQUEST_ARM,
                [one if isinstance(one, int) else one.fileno()
                 for one in fds], **qemu.key, arming=arming)
            assert words in engine_process.text(said)
        said = client.ask(lib.VPM_REQUEST_OPEN, [no_lock.fileno()],
                          region=qemu.region.id + 1,
                          created_ns=qemu.region.created_ns)
        assert said.code == lib.VPM_ENOENT
    assert engine_process.state(client, qemu) == lib.VPM_UNIT_IDLE
    assert qemu.arm(client).code == lib.VPM_OK
    assert 'armed already' in engine_process.text(qemu.arm(client))


def test_note_is_checked(client, make_qemu, tmp_path):
    qemu = make_qemu()
    for size in (0, 10**6):
        with open(tmp_path / 'no-note', 'wb') as no_note:
            no_note.truncate(size)
            said = client.ask(lib.VPM_REQUEST_OPEN, [no_note.fileno()],
                              **qemu.key)
            assert "no note's file" in engine_process.text(said)


def test_region_that_was_created_anew(process, client, armed, pool):
    pool.free('a')
    region = pool.alloc('a', 4096)
    assert region.id == armed.region.id
    # The client has not noticed yet.
    said = armed.open(client)
    assert said.code == lib.VPM_ENOENT
    assert 'created anew' in engine_process.text(said)
    again = engine_process.Qemu(region, process.run_dir)
    assert again.open(client).unit.state == lib.VPM_UNIT_IDLE
    assert again.arm(client).code == lib.VPM_OK
    # What is still asked about the former one does not concern it.
    for kind in (lib.VPM_REQUEST_CLOSE, lib.VPM_REQUEST_DISARM):
        assert client.ask(kind, **armed.key).code == lib.VPM_ENOENT
    assert engine_process.state(client, again) == lib.VPM_UNIT_ARMED
    again.close()


def test_disarmed_and_closed(process, client, armed):
    # What came with a request is closed after its answer.
    client.ask(lib.VPM_REQUEST_HELLO)
    before = engine_process.open_files(process)
    assert client.ask(lib.VPM_REQUEST_DISARM,
                      **armed.key).count == 1
    assert engine_process.open_files(process) == before - 3
    assert engine_process.state(client, armed) == lib.VPM_UNIT_IDLE
    assert client.ask(lib.VPM_REQUEST_FIRE_ALL,
                      event=engine_process.event()).count == 0
    armed.arm(client)
    client.ask(lib.VPM_REQUEST_CLOSE, **armed.key)
    assert client.ask(lib.VPM_REQUEST_LIST).code == lib.VPM_ENOENT
    assert armed.stops == 0


def test_touched(process, client, armed):
    """The engine writes to its own mapping, and outlives what is not there."""
    def touch():
        return client.ask(lib.VPM_REQUEST_TOUCH, **armed.key)

    while not touch().count:
        pass
    os.truncate(os.path.join(armed.region.directory, 'state'), 4096)
    said = touch()
    assert said.code == lib.VPM_ESYS
    assert 'its NVRAM has an error' in engine_process.text(said)
    assert engine_process.state(client, armed) == lib.VPM_UNIT_ARMED
    said = client.ask(lib.VPM_REQUEST_TOUCH, region=4711)
    assert said.code == lib.VPM_ENOENT


def test_recorded(client, pool):
    outcome = outcomes.Outcome('a', outcomes.FAILED, reason='ö' * 300)
    client.ask(lib.VPM_REQUEST_RECORD, outcome=outcomes.to_native(outcome))
    client.ask(lib.VPM_REQUEST_RECORD, outcome=outcomes.to_native(outcome))
    first, second = outcomes.read(pool)
    assert first.reason == 'ö' * 103
    assert (first.sequence, second.sequence) == (1, 2)
    said = client.ask(lib.VPM_REQUEST_RECORD, outcome={'result': 9})
    assert 'no result 9' in engine_process.text(said)


def test_no_marker_if_caches_are_not_written_back(client, armed, pool):
    with open('/dev/null') as no_driver, open(__file__) as no_device:
        said = client.ask(lib.VPM_REQUEST_WRITE_BACK, [no_device.fileno()])
        assert 'must be a device' in engine_process.text(said)
        for _ in range(2):
            assert client.ask(lib.VPM_REQUEST_WRITE_BACK,
                              [no_driver.fileno()]).code == lib.VPM_OK
    client.ask(lib.VPM_REQUEST_FIRE_ALL, event=engine_process.event())
    outcome = engine_process.take(client, armed)
    assert outcome.result == outcomes.FAILED
    assert 'CPU caches are not written back' in outcome.reason
    with pytest.raises(vpm.Unproven):
        pool.verify_state(armed.region.id)


def test_other_users_are_refused(process, client):
    assert os.stat(process.path).st_mode & 0o777 == 0o600
    # Even if somebody opens it by mistake.
    os.chmod(process.path, 0o666)
    script = ('import socket\n'
              's = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)\n'
              's.connect(%r)\n'
              'try:\n'
              '    s.send(b"x")\n'
              '    print(s.recv(9))\n'
              'except OSError:\n'
              '    print(b"")\n' % process.path)
    reply = subprocess.run(['python3', '-c', script], user=65534, group=65534,
                           extra_groups=[], stdout=subprocess.PIPE,
                           check=True)
    assert reply.stdout == b"b''\n"
    assert client.ask(lib.VPM_REQUEST_HELLO).code == 0


def test_only_one_serves_a_directory(process, client, pool, capfd):
    """Another one, that cannot ask it to hand over, does not start."""
    os.unlink(process.path)
    second = engine_process.EngineProcess(pool, process.run_dir)
    second.launch()
    assert second.process.wait(machine.PATIENCE) == 1
    assert 'another engine runs already' in capfd.readouterr().err
    assert client.ask(lib.VPM_REQUEST_HELLO).code == 0


def test_replaces_one_that_was_killed(process, client):
    process.kill()
    process.start()
    with process.connect() as later:
        assert later.ask(lib.VPM_REQUEST_HELLO).code == 0


def test_fixation_under_way_is_finished_first(process, client, armed, pool):
    lock = runlock.RunLock(armed.region)
    lock.acquire(0)
    client.ask(lib.VPM_REQUEST_FIRE_ALL, event=engine_process.event())
    process.process.send_signal(signal.SIGTERM)
    with pytest.raises(subprocess.TimeoutExpired):
        process.process.wait(0.3)
    lock.close()
    assert process.process.wait(machine.PATIENCE) == 0
    pool.verify_state(armed.region.id)


def test_systemd_is_told(process, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / 'notify'))
        systemd.settimeout(machine.PATIENCE)
        process.start(env=dict(os.environ, WATCHDOG_USEC='100000',
                               NOTIFY_SOCKET=str(tmp_path / 'notify')))
        assert systemd.recv(100) == b'READY=1'
        for _ in range(100):
            assert systemd.recv(100) == b'WATCHDOG=1'
        assert engine_process.end(process.process) == 0
        while systemd.recv(100) != b'STOPPING=1':
            pass


@pytest.mark.parametrize('arguments, words', [
    (['--threads', '0'], 'number of threads is 0'),
    (['--threads', 'x'], "--threads: 'x' is no number"),
    (['--threads', '-1'], "--threads: '-1' is no number"),
    (['--priority', '100'], 'priority is 100'),
    (['--cpus', '1,a'], "--cpus: 'a' is no number"),
    (['--no'], 'wrong option'),
    (['more'], 'nothing but options'),
    (['--run-dir', '/dev/null/x'], 'run_dir'),
    (['--run-dir', '/dev/' + 'x' * 120], 'run_dir'),
    (['--pool', '/nowhere'], 'no pool /nowhere')])
def test_wrong_command_lines(process, capfd, arguments, words):
    process.launch(*arguments)
    assert process.process.wait(machine.PATIENCE) == 1
    assert words in capfd.readouterr().err


def test_what_it_has_to_do_without(process):
    process.start('--cpus', '1000', '--threads', '2')
    with process.connect() as client:
        said = client.ask(lib.VPM_REQUEST_HELLO)
        assert said.count == 2
        assert 'not bound to engine_cpus' in engine_process.text(said)
