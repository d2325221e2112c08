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

"""Run tempest and count passed, skipped and failed tests."""

import os
import pathlib
import re
import subprocess

from pocketcloud import layout

from tempestrun import workspace

EXCLUDE = pathlib.Path(__file__).parent / 'exclude.txt'

OURS = 'nova_temporality.tempest_plugin.'
NOVA_S = 'tempest.api.compute.servers.'

_TOTAL = re.compile(r' - (Passed|Skipped|Failed): (\d+)')


def run(prefixes, persistent=True, say=print):
    """Run the tests whose names begin with one of the prefixes.

    :param persistent: whether tempest's servers shall be persistent
    :param say: called with every line that tempest prints
    :return: numbers of tests: {'Passed': .., 'Skipped': .., 'Failed': ..}
    :raises RuntimeError: if tempest did not even count
    """
    workspace.create(persistent)
    command = [layout.BIN / 'tempest', 'run', '--config-file',
               workspace.CONFIGURATION, '--concurrency', '2',
               '--regex', ' '.join('^' + re.escape(prefix)
                                   for prefix in prefixes)]
    if persistent:
        command += ['--exclude-list', EXCLUDE]
    # STATE is for the commands that our tests call. What tempest asked the
    # cloud is in its log, and need not be printed.
    environment = layout.environment(STATE=str(layout.STATE),
                                     OS_LOG_CAPTURE='0')
    totals = {}
    with subprocess.Popen(command, cwd=workspace.DIRECTORY, env=environment,
                          text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT) as tempest:
        for line in tempest.stdout:
            say(line.rstrip(os.linesep))
            total = _TOTAL.match(line)
            if total:
                totals[total.group(1)] = int(total.group(2))
    if 'Passed' not in totals:
        raise RuntimeError('tempest ended with exit code %d and counted '
                           'nothing' % tempest.returncode)
    if tempest.returncode and not totals['Failed']:
        raise RuntimeError('tempest ended with exit code %d'
                           % tempest.returncode)
    return totals
