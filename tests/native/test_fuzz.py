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

"""Runs the fuzzing targets over the kept corpus, and a little beyond."""

import pytest

from tests.framework import native_build as native
from tests.fuzz import build


@pytest.mark.parametrize('name', build.targets())
def test_fuzz(name, tmp_path):
    found = tmp_path / 'found'
    found.mkdir()
    native.run(build.command(name, 5, found, tmp_path))
