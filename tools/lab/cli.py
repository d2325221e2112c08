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

"""The commands: up, shell, down, drills, reboot, bad-memory."""

import argparse
import os
import subprocess
import sys
import time

from lab import agent as lab_agent
from lab import bad_memory
from lab import compute_host
from lab import console
from lab import disk
from lab import drills
from lab import layout
from lab import machine

STARTED = time.monotonic()


def say(text):
    print('[%6.1fs] %s' % (time.monotonic() - STARTED, text),
          file=sys.stderr, flush=True)


def up():
    """Bring the machine up; make it first if need be."""
    subprocess.run([layout.TOP / 'tools/lab/build.sh'], check=True,
                   env=dict(os.environ, STATE=str(layout.STATE)))
    made = (layout.IMAGE / 'disk.img').stat().st_mtime
    if not layout.READY.exists() or layout.READY.stat().st_mtime < made:
        say('making the compute host')
        compute_host.make()
        layout.READY.touch()
    if not machine.is_on():
        compute_host.hand_over()
    machine.switch_on()
    say('waiting for its boot')
    with machine.wait_booted() as agent:
        say('the machine is up: %s' % compute_host.look(agent))


def shell(script):
    """A shell on its console; or run a script, and return its exit code."""
    if script is None:
        return console.attach()
    with machine.connect() as agent:
        done = agent.run(script)
    sys.stdout.write(done.stdout)
    sys.stderr.write(done.stderr)
    return done.returncode


def down():
    """Shut the machine down; cut its power if it does not."""
    if not machine.is_on():
        disk.close_overlay()
        return
    try:
        with lab_agent.Agent(10) as agent:
            agent.begin('systemctl poweroff')
        machine.wait_off()
    except (lab_agent.AgentError, machine.NotReady) as e:
        say('%s: its power is cut' % e)
        machine.cut_power()


COMMANDS = {'up': up, 'shell': shell, 'down': down, 'drills': drills.run,
            'reboot': drills.reboot, 'bad-memory': bad_memory.run}


def main():
    parser = argparse.ArgumentParser(prog='lab', description=__doc__)
    commands = parser.add_subparsers(dest='command', required=True)
    for name in ('up', 'down'):
        commands.add_parser(name)
    commands.add_parser('shell').add_argument('script', nargs='?')
    with_servers = argparse.ArgumentParser(add_help=False)
    with_servers.add_argument('--servers', type=int, default=2, dest='count')
    of_reboot = commands.add_parser('reboot', parents=[with_servers])
    of_reboot.add_argument('--kexec', action='store_true')
    commands.add_parser('bad-memory', parents=[with_servers])
    of_drills = commands.add_parser('drills', parents=[with_servers])
    of_drills.add_argument('rounds', type=int)
    of_drills.add_argument('--seed', default=str(time.time_ns()))
    of_drills.add_argument('--first', type=int, default=1, metavar='ROUND')
    arguments = vars(parser.parse_args())
    command = arguments.pop('command')
    try:
        result = COMMANDS[command](**arguments)
    except (OSError, subprocess.CalledProcessError, lab_agent.AgentError,
            machine.NotReady, compute_host.NotAsItShould) as e:
        sys.exit('lab %s: %s' % (command, e))
    if isinstance(result, bool):
        result = 0 if result else 1
    sys.exit(result)
