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

"""Writing to the vault, beside all other work."""

import contextlib
import threading

import pytest

from nova_temporality.notifier import vault_writer
from nova_temporality.vault import writing

pytestmark = pytest.mark.native_threads

PATIENCE = 60


class Vault:
    """Stands for what writes: waits until it may, or is stopped."""

    def __init__(self):
        self.begun = threading.Semaphore(0)
        self.may = threading.Semaphore(0)
        self.stopped = threading.Event()
        self.done = threading.Semaphore(0)
        self.priorities = []

    def write(self, pool, priorities, tell, check, ahead):
        assert ahead.is_stopped
        self.priorities.append(priorities)
        self.begun.release()
        try:
            while not self.may.acquire(timeout=0.01):
                check()
        except writing.Stopped:
            self.stopped.set()
            raise


class Ahead:
    """Stands for what writes while servers run."""

    is_stopped = False

    @contextlib.contextmanager
    def stopped(self):
        self.is_stopped = True
        yield
        self.is_stopped = False


@pytest.fixture
def vault(monkeypatch):
    made = Vault()
    monkeypatch.setattr(writing, 'write', made.write)
    yield made
    # Nobody is left waiting.
    for _ in range(10):
        made.may.release()


@pytest.fixture
def writer(vault):
    return vault_writer.VaultWriter(None, lambda: {'one': 1}, None,
                                    vault.done.release, Ahead())


def begun(vault):
    assert vault.begun.acquire(timeout=PATIENCE)


def test_nobody_waits(writer, vault):
    writer.begin()
    begun(vault)
    assert vault.priorities == [{'one': 1}]
    assert not vault.done.acquire(blocking=False)
    vault.may.release()
    assert vault.done.acquire(timeout=PATIENCE)


def test_stopped(writer, vault):
    writer.begin()
    begun(vault)
    writer.stop()
    assert vault.stopped.wait(PATIENCE)
    assert not vault.done.acquire(blocking=False)


def test_power_fails_again_at_once(writer, vault):
    """The former thread may still be ending."""
    writer.begin()
    begun(vault)
    writer.stop()
    writer.begin()
    begun(vault)
    vault.may.release()
    assert vault.done.acquire(timeout=PATIENCE)


def test_second_event_of_an_outage(writer, vault):
    """What it fixated is written, too, and nothing is begun anew for it."""
    writer.begin()
    begun(vault)
    writer.begin()
    writer.begin()
    vault.may.release()
    begun(vault)
    assert not vault.done.acquire(blocking=False)
    vault.may.release()
    assert vault.done.acquire(timeout=PATIENCE)
    assert len(vault.priorities) == 2


def test_later_outage(writer, vault):
    for _ in range(2):
        writer.begin()
        begun(vault)
        vault.may.release()
        assert vault.done.acquire(timeout=PATIENCE)


def test_error_does_not_keep_the_next_one_from_being_written(
        writer, vault, monkeypatch):
    failed = threading.Event()

    def fail(*args):
        failed.set()
        raise RuntimeError('unexpected')

    monkeypatch.setattr(writing, 'write', fail)
    writer.begin()
    assert failed.wait(PATIENCE)
    monkeypatch.setattr(writing, 'write', vault.write)
    # Again by the same thread or by another one.
    writer.begin()
    begun(vault)


def test_stop_without_anything_to_stop(writer):
    writer.stop()
