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

"""Whether a file system lets root give files to others."""

import os
from unittest import mock

import pytest

from nova_temporality.privsep import owners

pytestmark = pytest.mark.usefixtures('helper')


def test_it_does_and_nothing_is_left(tmp_path):
    assert owners.problem(str(tmp_path), os.getuid()) is None
    assert not list(tmp_path.iterdir())


def test_it_refuses(tmp_path):
    with mock.patch.object(os, 'chown', side_effect=PermissionError(
            1, 'Operation not permitted')):
        assert owners.problem(str(tmp_path), 1) == 'Operation not permitted'
    assert not list(tmp_path.iterdir())


def test_it_makes_the_file_somebody_else_s(tmp_path):
    with mock.patch.object(os, 'chown'):
        assert 'user id %d' % os.getuid() in owners.problem(
            str(tmp_path), os.getuid() + 1)
