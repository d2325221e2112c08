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

"""The engine and the driver of the power outage detector.

Devices, QEMUs and clients are played; nobody listens unless a test says so.
"""

import os
import time

import pytest

from nova_temporality.native import _vpm
from nova_temporality.vpm import outcomes
from tests.framework import engine_process
from tests.framework import engine_successor
from tests.framework import machine
from tests.framework import pod_stand_in

pytestmark = pytest.mark.native_threads

ffi, lib = _vpm.ffi, _vpm.lib

SECOND = 10**9


@pytest.fixture
def driver(tmp_path, monkeypatch):
    with pod_stand_in.seen(pod_stand_in.StandIn(tmp_path), tmp_path,
                           monkeypatch) as stand_in:
        yield stand_in


def watch(client, driver, raised_by=b'pod', **fields):
    """Have the device watched; return the answer."""
    return client.ask(lib.VPM_REQUEST_WATCH, number=lib.VPM_DEVICE_POD,
                      watch={'path': driver.path.encode(),
                             'raised_by': raised_by,
                             'timeout_ns': 60 * SECOND, **fields})


def registered(driver):
    machine.wait_for(lambda: any(one[0] == 'register'
                                 for one in driver.told()), 'registration')


def acknowledged(driver, event):
    return ('acknowledge', event.sequence) in driver.told()


def word(client):
    """Return level and words of the next news of the device."""
    said = client.wait_news(lib.VPM_NEWS_WORD).word
    return said.level, ffi.string(said.detail).decode()


def is_idle(client, qemu):
    return engine_process.state(client, qemu) == lib.VPM_UNIT_ARMED


def test_fires_without_anybody(driver, process, client, armed):
    """Then it acknowledges by itself."""
    watch(client, driver)
    registered(driver)
    client.socket.close()
    failure = driver.tell(pod_stand_in.COMMIT)
    machine.wait_for(lambda: acknowledged(driver, failure), 'acknowledged')
    with process.connect() as later:
        outcome = engine_process.take(later, armed)
        assert outcome.result == outcomes.FIXATED
        assert outcome.raised_by == ('pod',)
        # Who comes later hears of it, with its own instant.
        later.ask(lib.VPM_REQUEST_LISTEN)
        said = later.wait_news(lib.VPM_NEWS_WORD).word
        assert (said.level, said.monotonic_ns, said.wall_ns) == (
            lib.VPM_LEVEL_COMMIT, failure.monotonic_ns, failure.realtime_ns)


def test_who_listens_says_when_all_is_saved(driver, client, armed):
    client.ask(lib.VPM_REQUEST_LISTEN)
    watch(client, driver)
    failure = driver.tell(pod_stand_in.COMMIT)
    assert word(client)[0] == lib.VPM_LEVEL_COMMIT
    engine_process.take(client, armed)
    # What is asked for is served after what is due.
    for _ in range(3):
        assert not acknowledged(driver, failure)
        client.ask(lib.VPM_REQUEST_HELLO)
    for _ in range(2):
        assert client.ask(lib.VPM_REQUEST_ACKNOWLEDGE).code == lib.VPM_OK
    assert acknowledged(driver, failure)


def test_client_that_hangs_holds_no_acknowledgement_up(driver, client,
                                                       armed):
    client.ask(lib.VPM_REQUEST_LISTEN)
    watch(client, driver, timeout_ns=SECOND)
    failure = driver.tell(pod_stand_in.COMMIT, pod_stand_in.ORIGIN_NMI)
    machine.wait_for(lambda: acknowledged(driver, failure), 'acknowledged')


def test_not_sufficient_alone(driver, client, armed):
    client.ask(lib.VPM_REQUEST_LISTEN)
    watch(client, driver, raised_by=b'')
    driver.tell(pod_stand_in.COMMIT)
    assert word(client) == (lib.VPM_LEVEL_COMMIT, 'POD driver, a line')
    assert is_idle(client, armed)


