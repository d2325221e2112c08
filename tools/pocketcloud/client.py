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

"""The openstack client, as users have it."""

from collections.abc import Mapping
import json
import shlex
import subprocess
import time
from typing import Any

from pocketcloud import config
from pocketcloud import layout

# Seconds; much more than anything takes, even with emulated CPUs on a busy
# machine. It only decides when a failure is noticed.
PATIENCE = 300


def run(*args: str) -> str:
    """Run a command in a cloud user's shell; return what it prints.

    :raises RuntimeError: with the command's own words
    """
    command = '. %s && exec "$@"' % shlex.quote(str(config.FILES['openrc']))
    done = subprocess.run(['bash', '-c', command, 'sh', *args],
                          env=layout.environment(), text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if done.returncode:
        raise RuntimeError('%s: %s' % (shlex.join(args),
                                       done.stderr.strip() or done.stdout))
    return done.stdout


def openstack(*args: str) -> Any:
    """Run ``openstack ... -f json``; return what it says."""
    return json.loads(run('openstack', *args, '-f', 'json'))


def show(server: str) -> dict[str, Any]:
    """A server's properties."""
    return openstack('server', 'show', server)


def wait_status(server: str, wanted: str) -> dict[str, Any]:
    """Wait until a server has a status; return its properties.

    :raises RuntimeError: it is in ERROR, or PATIENCE is at its end
    """
    deadline = time.monotonic() + PATIENCE
    while True:
        properties = show(server)
        if properties['status'] == wanted:
            return properties
        if properties['status'] == 'ERROR' or time.monotonic() > deadline:
            raise RuntimeError('server %s is %s instead of %s: %s' % (
                server, properties['status'], wanted,
                properties.get('fault')))
        time.sleep(1)


def address(properties: Mapping[str, Any]) -> str:
    """A server's first address."""
    return next(iter(properties['addresses'].values()))[0]


def delete(*servers: str) -> None:
    """Delete those of the servers that exist."""
    present = {row['Name'] for row in openstack('server', 'list')}
    gone = [server for server in servers if server in present]
    if gone:
        run('openstack', 'server', 'delete', '--wait', *gone)


def temporality(*args: str, which: layout.Host = layout.FIRST) -> Any:
    """Run the operator's command on a compute host, as JSON.

    Its exit code is not looked at: it tells of pVMs that are not well.
    """
    done = subprocess.run(
        [layout.BIN / 'temporality', '--config-file',
         config.host_files(which)['temporality.conf'], *args, '-f', 'json'],
        env=layout.environment(), text=True, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE)
    try:
        return json.loads(done.stdout)
    except ValueError:
        raise RuntimeError('temporality %s: %s' % (shlex.join(args),
                                                   done.stderr.strip()))
