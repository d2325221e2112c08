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

"""Makefile, linters and the list of packages fit together."""

import pathlib
import re
import subprocess

import yaml

TOP = pathlib.Path(__file__).parents[2]


def _help():
    return subprocess.run(['make', '-s', 'help'], cwd=TOP, check=True,
                          text=True, stdout=subprocess.PIPE).stdout


def test_help_tells_of_every_target():
    [names] = re.findall(r'^\.PHONY: ((?:.*\\\n)*.*)$',
                         (TOP / 'Makefile').read_text(), re.M)
    told = re.findall(r'^  make ([a-z-]+) +\S', _help(), re.M)
    assert told == names.replace('\\\n', ' ').split()


def test_help_has_groups():
    groups = [line for line in _help().splitlines()
              if line and not line.startswith(' ')]
    assert groups == ['Start', 'Test', 'Laboratory', 'Cloud', 'Measure',
                      'Clean up']


def test_pre_commit_runs_the_linters_of_make_test():
    [linters] = re.findall(r'^LINTERS=\((.*)\)$',
                           (TOP / 'tools/lint.sh').read_text(), re.M)
    configuration = yaml.safe_load(
        (TOP / '.pre-commit-config.yaml').read_text())
    [repository] = configuration['repos']
    assert repository['repo'] == 'local'
    hooks = repository['hooks']
    assert [hook['id'] for hook in hooks] == linters.split()
    tracked = subprocess.run(['git', 'ls-files'], cwd=TOP, check=True,
                             text=True, stdout=subprocess.PIPE).stdout.split()
    for hook in hooks:
        assert hook['entry'] == 'tools/lint.sh ' + hook['id']
        assert hook['language'] == 'system'
        assert any(re.search(hook['files'], path) for path in tracked)


def test_unknown_linter():
    done = subprocess.run([TOP / 'tools/lint.sh', 'unknown'], text=True,
                          stderr=subprocess.PIPE, check=False)
    assert done.returncode == 2
    assert 'flake8 mypy' in done.stderr


def test_install_script_reads_all_of_bindep():
    lines = [line for line in (TOP / 'bindep.txt').read_text().splitlines()
             if line and not line.startswith('#')]
    found = [re.fullmatch(r'([a-z0-9.+-]+) \[(.*)\]', line).groups()
             for line in lines]
    assert len(dict(found)) == len(lines)
    script = (TOP / 'tools/install/install.sh').read_text()
    read = set(re.findall(r"\((?:packages|missing) '?([^')$]+)'?\)", script))
    assert {selectors for _, selectors in found} == read
