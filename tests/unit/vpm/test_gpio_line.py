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

"""The engine and a line of a GPIO chip.

Chips, QEMUs and clients are played; nobody listens unless a test says so.
"""

import os
import socket
import time

import pytest

from nova_temporality.native import _vpm
from nova_temporality.vpm import outcomes
from tests.framework import engine_process
from tests.framework import engine_successor
from tests.framework import gpio_stand_in
from tests.framework import machine
from tests.framework import pod_stand_in

pytestmark = pytest.mark.native_threads

ffi, lib = _vpm.ffi, _vpm.lib

SECOND = 10**9
LINE = 3


@pytest.fixture
def chip(tmp_path, monkeypatch):
    with pod_stand_in.seen(gpio_stand_in.Chip(tmp_path), tmp_path,
                           monkeypatch) as made:
        yield made


def watch(client, chip, raised_by=b'gpio', **fields):
    """Have the line watched; return the answer."""
    return client.ask(lib.VPM_REQUEST_WATCH, number=lib.VPM_DEVICE_GPIO,
                      watch={'path': chip.path.encode(), 'gpio_line': LINE,
                             'raised_by': raised_by,
                             'timeout_ns': 60 * SECOND, **fields})


def listen(client, chip, expected=lib.VPM_LEVEL_GOOD, **fields):
    """Have the line watched, and hear how it is."""
    client.ask(lib.VPM_REQUEST_LISTEN)
    watch(client, chip, **fields)
    level, detail = word(client)
    assert level == expected
    return detail


def word(client):
    """Return level and words of the next news of the line."""
    said = client.wait_news(lib.VPM_NEWS_WORD).word
    assert said.device == lib.VPM_DEVICE_GPIO
    return said.level, ffi.string(said.detail).decode()


def is_idle(client, qemu):
    return engine_process.state(client, qemu) == lib.VPM_UNIT_ARMED


def heard_ns(client):
    return client.ask(lib.VPM_REQUEST_HEARD,
                      number=lib.VPM_DEVICE_GPIO).word.wall_ns


def test_fires_without_anybody(chip, process, client, armed):
    """The kernel's instant of the edge counts."""
    assert 'line 3 is active' in listen(client, chip)
    client.socket.close()
    failed_ns = chip.drive(False)
    with process.connect() as later:
        outcome = engine_process.take(later, armed)
        assert outcome.result == outcomes.FIXATED
        assert outcome.raised_by == ('gpio',)
        # Who comes later hears of it.
        later.ask(lib.VPM_REQUEST_LISTEN)
        said = later.wait_news(lib.VPM_NEWS_WORD).word
        assert (said.level, said.monotonic_ns) == (
            lib.VPM_LEVEL_COMMIT, failed_ns)
        assert 'line 3 is inactive' in ffi.string(said.detail).decode()
        chip.drive(True)
        assert word(later)[0] == lib.VPM_LEVEL_GOOD


def test_inactive_from_the_start(chip, client, armed):
    chip.drift(False)
    before_ns = time.time_ns()
    watch(client, chip)
    outcome = engine_process.take(client, armed)
    assert outcome.result == outcomes.FIXATED
    assert outcome.wall_ns > before_ns


def test_active_low(chip, client, armed):
    chip.drift(False)
    listen(client, chip, gpio_active_low=True)
    chip.drive(True)
    assert word(client)[0] == lib.VPM_LEVEL_COMMIT
    assert engine_process.take(client, armed).result == outcomes.FIXATED


@pytest.mark.parametrize('fields, flags, attributes', [
    ({}, 0, []),
    ({'gpio_active_low': 1}, gpio_stand_in.ACTIVE_LOW, []),
    ({'gpio_debounce_us': 4000}, 0, [(gpio_stand_in.DEBOUNCE, 4000, 1)])])
def test_what_the_kernel_is_asked_for(chip, client, fields, flags,
                                      attributes):
    watch(client, chip, **fields)
    machine.wait_for(chip.is_asked, 'request')
    assert chip.asked() == {
        'line': LINE, 'lines': 1, 'consumer': b'temporality',
        'flags': flags | gpio_stand_in.INPUT | gpio_stand_in.EDGE_RISING |
        gpio_stand_in.EDGE_FALLING, 'attributes': attributes}


