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

"""The pictures of processes and of states in the documentation."""

import importlib.util
import os
import pathlib

import pytest

from nova_temporality.host import paths
from nova_temporality.notifier.pvm import conditions

pytestmark = pytest.mark.native_threads

SCRIPT = pathlib.Path(__file__).parents[2] / 'doc' / 'concept_pictures.py'


@pytest.fixture(scope='module')
def script():
    spec = importlib.util.spec_from_file_location('concept_pictures', SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize('name', ['processes', 'states'])
def test_is_what_its_script_makes(script, name):
    picture = getattr(script, name)()
    assert picture.path.read_text(encoding='utf-8') == picture.text(), (
        'run: python doc/concept_pictures.py')


def test_sockets(script):
    shown = script.processes().text()
    for path in (paths.control_socket(''), paths.fixate_socket('', ''),
                 paths.watch_socket('', ''), paths.recover_socket('', '')):
        assert os.path.basename(path) in shown


def test_states(script):
    shown = script.states().text()
    for state in (conditions.OFF, conditions.NOT_ARMED, conditions.ARMED,
                  conditions.FIXATED, conditions.STOPPED):
        assert '>%s<' % state in shown
