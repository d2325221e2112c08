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

"""The command line, run on a pool of its own."""

import json
import logging

import pytest

from nova_temporality.cmd import admin
from tests.framework import pools


@pytest.fixture
def config(tmp_path):
    path = tmp_path / 'temporality.conf'
    path.write_text('[temporality]\npool_path = %s\nrun_dir = %s\n'
                    % (tmp_path / 'pool', tmp_path / 'run'))
    return str(path)


@pytest.fixture
def run(config, monkeypatch):
    def run(*args):
        # Of an earlier run, with a standard error that is closed now.
        monkeypatch.setattr(logging.root, 'handlers', [])
        return admin.AdminApp().run(['--config-file', config] + list(args))
    return run


@pytest.fixture
def medium(tmp_path):
    """What pools of these tests lie on."""
    with pools.create(tmp_path / 'probe') as pool:
        return pool.info().medium


@pytest.fixture
def created(run, capsys, medium):
    assert run('pool', 'create', '--size', '4M', '--state-size', '64K',
               '--descriptors', '3', '--uid-base', '0',
               '--medium', medium) == 0
    capsys.readouterr()


@pytest.fixture
def run_json(run, capsys):
    """Run a command; return what it prints as JSON."""
    def run_json(*args):
        capsys.readouterr()
        run(*args, '-f', 'json')
        return json.loads(capsys.readouterr().out)
    return run_json
