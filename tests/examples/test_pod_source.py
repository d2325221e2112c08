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


"""A third party's POD source: installed, configured, and obeyed."""

from importlib import metadata
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

from nova_temporality.notifier import sources
from tests.framework import machine
from tests.framework import pod_sources
from tests.functional import conftest as functional

pytestmark = pytest.mark.native_threads

EXAMPLE = pathlib.Path(__file__).parents[2] / 'examples' / 'pod-source'

nvram = functional.nvram
pool = functional.pool
make_host = functional.make_host
host = functional.host


@pytest.fixture(scope='module')
def site(tmp_path_factory):
    """A directory in which the example is installed."""
    directory = tmp_path_factory.mktemp('example')
    # What the build leaves behind must not be left in the example.
    source = shutil.copytree(EXAMPLE, directory / 'source')
    site = directory / 'site'
    subprocess.run(
        [sys.executable, '-m', 'pip', 'install', '--quiet', '--no-index',
         '--no-deps', '--no-build-isolation', '--target', site, source],
        check=True)
    return site


@pytest.fixture
def installed(site, monkeypatch):
    """Make the example visible to this process and to its children."""
    monkeypatch.syspath_prepend(str(site))


@pytest.fixture
def fifo(tmp_path):
    path = tmp_path / 'power'
    os.mkfifo(path)
    return path


def load(path):
    """Make the source that the entry point names.

    The notifier's own loader is stevedore, which looks for entry points once
    in a process; the tests with a notifier use it.
    """
    config = path.with_name('fifo.conf')
    config.write_text('[pod_fifo]\npath = %s\n' % path)
    conf = pod_sources.make_conf()
    conf([], default_config_files=[str(config)])
    entry, = metadata.entry_points(group=sources.NAMESPACE, name='fifo')
    return entry.load()(conf)


def test_path_is_required(installed, host, capfd):
    host.configure(pod_sources='fifo')
    notifier = host.notifier()
    notifier.launch()
    assert notifier.process.wait(machine.PATIENCE) == 1
    error = ''.join(capfd.readouterr())
    assert '[pod_fifo] path is not set' in error
    assert 'Traceback' not in error


def test_lines_are_news(installed, fifo):
    source = load(fifo)
    assert not source.momentary
    descriptor = os.open(fifo, os.O_RDWR)
    os.write(descriptor, b'good\ncommit smoke in room 1\nrubbish\nwarn\n')
    received = pod_sources.receive(source, 4)
    os.close(descriptor)
    assert [news.level for news in received] == [
        'good', 'commit', 'lost', 'warn']
    assert 'smoke in room 1' in received[1].detail


def test_missing_fifo_is_an_error_of_run(installed, tmp_path):
    with pytest.raises(FileNotFoundError):
        pod_sources.receive(load(tmp_path / 'none'), 1)


def test_notifier_fixates_and_resumes_by_it(installed, host, fifo):
    host.configure(pod_sources='fifo', grace_ms=300)
    with open(host.config_file, 'a') as config:
        config.write('[pod_fifo]\npath = %s\n' % fifo)
    guest = host.booted()
    notifier = host.notifier()
    notifier.protect(guest)

    fifo.write_text('commit smoke in room 1\n')
    machine.wait_for(guest.proven, 'fixated')
    assert guest.stands_still()
    outage = notifier.outage()
    assert outage['event']['raised_by'] == ['fifo']
    assert 'smoke in room 1' in outage['event']['source']

    fifo.write_text('good\n')
    machine.wait_for(lambda: not guest.proven(), 'called off')
    guest.wait_counting()
