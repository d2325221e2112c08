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

"""What pip installs, in an environment that has nothing else of ours."""

from importlib import metadata
import os
import pathlib
import re
import subprocess
import sys
import tarfile
import zipfile

import pytest

TOP = pathlib.Path(__file__).parents[2]

# As nova-compute does.
LOAD = """
import os_vif
from oslo_utils import importutils
os_vif.initialize()
driver = importutils.import_class('nova.virt.temporality.TemporalityDriver')
print(driver.__module__)
from nova_temporality import vpm
print(vpm.PRELOAD_PATH)
"""


def run(*command, **kwargs):
    done = subprocess.run([str(word) for word in command], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=600, **kwargs)
    assert done.returncode == 0, '%s\n%s' % (command, done.stdout[-4000:])
    return done.stdout


def tracked():
    return set(run('git', 'ls-files', cwd=TOP).split('\n')) - {''}


@pytest.fixture(scope='module')
def sdist(tmp_path_factory):
    """Made of a clone, because building leaves files beside the sources."""
    clone = tmp_path_factory.mktemp('clone')
    run('git', 'clone', '-q', '--shared', TOP, clone)
    for name in run('git', 'diff', '--name-only', 'HEAD', '--diff-filter=d',
                    cwd=TOP).split():
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        (clone / name).write_bytes((TOP / name).read_bytes())
    run('git', 'add', '-A', cwd=clone)
    run(sys.executable, 'setup.py', '-q', 'sdist', cwd=clone)
    archive, = (clone / 'dist').iterdir()
    return archive


@pytest.fixture(scope='module')
def wheel(sdist, tmp_path_factory):
    """Made of the sdist, as pip does where there is no wheel."""
    out = tmp_path_factory.mktemp('wheel')
    run(sys.executable, '-m', 'pip', 'wheel', '-q', '--no-deps',
        '--no-build-isolation', '--no-index', '-w', out, sdist)
    built, = out.iterdir()
    return built


@pytest.fixture(scope='module')
def environment(wheel, tmp_path_factory):
    """Nothing but the wheel and what it asks for.

    All of that is in the cache of "make install", so no network is needed.
    """
    directory = tmp_path_factory.mktemp('environment')
    run(sys.executable, '-m', 'venv', '--without-pip', directory)
    run('bash', '-c', '. tools/lib.sh; uv_pip "$@"', 'bash', directory,
        'install', '-q', '--offline', '-c', 'constraints.txt',
        'libvirt-python==' + metadata.version('libvirt-python'), wheel,
        cwd=TOP)
    return directory


def test_sdist_has_every_file(sdist):
    with tarfile.open(sdist) as archive:
        names = {name.partition('/')[2] for name in archive.getnames()}
    # What pbr leaves out itself.
    assert tracked() - names <= {'.gitignore'}


def test_wheel_has_every_module(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    modules = {name for name in tracked() if re.fullmatch(
        r'nova_temporality/.*\.pyi?', name)}
    assert modules - names == set()
    for library in '_vpm', 'libvpm-preload':
        assert [name for name in names if re.fullmatch(
            r'nova_temporality/native/%s\.[^/]*\.so' % library, name)], library


def test_commands_run(environment):
    said = run(environment / 'bin' / 'temporality', '--help')
    assert 'pool create' in said
    run(environment / 'bin' / 'temporality-notifier', '--version')


def test_nova_loads_the_driver(environment):
    said = run(environment / 'bin' / 'python', '-I', '-c', LOAD)
    module, library = said.splitlines()[-2:]
    assert module == 'nova_temporality.virt.driver'
    assert library.startswith(str(environment))
    run('/bin/true', env=dict(os.environ, LD_PRELOAD=library))


def test_operators_find_their_files(environment):
    share = environment / 'share' / 'temporality'
    assert (share / 'systemd' / 'temporality-notifier.service').is_file()
    assert os.access(share / 'libvirt' / 'hooks' / 'qemu.d' / 'temporality',
                     os.X_OK)
