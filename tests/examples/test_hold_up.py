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

"""The program that measures how long power lasts."""

import contextlib
import os
import pathlib
import subprocess
import sys
import time

import pytest

from tests.framework import machine
from tests.framework import pod_stand_in

PROGRAM = (pathlib.Path(__file__).parents[2] / 'examples' / 'hold-up' /
           'hold_up.py')


@contextlib.contextmanager
def waiting(*args):
    """One that is ready when power fails; it is ended as by a power cut."""
    with subprocess.Popen([sys.executable, PROGRAM, 'wait', *args],
                          stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline().startswith('waiting for ')
            yield process
        finally:
            process.kill()


def show(path):
    return subprocess.run([sys.executable, PROGRAM, 'show', path], check=True,
                          capture_output=True, text=True).stdout.strip()


def has_noted(path):
    return show(path) != 'nobody told that power fails'


@pytest.fixture
def path(tmp_path):
    return tmp_path / 'hold-up'


def test_signal(path):
    with waiting(path) as process:
        assert not has_noted(path)
        process.send_signal(44)
        machine.wait_for(lambda: has_noted(path), 'a note')
    words = show(path).split()
    assert words[:3] == ['power', 'lasted', 'for'] and words[4] == 'ms'
    assert float(words[3]) > 0


def test_driver(path, tmp_path):
    """A warning is no failure, and the time is that of the interrupt."""
    driver = tmp_path / 'pod'
    os.mkfifo(driver)
    noticed_ns = time.monotonic_ns() // 2
    # Opened for both, nobody waits for the other end.
    with open(os.open(driver, os.O_RDWR), 'wb', buffering=0) as events, \
            waiting(path, driver):
        events.write(pod_stand_in.EVENT.pack(
            1, 1, 0, pod_stand_in.WARN, pod_stand_in.ORIGIN_LINE, 0, 0))
        events.write(pod_stand_in.EVENT.pack(
            2, noticed_ns, 0, pod_stand_in.COMMIT, pod_stand_in.ORIGIN_LINE,
            0, 0))
        machine.wait_for(lambda: has_noted(path), 'a note')
    lasted_ms = float(show(path).split()[3])
    assert noticed_ns / 1e6 <= lasted_ms + 0.1
    assert lasted_ms - 0.1 <= (time.monotonic_ns() - noticed_ns) / 1e6


def test_it_begins_anew(path):
    with waiting(path) as process:
        process.send_signal(44)
        machine.wait_for(lambda: has_noted(path), 'a note')
    with waiting(path):
        assert not has_noted(path)


def test_misuse_is_told(path):
    result = subprocess.run([sys.executable, PROGRAM, 'measure', path],
                            capture_output=True, text=True)
    assert result.returncode == 1
    assert 'hold_up.py wait FILE' in result.stderr
