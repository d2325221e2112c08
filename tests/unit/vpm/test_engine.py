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

"""The engine as its client sees it, whatever the engine does."""

import os
import socket
import threading

import pytest

from nova_temporality.native import _vpm
from nova_temporality import vpm
from nova_temporality.vpm import engine
from nova_temporality.vpm import link
from tests.framework import engine_process
from tests.framework import machine

pytestmark = pytest.mark.native_threads

lib = _vpm.lib


@pytest.fixture
def listener(tmp_path):
    """The socket of an engine that a test plays."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(tmp_path / 'engine.sock'))
        listener.listen()
        yield listener


def answer(client, **fields):
    """Take a request and answer it."""
    data = client.recv(65536)
    request = _vpm.ffi.new('struct vpm_request *')
    _vpm.ffi.buffer(request)[:] = data
    client.send(bytes(_vpm.ffi.buffer(_vpm.ffi.new('struct vpm_answer *', {
        'version': lib.VPM_PROTOCOL_VERSION, 'kind': request.kind,
        'id': request.id, **fields}))))
    return request


def test_nobody_is_there(tmp_path):
    asks = engine.Engine(str(tmp_path))
    machine.wait_for(lambda: asks.problem == 'No such file or directory',
                     'the problem')
    with pytest.raises(vpm.EngineAway) as e:
        asks.units()
    assert e.value.gone
    assert 'systemctl start temporality-engine' in str(e.value)
    assert asks.describe() == 'away: No such file or directory'
    # That is no reason not to go on.
    asks.fire_on_signal(44, 'signal', 1)
    asks.forward_signal(44, 7)
    assert asks.wait_signal(44)[2] == 7


def test_it_speaks_another_version(tmp_path, listener):
    asks = engine.Engine(str(tmp_path))
    client, _address = listener.accept()
    answer(client, version=99)
    machine.wait_for(lambda: 'another version' in asks.problem, 'the problem')


def test_it_refuses_with_words(tmp_path, listener):
    asks = engine.Engine(str(tmp_path))
    client, _address = listener.accept()
    answer(client, code=lib.VPM_EVERSION, message=b'restart both')
    machine.wait_for(lambda: asks.problem == 'restart both', 'the problem')


def test_it_hangs(tmp_path, listener, monkeypatch):
    asks = engine.Engine(str(tmp_path))
    client, _address = listener.accept()
    for _ in range(2):
        answer(client)
    assert asks.wait_connected(machine.PATIENCE)
    monkeypatch.setattr(link, '_PATIENCE', 0.1)
    with pytest.raises(vpm.EngineAway) as e:
        asks.units()
    # It may still fixate: nobody may behave as if nothing was armed.
    assert not e.value.gone
    client.recv(65536)
    # An answer that comes too late is not taken for another one.
    client.send(bytes(_vpm.ffi.buffer(_vpm.ffi.new('struct vpm_answer *', {
        'version': lib.VPM_PROTOCOL_VERSION, 'id': 3, 'count': 7}))))
    monkeypatch.setattr(link, '_PATIENCE', 60)
    thread = threading.Thread(target=answer, args=(client,),
                              kwargs={'count': 8})
    thread.start()
    event = engine_process.event()

    class Event:
        wall_ns, monotonic_ns = event['wall_ns'], event['monotonic_ns']
        raised_by = ('a',)
    assert asks.fire(Event, event['deadline_ns']) == 8
    thread.join()


@pytest.mark.parametrize('kind, asked_again', [
    (lib.VPM_REQUEST_FIRE_ALL, True), (lib.VPM_REQUEST_LOOK, True),
    (lib.VPM_REQUEST_ARM, False), (lib.VPM_REQUEST_RECORD, False)])
def test_it_ends_before_it_answers(tmp_path, listener, kind, asked_again):
    """The next one is asked, unless that would do it twice."""
    asks = engine.Engine(str(tmp_path))
    seen = []

    def play():
        for _ in range(2):
            client, _address = listener.accept()
            for _ in range(2):
                answer(client)
            if seen:
                seen.append(asked_again and answer(client, count=5).kind)
                return
            seen.append(_vpm.ffi.from_buffer('struct vpm_request *',
                                             client.recv(65536)).kind)
            client.close()
    thread = threading.Thread(target=play)
    thread.start()
    assert asks.wait_connected(machine.PATIENCE)
    if asked_again:
        assert asks.ask(kind).said.count == 5
    else:
        with pytest.raises(vpm.EngineAway):
            asks.ask(kind)
    thread.join()
    assert seen == [kind, asked_again and kind]


def test_engine_that_is_started_again_is_told_all(process):
    process.start()
    asks = engine.Engine(process.run_dir)
    there = threading.Semaphore(0)
    asks.on_changed = there.release
    assert asks.wait_connected(machine.PATIENCE)
    asks.fire_on_signal(44, 'signal', 10**9)
    with open('/dev/null') as no_driver:
        asks.write_back_by(no_driver.fileno())
        generation = asks.generation
        process.kill()
        process.start()
        machine.wait_for(lambda: asks.generation != generation and
                         asks.problem is None, 'the connection')
    assert there.acquire(timeout=machine.PATIENCE)
    links = [os.readlink('/proc/%d/fd/%s' % (process.process.pid, fd))
             for fd in os.listdir('/proc/%d/fd' % process.process.pid)]
    # One is its spare one.
    assert links.count('/dev/null') >= 2
    asks.forward_signal(44, 9)
    assert asks.wait_signal(44)[2] == 9


def test_unit_that_the_engine_lost_is_opened_again(process, pool, make_qemu):
    """A replacement that lacks descriptors leaves units behind."""
    process.start()
    asks = engine.Engine(process.run_dir)
    qemu = make_qemu()
    with engine.Unit(asks, qemu.region, engine.Note(qemu.note.name)) as unit:
        with process.connect() as other:
            other.ask(lib.VPM_REQUEST_CLOSE, **qemu.key)
        ours, theirs = socket.socketpair()
        stream, write_end = os.pipe()
        unit.arm(qmp=theirs, stream=stream, lock=qemu.lock,
                 pid=os.getpid(), route='migrate', runstate='running')
        assert unit.armed
        for fd in stream, write_end:
            os.close(fd)
        ours.close()
        theirs.close()


def test_what_is_no_device(process):
    process.start()
    asks = engine.Engine(process.run_dir)
    assert asks.wait_connected(machine.PATIENCE)
    with open(__file__) as no_device:
        with pytest.raises(vpm.InvalidArgument):
            asks.write_back_by(no_device.fileno())


@pytest.mark.parametrize('said', ['x' * 32, 'a\nb', '\x1b[2J', 'ä', '\0'])
def test_words_of_qemu_are_checked(said):
    """The engine would disconnect us, and with us all other pVMs."""
    with pytest.raises(vpm.InvalidArgument) as e:
        engine._word(said)
    assert str(e.value).isprintable()


def test_usual_words():
    assert engine._word('finish-migrate') == b'finish-migrate'
    assert engine._word('') == b''
    assert engine._word('x' * 31) == b'x' * 31
