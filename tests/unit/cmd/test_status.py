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

"""The command temporality-status."""

import json
import subprocess
import sys

FAILURES = {'NVRAM pool', 'QEMU group', 'Privileged helper',
            'libvirt and QEMU', 'Notifier'}


def upgrade_check(*arguments, path=''):
    """Run it in a process of its own; path comes before Python's."""
    return subprocess.run(
        [sys.executable, '-m', 'nova_temporality.cmd.status', *arguments,
         'upgrade', 'check', '-f', 'json'], capture_output=True, text=True,
        timeout=120, env={'PYTHONPATH': str(path)})


def test_a_host_that_has_nothing(tmp_path):
    config = tmp_path / 'nova.conf'
    config.write_text(
        '[DEFAULT]\ninstances_path = /nonexistent\n'
        '[libvirt]\nconnection_uri = test:///nonexistent\n'
        '[temporality]\npool_path = /nonexistent\n'
        'run_dir = /nonexistent\nqemu_group = no-such-group\n'
        '[temporality_privileged]\nhelper_command = /bin/false\n')
    done = upgrade_check('--config-file', config)
    assert done.returncode == 2, done.stderr
    assert 'Eventlet' not in done.stderr
    found = json.loads(done.stdout)['checks']
    assert {one['check'] for one in found
            if one['result'] == 2} == FAILURES, done.stdout
    # Each of them names the value.
    assert all(one['details'] for one in found if one['result']), done.stdout


def test_a_nova_that_is_too_old(tmp_path):
    """Debian's, say: a message, not where its imports ended."""
    package = tmp_path / 'nova-26.2.2.dist-info'
    package.mkdir()
    (package / 'METADATA').write_text('Name: nova\nVersion: 26.2.2\n')
    done = upgrade_check(path=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith('Nova in the Python environment ')
    assert 'is 26.2.2, older than 33.0.0' in done.stderr
    assert done.stderr.count('\n') == 1
