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

"""The machine's servers: made, watched, and what became of them."""

import json
import time

from lab import machine

_NOTE = '/run/lab/recovered.json'
_ASK = 'exec python3 /mnt/lab/ask.py /run/temporality/notifier.sock'
_POLL = 2


def wait(what, condition, patience=machine.PATIENCE):
    """Wait until a condition holds; return what it says."""
    deadline = time.monotonic() + patience
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise TimeoutError('%s: it takes too long' % what)
        time.sleep(_POLL)


def states(agent):
    """The state of each server, as the notifier tells it, by its UUID."""
    status = json.loads(agent.ask(_ASK))
    return {pvm['name']: pvm['state'] for pvm in status['result']['pvms']}


def wait_all(agent, uuids, state):
    """Wait until each of these servers is in a state."""
    def are():
        found = states(agent)
        return all(found.get(uuid) == state for uuid in uuids)
    wait('to be %s' % state, are)


def _recovered(agent):
    """What nova-compute noted, when it is done; wait for that."""
    def note():
        done = agent.run('cat %s' % _NOTE)
        if done.returncode == 0:
            return done
        if agent.run('systemctl is-failed nova-compute').returncode == 0:
            raise machine.NotReady(agent.ask(
                'journalctl -b -u nova-compute --no-pager | tail -n 30'))
        return None
    return json.loads(wait('the recovery', note).stdout)


def there(count):
    """UUIDs of all servers; so many are made if there are none."""
    with machine.connect() as agent:
        _recovered(agent)
        if not states(agent):
            # As its unit runs it.
            agent.ask(
                'cd / && PYTHONPATH=/mnt/lab OS_NOVA_DISABLE_EVENTLET_PATCHING'
                '=true exec /opt/nova/bin/python -m labhost start %d '
                '>>/var/log/labhost.log 2>&1' % count)
        return wait('servers', lambda: sorted(states(agent)))


def outcomes():
    """What became of each at the latest boot, by its UUID."""
    with machine.connect() as agent:
        return {found['uuid']: found for found in _recovered(agent)}
