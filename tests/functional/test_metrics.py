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


"""What the notifier tells others."""

import json
import socket
import subprocess
import sys
import urllib.request

from prometheus_client import parser
import pytest

from tests.framework import machine

# Prints the notifications that come, a line of JSON each.
LISTENER = '''
import json, sys
from oslo_config import cfg
from oslo_service import backend
backend.init_backend(backend.BackendType.THREADING)
import oslo_messaging
class Endpoint:
    def info(self, _context, publisher, kind, payload, _metadata):
        print(json.dumps([publisher, kind, payload]), flush=True)
    error = info
listener = oslo_messaging.get_notification_listener(
    oslo_messaging.get_notification_transport(cfg.CONF, sys.argv[1]),
    [oslo_messaging.Target(topic='versioned_notifications')], [Endpoint()],
    executor='threading')
listener.start()
listener.wait()
'''


class TestMetrics:

    @pytest.fixture
    def port(self):
        return machine.free_port()

    @pytest.fixture
    def notifier(self, host, port):
        host.configure(metrics_port=port)
        return host.notifier()

    @pytest.fixture
    def metrics(self, port):
        """Scrape; return values by name and labels."""
        def scrape():
            with urllib.request.urlopen('http://127.0.0.1:%d/metrics' % port,
                                        timeout=machine.PATIENCE) as reply:
                families = parser.text_string_to_metric_families(
                    reply.read().decode())
            return {(sample.name,) + tuple(
                value for _name, value in sorted(sample.labels.items())):
                sample.value for family in families
                for sample in family.samples}
        return scrape

    def test_life_of_a_guest(self, host, notifier, metrics):
        guest = host.booted()
        notifier.protect(guest)
        before = metrics()
        assert before['temporality_pvm_armed', guest.name] == 1
        assert before['temporality_pvm_state', guest.name, 'armed'] == 1
        assert before['temporality_power_failures_total',] == 0
        assert before['temporality_outage',] == 0
        assert before['temporality_background_paused',] == 0
        assert before['temporality_platform', 'emulated'] == 1
        assert before['temporality_hold_up_seconds',] == 20
        assert before['temporality_predicted_fixation_seconds',] == 0.005
        assert ('temporality_last_drill_seconds',) not in before
        assert ('temporality_last_drill_time_seconds',) not in before
        assert before['temporality_pool_size_bytes',] == 512 << 20
        assert before['temporality_pool_used_bytes',] > 0
        assert before['temporality_pool_unscrubbed_bytes',] == 0
        assert before['temporality_recoveries_pending',] == 0

        drill = notifier.call('drill')
        drilled = metrics()
        assert drilled['temporality_last_drill_time_seconds',] > 0
        assert drilled['temporality_last_drill_pvms', 'fixated'] == 1
        cost = machine.outcome(drill, guest)['cost_ms'] / 1000
        assert drilled['temporality_last_drill_seconds',] == (
            pytest.approx(cost))
        assert drilled['temporality_predicted_fixation_seconds',] == (
            pytest.approx(cost, abs=1e-5))

        report = notifier.power_fails()
        machine.wait_for(
            lambda: metrics()['temporality_power_failures_total',] == 1,
            'it is counted')
        seen = metrics()
        assert seen['temporality_outage',] == 1
        assert seen['temporality_fixations_total', 'fixated'] == 1
        outcome = machine.outcome(report, guest)
        for phase in ('stopped', 'saved', 'fixated'):
            assert seen[
                'temporality_pvm_last_fixation_seconds', phase, guest.name
            ] == pytest.approx(outcome[phase + '_ms'] / 1000)
        notifier.state(guest)
        assert metrics()['temporality_pvm_armed', guest.name] == 0

        notifier.call('resume')
        machine.wait_for(
            lambda: metrics()['temporality_call_offs_total',] == 1,
            'it is counted')
        assert metrics()['temporality_outage',] == 0
        notifier.call('resume')
        assert metrics()['temporality_call_offs_total',] == 1

    def test_guest_that_is_not_armed(self, host, notifier, metrics):
        guest = host.guest()
        guest.start('-device', 'piix3-usb-uhci', '-device',
                    'usb-mtp,rootdir=/,readonly=on')
        notifier.start()
        notifier.state(guest)
        assert metrics()['temporality_pvm_armed', guest.name] == 0
        assert metrics()['temporality_pvm_state', guest.name,
                         'not armed'] == 1
        assert metrics()['temporality_blocked_pvms',
                         'MIGRATION_BLOCKED'] == 1

    def test_port_that_is_taken_is_not_fatal(self, host, notifier, port,
                                             capfd):
        guest = host.booted()
        with socket.create_server(('127.0.0.1', port)):
            notifier.protect(guest)
            report = notifier.power_fails()
        assert machine.outcome(report, guest)['result'] == 'fixated'
        error = ''.join(capfd.readouterr())
        assert 'metrics_port' in error
        assert 'Traceback' not in error


class TestNotifications:

    def test_bad_url_is_not_fatal(self, host, capfd):
        host.configure(notification_url='nonsense://a')
        guest = host.booted()
        notifier = host.notifier()
        notifier.protect(guest)
        assert notifier.state(guest) == 'armed'
        error = ''.join(capfd.readouterr())
        assert 'notification_url' in error
        assert 'Traceback' not in error

    def test_armed_outage_and_call_off(self, host, bus_url, spawn):
        host.configure(notification_url=bus_url)
        listener = spawn([sys.executable, '-W', 'ignore', '-c', LISTENER,
                          bus_url], stdout=subprocess.PIPE, text=True)

        def heard():
            publisher, kind, payload = json.loads(listener.stdout.readline())
            assert publisher == 'temporality:' + socket.gethostname()
            assert payload['nova_object.version'] == (
                '1.1' if kind.startswith('temporality.pvm.') else '1.0')
            return kind, payload['nova_object.data']

        guest = host.booted()
        notifier = host.notifier()
        notifier.protect(guest)
        kind, pvm = heard()
        assert kind == 'temporality.pvm.armed'
        assert (pvm['name'], pvm['state']) == (guest.name, 'armed')

        notifier.power_fails()
        kind, outage = heard()
        assert kind == 'temporality.outage.fixated'
        assert machine.outcome(outage, guest)['result'] == 'fixated'
        notifier.call('resume')
        kind, outage = heard()
        assert kind == 'temporality.outage.called_off'
        assert outage['called_off']

    def test_bus_that_is_down_stops_nothing(self, host):
        host.configure(notification_url='rabbit://a:b@127.0.0.1:1/')
        guest = host.booted()
        notifier = host.notifier()
        notifier.protect(guest)
        report = notifier.power_fails()
        assert machine.outcome(report, guest)['result'] == 'fixated'
        assert notifier.end() == 0
