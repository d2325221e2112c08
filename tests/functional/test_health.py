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


"""temporality health, with a real notifier."""

import json
import os
import subprocess
import sys

import pytest

from nova_temporality.host import notes
from nova_temporality import privsep
from nova_temporality.privsep import health
from tests.framework import machine


@pytest.fixture
def notifier(host):
    return host.notifier()


@pytest.fixture
def temporality(host):
    """Run "temporality health"; return its exit code and what it printed."""
    def run(*args):
        done = subprocess.run(
            [sys.executable, '-m', 'nova_temporality.cmd.admin',
             '--config-file', str(host.config_file), 'health', *args],
            env=dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)),
            stdout=subprocess.PIPE, text=True, timeout=machine.PATIENCE)
        return done.returncode, done.stdout
    return run


@pytest.fixture
def codes(temporality):
    """What is raised and not muted."""
    def codes():
        report = json.loads(temporality('-f', 'json')[1])
        return {finding['code'] for finding in report['findings']
                if not finding['muted_until']}
    return codes


@pytest.fixture
def obstacles(host, monkeypatch):
    """What nova-compute learns."""
    monkeypatch.setattr(privsep.pool_pctxt, 'client_mode', False)
    return lambda: set(health.obstacles(host.run_dir))


def test_life_of_a_guest(host, notifier, temporality, codes):
    assert temporality()[0] == 3
    guest = host.booted()
    notifier.protect(guest)
    # What a laboratory is: no NVRAM, and nobody has drilled yet.
    assert codes() == {'POOL_NOT_DAX', 'DRILL_STALE'}
    code, said = temporality()
    assert (code, said.splitlines()[0]) == (1, 'WARN')

    notifier.call('drill')
    assert codes() == {'POOL_NOT_DAX'}
    assert temporality('mute', 'POOL_NOT_DAX', '--for', '2h')[0] == 0
    assert temporality()[0] == 0
    # A mute survives the notifier.
    notifier.end()
    assert temporality()[0] == 3
    notifier.protect(guest)
    code, said = temporality()
    assert code == 0
    assert 'POOL_NOT_DAX (WARN, muted until 20' in said
    assert temporality('unmute', 'POOL_NOT_DAX')[0] == 0
    assert temporality()[0] == 1

    notifier.power_fails()
    assert codes() == {'POOL_NOT_DAX', 'OUTAGE'}
    notifier.call('resume')
    assert codes() == {'POOL_NOT_DAX'}


def test_laboratory_takes_servers(notifier, obstacles):
    """Emulated NVRAM, and a signal as the only source."""
    assert obstacles() == {'NOTIFIER_AWAY'}
    notifier.start()
    assert obstacles() == set()
    notifier.end()
    assert obstacles() == {'NOTIFIER_AWAY'}


def test_guest_that_is_not_armed(host, notifier, temporality, codes):
    guest = host.guest()
    guest.start('-device', 'piix3-usb-uhci', '-device',
                'usb-mtp,rootdir=/,readonly=on')
    notifier.start()
    notifier.state(guest)
    code, said = temporality()
    assert code == 2
    assert guest.name in said and 'usb-mtp' in said
    assert 'PVM_UNARMED' in codes()


def test_guest_that_is_dark(host, codes):
    guest, _notifier = host.fixated()
    notes.set_pending(host.run_dir, guest.name, 'no volume')
    notifier = host.notifier()
    notifier.start()
    notifier.state(guest)
    assert 'RECOVERY_PENDING' in codes()


def test_host_that_is_deaf(host, temporality, codes, obstacles):
    host.configure(pod_sources='nut', nut_ups='rack',
                   nut_port=machine.free_port())
    notifier = host.notifier()
    notifier.start()
    machine.wait_for(lambda: 'POWER_UNHEARD' in codes(), 'it is noticed')
    assert temporality()[0] == 2
    assert obstacles() == {'POWER_UNHEARD'}


def test_engine_that_is_gone(host, notifier, temporality, codes, obstacles):
    notifier.start()
    host.engine.kill()
    machine.wait_for(lambda: 'ENGINE_AWAY' in codes(), 'it is noticed')
    assert temporality()[0] == 2
    assert obstacles() == {'ENGINE_AWAY'}
