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

"""How the driver is built and packaged."""

import configparser
import re
import shutil

from tests.pod import build


def test_sparse_and_compiler_have_no_complaints():
    said = build.module(build.POD)[1]
    assert 'CHECK' in said
    assert not re.search(r'(?i)warning|error', said), said


def test_caches_are_really_written_back():
    """Emulated CPUs take WBINVD for nothing, so no test in there can tell."""
    code = build.run('objdump', '-d', '-j', '.text', '-j',
                     '.altinstr_replacement', build.module(build.POD)[0])
    assert re.search(r'\bwbinvd\b', code)


def test_dkms(tmp_path):
    """What an operator does, into directories of its own."""
    release = (build.kernel() / 'release').read_text().strip()
    for name in ('source', 'dkms', 'modules'):
        (tmp_path / name).mkdir()
    source = tmp_path / 'source' / 'temporality-pod-1'
    shutil.copytree(build.POD, source)
    trees = ['--sourcetree', tmp_path / 'source', '--dkmstree',
             tmp_path / 'dkms', '--installtree', tmp_path / 'modules']
    build.run('dkms', 'add', '-m', 'temporality-pod', '-v', '1', *trees)
    build.run('dkms', 'build', '-m', 'temporality-pod', '-v', '1', '-k',
              release, '-a', 'x86_64', '--kernelsourcedir',
              (build.kernel() / 'build').resolve(), *trees)
    built, = (tmp_path / 'dkms').rglob('pod.ko*')
    assert built.stat().st_size


def test_versions_agree():
    dkms = (build.POD / 'dkms.conf').read_text()
    main = (build.POD / 'main.c').read_text()
    version = re.search(r'PACKAGE_VERSION="(.+)"', dkms)[1]
    assert re.search(r'MODULE_VERSION\("(.+)"\)', main)[1] == version


def test_every_file_is_installed():
    setup = configparser.ConfigParser()
    setup.read(build.POD.parent / 'setup.cfg')
    installed = {word for word in setup['files']['data_files'].split()
                 if word.startswith('pod/')}
    listed = build.run('git', 'ls-files', 'pod', cwd=build.POD.parent)
    assert installed == set(listed.split())
