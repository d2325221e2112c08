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

"""A real Prometheus, with our rules, looks at a real notifier."""

import json
import pathlib
import shutil
import urllib.parse
import urllib.request

import pytest

from tests.framework import machine

RULES = (pathlib.Path(__file__).parents[2] / 'etc' / 'prometheus' /
         'temporality-rules.yaml')

pytestmark = pytest.mark.skipif(not shutil.which('prometheus'),
                                reason='no prometheus')


@pytest.fixture
def metrics_port():
    return machine.free_port()


@pytest.fixture
def active(tmp_path, spawn, metrics_port):
    """Start Prometheus; return a function that names the active alerts."""
    port = machine.free_port()
    config = tmp_path / 'prometheus.yaml'
    config.write_text(json.dumps({
        'global': {'scrape_interval': '1s', 'scrape_timeout': '1s',
                   'evaluation_interval': '200ms'},
        'rule_files': [str(RULES)],
        'scrape_configs': [{
            'job_name': 'temporality', 'static_configs': [
                {'targets': ['127.0.0.1:%d' % metrics_port]}]}]}))
    spawn(['prometheus', '--config.file=%s' % config,
           '--storage.tsdb.path=%s' % (tmp_path / 'data'),
           '--web.listen-address=127.0.0.1:%d' % port,
           '--log.level=error'])

    def is_ready():
        # It listens before it answers.
        try:
            urllib.request.urlopen('http://127.0.0.1:%d/-/ready' % port,
                                   timeout=machine.PATIENCE).close()
        except OSError:
            return False
        return True
    machine.wait_for(is_ready, 'Prometheus')

    def ask():
        url = 'http://127.0.0.1:%d/api/v1/query?' % port
        with urllib.request.urlopen(
                url + urllib.parse.urlencode({'query': 'ALERTS'}),
                timeout=machine.PATIENCE) as reply:
            found = json.load(reply)['data']['result']
        return {one['metric']['alertname'] for one in found}
    return ask


def test_alerts(host, metrics_port, active):
    machine.wait_for(lambda: 'TemporalityNotifierAway' in active(),
                     'the notifier is missed')
    # Nobody listens there, so this source is lost.
    host.configure(metrics_port=metrics_port, pod_sources='signal,nut',
                   nut_ups='rack', nut_port=machine.free_port(),
                   nut_user='pod', nut_password='secret')
    guest = host.guest()
    guest.start('-device', 'piix3-usb-uhci', '-device',
                'usb-mtp,rootdir=/,readonly=on')
    notifier = host.notifier()
    notifier.start()
    machine.wait_for(
        lambda: {'TemporalityServerUnarmed',
                 'TemporalityPowerSourceLost'} <= active(),
        'the server and the source are seen')
    machine.wait_for(lambda: 'TemporalityNotifierAway' not in active(),
                     'the notifier is back')
    assert 'TemporalityPowerUnheard' not in active()