def test_debounced(driver, client, armed):
    """It is not fired when it is taken back, and is when it stands."""
    client.ask(lib.VPM_REQUEST_LISTEN)
    watch(client, driver, debounce_ns=600 * SECOND)
    driver.tell(pod_stand_in.COMMIT)
    driver.tell(pod_stand_in.GOOD)
    assert [word(client)[0] for _ in range(2)] == [
        lib.VPM_LEVEL_COMMIT, lib.VPM_LEVEL_GOOD]
    watch(client, driver, debounce_ns=SECOND // 10)
    driver.tell(pod_stand_in.WARN)
    driver.tell(pod_stand_in.GOOD)
    assert [word(client)[0] for _ in range(2)] == [
        lib.VPM_LEVEL_WARN, lib.VPM_LEVEL_GOOD]
    assert is_idle(client, armed)
    failure = driver.tell(pod_stand_in.COMMIT)
    outcome = engine_process.take(client, armed)
    # As the notifier's arbiter counts.
    assert outcome.wall_ns == failure.realtime_ns + SECOND // 10


def test_an_instant_is_not_debounced(driver, client, armed):
    watch(client, driver, debounce_ns=600 * SECOND)
    driver.tell(pod_stand_in.COMMIT, pod_stand_in.ORIGIN_NMI)
    assert engine_process.take(client, armed).result == outcomes.FIXATED


@pytest.mark.parametrize('fields', [
    {'flags': pod_stand_in.EVENT_STATE, 'monotonic_ns': 5, 'realtime_ns': 6},
    {'monotonic_ns': 2**63 - 1}, {'monotonic_ns': -1}])
def test_what_was_so_before_is_so_from_now(driver, client, armed, fields):
    """And so is what the driver dates into the future."""
    client.ask(lib.VPM_REQUEST_LISTEN)
    before_ns = time.monotonic_ns()
    watch(client, driver)
    driver.tell(pod_stand_in.COMMIT, **fields)
    said = client.wait_news(lib.VPM_NEWS_WORD).word
    assert before_ns < said.monotonic_ns <= time.monotonic_ns()
    assert said.wall_ns > 10**18
    assert engine_process.take(client, armed).result == outcomes.FIXATED


@pytest.mark.parametrize('number', [0, 44])
def test_registration(driver, client, number):
    watch(client, driver, signal=number)
    registered(driver)
    assert driver.told() == [('register', 1, number)]


def test_lost_events(driver, client):
    client.ask(lib.VPM_REQUEST_LISTEN)
    watch(client, driver)
    driver.tell(pod_stand_in.GOOD, missed=7)
    assert '7 events before were lost' in word(client)[1]


@pytest.mark.parametrize('garbage, words', [
    (b'x' * 41, '41 bytes'),
    (pod_stand_in.EVENT.pack(1, 2, 3, 9, 1, 0, 0), 'level 9')],
    ids=['torn', 'unknown'])
def test_garbage(driver, client, armed, garbage, words):
    """What came before it counts."""
    client.ask(lib.VPM_REQUEST_LISTEN)
    watch(client, driver)
    driver.tell(pod_stand_in.GOOD)
    assert word(client)[0] == lib.VPM_LEVEL_GOOD
    os.write(driver._fd, garbage)
    level, detail = word(client)
    assert level == lib.VPM_LEVEL_LOST
    assert words in detail
    assert is_idle(client, armed)


@pytest.mark.parametrize('change, words', [
    ({'abi': 2}, 'ABI 2 instead of 1'), ({'inputs': 0}, 'gpio_line')])
def test_unusable_driver(driver, client, change, words):
    driver.info = driver.info._replace(**change)
    client.ask(lib.VPM_REQUEST_LISTEN)
    watch(client, driver)
    level, detail = word(client)
    assert level == lib.VPM_LEVEL_LOST
    assert words in detail


def test_driver_comes_later(driver, client):
    """It is told once that it is not there."""
    os.rename(driver.path, driver.path + '.away')
    client.ask(lib.VPM_REQUEST_LISTEN)
    watch(client, driver)
    level, detail = word(client)
    assert level == lib.VPM_LEVEL_LOST
    assert 'modprobe pod' in detail
    heard = {'number': lib.VPM_DEVICE_POD}
    assert not client.ask(lib.VPM_REQUEST_HEARD, **heard).word.wall_ns
    os.rename(driver.path + '.away', driver.path)
    driver.tell(pod_stand_in.GOOD)
    assert word(client)[0] == lib.VPM_LEVEL_GOOD
    assert client.ask(lib.VPM_REQUEST_HEARD, **heard).word.wall_ns


def test_who_listens_later_hears_how_power_is(driver, process, client):
    client.ask(lib.VPM_REQUEST_LISTEN)
    watch(client, driver)
    driver.tell(pod_stand_in.WARN)
    assert word(client)[0] == lib.VPM_LEVEL_WARN
    driver.tell(pod_stand_in.COMMIT, pod_stand_in.ORIGIN_NMI)
    assert word(client)[0] == lib.VPM_LEVEL_COMMIT
    before_ns = time.monotonic_ns()
    with process.connect() as later:
        later.ask(lib.VPM_REQUEST_LISTEN)
        # An instant is no condition.
        said = later.wait_news(lib.VPM_NEWS_WORD).word
        assert said.level == lib.VPM_LEVEL_WARN
        assert said.monotonic_ns > before_ns
        driver.tell(pod_stand_in.GOOD)
        assert word(later)[0] == lib.VPM_LEVEL_GOOD


def test_not_watched_any_more(driver, client, armed):
    client.ask(lib.VPM_REQUEST_LISTEN)
    watch(client, driver)
    driver.tell(pod_stand_in.GOOD)
    word(client)
    client.ask(lib.VPM_REQUEST_WATCH, number=lib.VPM_DEVICE_POD)
    driver.tell(pod_stand_in.COMMIT)
    # The same again would be read, if it was.
    assert is_idle(client, armed)
    assert not client.ask(lib.VPM_REQUEST_HEARD,
                          number=lib.VPM_DEVICE_POD).word.wall_ns


@pytest.mark.parametrize('fields', [
    {'number': lib.VPM_DEVICES}, {'watch': {'signal': 9}}])
def test_wrong_request(client, fields):
    said = client.ask(lib.VPM_REQUEST_WATCH, **fields)
    assert said.code == lib.VPM_EINVAL
    assert 'there is no device' in engine_process.text(said)


def test_power_fails_amid_replacements(driver, process, client, armed):
    """One of the engines fires, whenever that is; each registers."""
    watch(client, driver)
    registered(driver)
    client.ask(lib.VPM_REQUEST_LISTEN)
    for number in range(4):
        old = process.process
        process.launch()
        if number % 2:
            # The old one must not go on reading what the new one shall.
            machine.wait_for(lambda: old.poll() is not None, 'replaced')
        failure = driver.tell(pod_stand_in.COMMIT)
        assert client.wait_news(lib.VPM_NEWS_WORD).word.sequence == (
            failure.sequence)
        assert engine_process.take(client, armed).raised_by == ('pod',)
        assert client.ask(lib.VPM_REQUEST_ACKNOWLEDGE).code == lib.VPM_OK
        assert acknowledged(driver, failure)
        assert old.wait(machine.PATIENCE) == 0
        armed.stops = 0
        assert armed.arm(client).code == lib.VPM_OK
    assert len([one for one in driver.told() if one[0] == 'register']) == 5


def test_replacement_that_fails(driver, process, client, armed):
    """The one that runs goes on."""
    watch(client, driver)
    registered(driver)
    successor = engine_successor.Successor(process)
    successor.ask()
    successor.close()
    driver.tell(pod_stand_in.COMMIT)
    assert engine_process.take(client, armed).raised_by == ('pod',)