def test_other_debounce_asks_anew(chip, client):
    listen(client, chip)
    watch(client, chip, gpio_debounce_us=7)
    machine.wait_for(lambda: chip.asked()['attributes'], 'request')
    assert word(client)[0] == lib.VPM_LEVEL_GOOD


def test_not_sufficient_alone(chip, client, armed):
    listen(client, chip, raised_by=b'')
    chip.drive(False)
    assert word(client)[0] == lib.VPM_LEVEL_COMMIT
    assert is_idle(client, armed)


def test_debounced(chip, client, armed):
    """It is not fired when it is taken back, and is when it stands."""
    listen(client, chip, debounce_ns=600 * SECOND)
    for _ in range(2):
        chip.drive(False)
        assert word(client)[0] == lib.VPM_LEVEL_COMMIT
        chip.drive(True)
        assert word(client)[0] == lib.VPM_LEVEL_GOOD
    watch(client, chip, debounce_ns=SECOND // 10)
    assert is_idle(client, armed)
    chip.drive(False)
    failure = client.wait_news(lib.VPM_NEWS_WORD).word
    outcome = engine_process.take(client, armed)
    # As the notifier's arbiter counts.
    assert outcome.wall_ns == failure.wall_ns + SECOND // 10


def test_edge_that_got_lost(chip, client, armed):
    listen(client, chip)
    chip.drift(False)
    assert word(client)[0] == lib.VPM_LEVEL_COMMIT
    assert engine_process.take(client, armed).result == outcomes.FIXATED


def test_edge_amid_a_look(chip, client):
    """The edge's instant counts, not that of the look."""
    listen(client, chip)
    failed_ns = chip.drive_when_read(False)
    said = client.wait_news(lib.VPM_NEWS_WORD).word
    assert (said.level, said.monotonic_ns) == (
        lib.VPM_LEVEL_COMMIT, failed_ns)


def test_chip_that_hangs_holds_nobody_up(chip, tmp_path, client, armed):
    """Its source is lost meanwhile, and back when it answers again."""
    listen(client, chip)
    chip.hang()
    driver = pod_stand_in.StandIn(tmp_path)
    client.ask(lib.VPM_REQUEST_WATCH, number=lib.VPM_DEVICE_POD, watch={
        'path': driver.path.encode(), 'raised_by': b'pod',
        'timeout_ns': 60 * SECOND})
    driver.tell(pod_stand_in.COMMIT)
    assert engine_process.take(client, armed).raised_by == ('pod',)
    assert client.wait_news(lib.VPM_NEWS_WORD).word.device == (
        lib.VPM_DEVICE_POD)

    # Who asks when it was heard learns that.
    machine.wait_for(lambda: heard_ns(client) and lib.VPM_NEWS_WORD in [
        said.kind for said in client.news], 'told')
    level, detail = word(client)
    assert level == lib.VPM_LEVEL_LOST
    assert chip.path + ' does not answer' in detail
    chip.go_on()
    assert word(client)[0] == lib.VPM_LEVEL_GOOD
    driver.close()


def test_chip_that_hangs_is_no_engine_that_hangs(chip, process, tmp_path):
    """It would be replaced, and have no server armed for a moment."""
    path = str(tmp_path / 'systemd')
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.settimeout(machine.PATIENCE)
        systemd.bind(path)
        process.start(env=dict(os.environ, WATCHDOG_USEC='100000',
                               NOTIFY_SOCKET=path))
        with process.connect() as client:
            listen(client, chip)
        chip.hang()
        # The threads are looked at every three seconds.
        for _ in range(200):
            systemd.recv(100)


def test_same_level_again_is_no_news(chip, client, armed):
    listen(client, chip)
    chip.drive(True)
    chip.drive(False)
    assert word(client)[0] == lib.VPM_LEVEL_COMMIT


def test_is_heard_without_edges(chip, client):
    listen(client, chip)
    first_ns = heard_ns(client)
    assert first_ns
    machine.wait_for(lambda: heard_ns(client) > first_ns, 'another look')


def test_edge_of_the_future_is_of_now(chip, client, armed):
    listen(client, chip)
    chip.drive(False, monotonic_ns=2**64 - 1)
    said = client.wait_news(lib.VPM_NEWS_WORD).word
    assert said.monotonic_ns <= time.monotonic_ns()
    assert engine_process.take(client, armed).result == outcomes.FIXATED


@pytest.mark.parametrize('garbage, words', [
    (b'x' * 47, '47 bytes'),
    (gpio_stand_in.EVENT.pack(1, 3, LINE, *[0] * 8), 'edge 3 of line 3'),
    (gpio_stand_in.EVENT.pack(1, 2, LINE + 1, *[0] * 8), 'of line 4')],
    ids=['torn', 'unknown', 'another line'])
def test_garbage(chip, client, armed, garbage, words):
    """It is no failure of power."""
    listen(client, chip)
    chip.write(garbage)
    level, detail = word(client)
    assert level == lib.VPM_LEVEL_LOST
    assert words in detail
    assert is_idle(client, armed)


def test_chip_that_vanishes(chip, client, armed):
    """That is no failure of power."""
    listen(client, chip)
    chip.unplug()
    level, detail = word(client)
    assert level == lib.VPM_LEVEL_LOST
    assert '0 bytes' in detail
    assert is_idle(client, armed)


def test_chip_that_vanishes_silently(chip, client, armed):
    """As with kernels that do not wake who waits for edges."""
    listen(client, chip)
    chip.unplug(tells=False)
    level, detail = word(client)
    assert level == lib.VPM_LEVEL_LOST
    assert 'No such device' in detail
    assert is_idle(client, armed)


def test_chip_that_is_missing(chip, client):
    chip.unplug()
    detail = listen(client, chip, lib.VPM_LEVEL_LOST)
    assert 'gpiodetect' in detail and chip.path in detail


def test_line_of_somebody_else(chip, client):
    chip.take_line()
    detail = listen(client, chip, lib.VPM_LEVEL_LOST)
    assert 'busy' in detail and 'gpioinfo' in detail


def test_line_that_is_refused(chip, client):
    detail = listen(client, chip, lib.VPM_LEVEL_LOST, gpio_line=8)
    assert 'line 8' in detail and 'gpioinfo' in detail
    assert not heard_ns(client)


def test_not_watched_any_more(chip, client, armed):
    listen(client, chip)
    with pytest.raises(BlockingIOError):
        chip.take_line()
    client.ask(lib.VPM_REQUEST_WATCH, number=lib.VPM_DEVICE_GPIO)
    chip.take_line_when_free()
    chip.drive(False)
    # The same again would be read, if it was.
    assert is_idle(client, armed)
    assert not heard_ns(client)


def test_power_fails_amid_replacements(chip, process, client, armed):
    """One of the engines fires, once, whenever that is."""
    listen(client, chip)
    for number in range(2):
        old = process.process
        process.launch()
        if number % 2:
            # The old one must not go on reading what the new one shall.
            machine.wait_for(lambda: old.poll() is not None, 'replaced')
        failed_ns = chip.drive(False)
        said = client.wait_news(lib.VPM_NEWS_WORD).word
        assert (said.level, said.monotonic_ns) == (
            lib.VPM_LEVEL_COMMIT, failed_ns)
        assert engine_process.take(client, armed).raised_by == ('gpio',)
        assert armed.stops == 1
        assert old.wait(machine.PATIENCE) == 0
        chip.drive(True)
        assert word(client)[0] == lib.VPM_LEVEL_GOOD
        armed.stops = 0
        assert armed.arm(client).code == lib.VPM_OK


def test_replacement_that_fails(chip, process, client, armed):
    """The one that runs goes on."""
    listen(client, chip)
    successor = engine_successor.Successor(process)
    successor.ask()
    successor.close()
    chip.drive(False)
    assert engine_process.take(client, armed).raised_by == ('gpio',)
