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

"""The picture of an outage in the documentation."""

import importlib.util
import pathlib

DOC = pathlib.Path(__file__).parents[2] / 'doc'


def test_is_what_its_script_makes():
    spec = importlib.util.spec_from_file_location(
        'outage_picture', DOC / 'outage_picture.py')
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert script.PICTURE.read_text() == script.picture(), (
        'run: PYTHONPATH=. python doc/outage_picture.py')
