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

"""Tempest can import our plugin, with its own options registered."""

import subprocess
import sys

import pytest

pytest.importorskip('tempest')


def test_beside_the_options_of_tempest():
    # Tempest's group "profiler" is not Nova's.
    program = ('from tempest import config; config.register_opts(); '
               'from nova_temporality.tempest_plugin.api import '
               'test_actions, test_create, test_extra_specs; '
               'from nova_temporality.tempest_plugin.scenario import '
               'test_power_cut')
    result = subprocess.run([sys.executable, '-c', program], text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert result.returncode == 0, result.stdout
