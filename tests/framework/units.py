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

"""What systemd would let a process do, after the units that are shipped."""

import pathlib
import resource
import subprocess

_UNITS = pathlib.Path(__file__).parents[2] / 'etc' / 'systemd'


def under(name):
    """Return a command that runs another one as a unit says.

    It has the unit's limits and capabilities, as far as this process may give
    them; the rest takes a systemd.

    :param name: of the unit, without ".service"
    """
    settings = _read(_UNITS / (name + '.service'))
    limits = [_limit(key.removeprefix('Limit'), words[-1])
              for key, words in settings if key.startswith('Limit')]
    capabilities = {word for key, words in settings
                    if key == 'CapabilityBoundingSet' for word in words}
    assert limits and capabilities
    return ['prlimit', *limits, 'setpriv', '--no-new-privs',
            '--bounding-set', ','.join(['-all', *(
                '+' + word.removeprefix('CAP_').lower()
                for word in sorted(capabilities) if may(word))])]


def may(capability):
    """Whether this process may give a capability to others."""
    known = subprocess.run(['setpriv', '--dump'], check=True, text=True,
                           stdout=subprocess.PIPE).stdout
    bounding, = (line for line in known.splitlines()
                 if line.startswith('Capability bounding set: '))
    return (capability.removeprefix('CAP_').lower() in
            bounding.partition(': ')[2].split(','))


def _limit(name, value):
    most = resource.getrlimit(getattr(resource, 'RLIMIT_' + name))[1]
    given = [int(value)] if value != 'infinity' else []
    if most != resource.RLIM_INFINITY and not may('CAP_SYS_RESOURCE'):
        given.append(most)
    return '--%s=%s' % (name.lower(), min(given, default='unlimited'))


def _read(path):
    """Return the names of settings, and their words."""
    lines = path.read_text().replace('\\\n', ' ').splitlines()
    return [(key, value.split()) for key, equals, value in (
        line.partition('=') for line in lines if line[:1] != '#') if equals]
