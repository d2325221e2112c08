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

"""The engine tells when a unit has to be looked at; nobody has to ask."""

import os
import threading

import pytest

from nova_temporality.native import _vpm
from nova_temporality.vpm import engine
from tests.framework import engine_process
from tests.framework import machine

pytestmark = pytest.mark.native_threads

lib = _vpm.lib

# More than a QEMU may say while it is armed.
FLOOD = 1 << 20


@pytest.fixture
def listens(client):
    client.ask(lib.VPM_REQUEST_LISTEN)
    return client


def test_qemu_has_ended(listens, armed):
    armed.end()
    news = listens.wait_news(lib.VPM_NEWS_LOOK)
    assert news.unit.region == armed.region.id
    assert news.unit.state == lib.VPM_UNIT_LOST
    # It is told once, and can be armed again.
    assert armed.arm(listens).code == lib.VPM_OK
    assert engine_process.state(listens, armed) == lib.VPM_UNIT_ARMED
    assert listens.news == []
    armed.end()
    assert listens.wait_news(lib.VPM_NEWS_LOOK)


def test_qemu_has_said_too_much(listens, armed):
    line = b'{"event": "RTC_CHANGE"}\n'
    armed.say(line * (FLOOD // len(line) + 1))
    assert (listens.wait_news(lib.VPM_NEWS_LOOK).unit.state ==
            lib.VPM_UNIT_LOST)


def test_what_is_lost_can_be_disarmed(listens, armed):
    armed.end()
    listens.wait_news(lib.VPM_NEWS_LOOK)
    assert listens.ask(lib.VPM_REQUEST_DISARM, **armed.key).count == 1
    assert engine_process.state(listens, armed) == lib.VPM_UNIT_IDLE


def test_who_disarms_is_told_nothing(listens, armed):
    listens.ask(lib.VPM_REQUEST_DISARM, **armed.key)
    for _ in range(9):
        listens.ask(lib.VPM_REQUEST_HELLO)
    assert listens.news == []


def test_state_file_that_cannot_be_written(listens, armed):
    """The engine sees to it by itself; it stays armed."""
    os.truncate(armed.lock.name, 0)
    news = listens.wait_news(lib.VPM_NEWS_LOOK)
    assert news.unit.state == lib.VPM_UNIT_ARMED
    said = listens.ask(lib.VPM_REQUEST_TOUCH, **armed.key)
    assert said.code == lib.VPM_ESYS
    assert 'was cut off' in engine_process.text(said)
    assert listens.news == []


def test_client_that_reads_late_misses_nothing(process, client, make_qemu):
    qemus = [make_qemu('many-%d' % i) for i in range(9)]
    for qemu in qemus:
        qemu.open(client)
        qemu.arm(client)
    with process.connect() as slow:
        slow.ask(lib.VPM_REQUEST_LISTEN)
        for pid in range(300):
            client.ask(lib.VPM_REQUEST_SIGNAL, number=44, pid=pid)
        for qemu in qemus:
            qemu.end()
            machine.wait_for(lambda: engine_process.state(client, qemu) ==
                             lib.VPM_UNIT_LOST, 'it is lost')
        wanted = {qemu.region.id for qemu in qemus}
        while wanted:
            wanted.discard(slow.wait_news(lib.VPM_NEWS_LOOK).unit.region)


def test_next_process_has_heard_of_it(process, client, armed):
    client.ask(lib.VPM_REQUEST_LISTEN)
    armed.end()
    client.wait_news(lib.VPM_NEWS_LOOK)
    old = process.process
    process.launch()
    assert old.wait(machine.PATIENCE) == 0
    assert engine_process.state(client, armed) == lib.VPM_UNIT_LOST
    assert client.news == []


def test_who_has_the_unit_looks_at_it(process, pool, make_qemu):
    process.start()
    asks = engine.Engine(process.run_dir)
    assert asks.wait_connected(machine.PATIENCE)
    looks = threading.Semaphore(0), threading.Semaphore(0)
    qemu = make_qemu()
    former, unit = [engine.Unit(asks, qemu.region, engine.Note(
        os.path.join(process.run_dir, 'note')), one.release)
        for one in looks]
    with process.connect() as client:
        qemu.arm(client)
    qemu.end()
    assert looks[1].acquire(timeout=machine.PATIENCE)
    assert not looks[0].acquire(blocking=False)
    # Another one's end changes nothing.
    asks.look_no_more_by(qemu.region.id, looks[0].release)
    with process.connect() as client:
        qemu.arm(client)
    qemu.end()
    assert looks[1].acquire(timeout=machine.PATIENCE)
