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

"""What is installed exists in the other of Debian 12 and 13, too.

Nothing of it is installed here, so this proves neither that it compiles nor
that it works there; "make bare-root" does.
"""

import pathlib
import platform
import re
import subprocess

import pytest

from nova_temporality.virt import versions

HERE = pathlib.Path(__file__).parent
TOP = HERE.parents[1]


@pytest.fixture(scope='module')
def release():
    """The code name of the release that this machine has not."""
    here = platform.freedesktop_os_release()['VERSION_CODENAME']
    return 'bookworm' if here == 'trixie' else 'trixie'


@pytest.fixture(scope='module')
def resolved(release):
    """Dicts of version by name: Debian's packages, Python's."""
    done = subprocess.run([HERE / 'resolve.sh', release], text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    apt = dict(re.findall(r'^apt (\S+) (\S+)$', done.stdout, re.M))
    pip = dict(re.findall(r'^pip (\S+)==(\S+)$', done.stdout, re.M))
    return apt, pip


def _version(package):
    """The upstream version of a Debian package, without its epoch."""
    return tuple(int(part) for part in re.match(
        r'(?:\d+:)?(\d+)\.(\d+)\.(\d+)', package).groups())


def test_all_packages_are_there(resolved):
    apt, _ = resolved
    names = re.findall(r'^([^# ]\S*) \[', (TOP / 'bindep.txt').read_text(),
                       re.M)
    assert len(names) > 40
    assert set(names) <= set(apt)


def test_qemu_and_libvirt_are_new_enough(resolved):
    apt, _ = resolved
    assert _version(apt['qemu-system-x86']) >= versions.MIN_QEMU
    assert _version(apt['libvirt-daemon']) >= versions.MIN_LIBVIRT


def test_backports_are_for_qemu_and_libvirt_alone(release, resolved):
    apt, _ = resolved
    backported = {name for name, version in apt.items() if '~bpo' in version}
    assert bool(backported) == (release == 'bookworm')
    assert all(re.match('qemu-|libvirt|seabios$|ipxe-qemu$', name)
               for name in backported), backported


def test_each_python_package_is_pinned(resolved):
    _, pip = resolved
    pins = re.findall(r'^(\S+)==', (TOP / 'constraints.txt').read_text(),
                      re.M)
    # libvirt-python follows libvirt instead.
    assert set(pip) - set(pins) == {'libvirt-python'}


def test_libvirt_python_is_of_libvirt_s_version(resolved):
    apt, pip = resolved
    assert (_version(pip['libvirt-python'])[:2] ==
            _version(apt['libvirt-dev'])[:2])
