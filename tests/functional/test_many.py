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

"""Three hundred servers, under the limits of the shipped units."""

import contextlib
import signal
import subprocess
import sys

import pytest

from nova_temporality import vpm
from tests.framework import machine
from tests.framework import units

ORDINARY = 298
NOBODY = 65534


class Qemus:
    """Stand-ins in one process, see bench/engine/qemus.py."""

    def __init__(self, host, names):
        self.process = subprocess.Popen(
            [sys.executable, '-m', 'bench.engine.qemus', host.run_dir,
             *['%s=%s' % (name, host.pool.alloc(name, 4096).ram_path)
               for name in names]],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline()

    def tell(self, *words):
        print(*words, file=self.process.stdin, flush=True)


@pytest.fixture
def host(nvram, make_host):
    with vpm.Pool.create(nvram + '/pool', total_size=16 << 20,
                         state_size=2 << 20, descriptors=ORDINARY + 2,
                         uid_base=0) as pool:
        made = make_host(pool)
        made.configure(scan_ms=500)
        yield made


@pytest.fixture
def start(host):
    """Start stand-ins, which end with the test."""
    with contextlib.ExitStack() as started:
        def make(*names):
            made = Qemus(host, names)
            started.enter_context(made.process)
            started.callback(made.process.kill)
            return made
        yield make


@pytest.fixture
def notifier(host):
    made = host.notifier()
    made.under = units.under('temporality-notifier')
    host.engine.under = units.under('temporality-engine')
    return made


def wait_armed(notifier):
    """Wait until all are, as well as can be."""
    def armed():
        pvms = notifier.call('status')['pvms']
        return all(one['state'] == 'armed' for one in pvms) and pvms
    pvms = machine.wait_for(armed, 'all are armed')
    assert len(pvms) == ORDINARY + 2
    if units.may('CAP_SYS_RESOURCE'):
        assert {one['reason'] for one in pvms} == {None}
    # Otherwise pipes are smaller, and it is said why.
    assert all('fs.pipe-user-pages-soft' in one['reason']
               for one in pvms if one['reason'])


def test_many_servers(host, start, notifier):
    start(*['pvm-%03d' % i for i in range(ORDINARY)])
    floods, stubborn = start('floods'), start('stubborn')
    stubborn.tell('become', NOBODY)
    notifier.start()
    wait_armed(notifier)

    floods.tell('flood', 'events')
    report = notifier.power_fails()

    results = {one['name']: one['result'] for one in report['pvms']}
    del results['floods']
    assert len(results) == ORDINARY + 1
    assert set(results.values()) == {'fixated'}
    floods.tell('calm')
    notifier.call('resume')
    wait_armed(notifier)
    # It does not quit, and is another user's.
    assert notifier.call('suspend', name='stubborn')['result'] == 'fixated'
    assert stubborn.process.wait(machine.PATIENCE) == -signal.SIGKILL
