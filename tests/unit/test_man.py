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

"""Every program has a manual page, with the options that it takes."""

import configparser
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

# What matters is in other processes.
pytestmark = pytest.mark.native_threads

TOP = pathlib.Path(__file__).parents[2]
OPTION = re.compile(r'(?<![\w-])--[a-z][\w-]*')

# How each program is asked for its options.
QUESTIONS = {
    'temporality': [['admin', '--help']],
    'temporality-notifier': [['notifier', '--help']],
    'temporality-engine': [['engine', '--help']],
    'temporality-status': [['status', '--help'],
                           ['status', 'upgrade', 'check', '--help']]}


def entry_points(group):
    setup = configparser.ConfigParser()
    setup.read(TOP / 'setup.cfg')
    return [line.split()[0]
            for line in setup['entry_points'][group].splitlines() if line]


def run(*command):
    return subprocess.run(
        [sys.executable, '-W', 'ignore', '-m', *command], check=True, cwd=TOP,
        capture_output=True, text=True, timeout=600,
        env=dict(os.environ, PYTHONPATH=str(TOP))).stdout


@pytest.fixture(scope='module')
def pages(tmp_path_factory):
    """The directory with the pages."""
    directory = tmp_path_factory.mktemp('man')
    run('sphinx', '-q', '-W', '-b', 'man', '-c', 'doc/man', 'doc/source/man',
        str(directory))
    return directory


def read(page):
    return page.read_text(encoding='utf-8').replace('\\-', '-')


@pytest.mark.parametrize('program', entry_points('console_scripts'))
def test_options(pages, program):
    page = read(pages / (program + '.8'))
    [section] = re.findall(r'^\.SH OPTIONS$(.*?)^\.SH', page, re.M | re.S)
    taken = set()
    for question in QUESTIONS[program]:
        module, *arguments = question
        taken.update(OPTION.findall(run('nova_temporality.cmd.' + module,
                                        *arguments)))
    # Those of "temporality" are written by Sphinx, which leaves this one out.
    assert set(OPTION.findall(section)) | {'--help'} == taken


def test_commands(pages):
    page = read(pages / 'temporality.8')
    assert sorted(re.findall(r'^\.SS (.*)$', page, re.M)) == sorted(
        name.replace('_', ' ') for name in entry_points('temporality.cli'))


def test_options_of_the_configuration(pages):
    page = read(pages / 'temporality.conf.5')
    sample = (TOP / 'etc/temporality/temporality.conf.sample').read_text(
        encoding='utf-8')
    names = re.findall(r'^#(\w+) =', sample.split('[temporality]')[1], re.M)
    assert names
    assert [name for name in names
            if not re.search(r'^\.B %s$' % name, page, re.M)] == []


@pytest.mark.skipif(not shutil.which('groff'), reason='no groff')
def test_can_be_shown(pages):
    done = subprocess.run(
        ['groff', '-man', '-Tutf8', '-ww', '-z', *pages.glob('*.[58]')],
        capture_output=True, text=True, timeout=600)
    assert (done.returncode, done.stderr) == (0, '')


def test_each_is_in_one_package(pages):
    installed = sorted(
        line for path in (TOP / 'debian').glob('*.manpages')
        for line in path.read_text(encoding='utf-8').splitlines())
    assert installed == sorted('debian/man/' + path.name
                               for path in pages.glob('*.[58]'))
