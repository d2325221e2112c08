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

"""The page about upgrades has the versions that the sources have."""

import pathlib
import re

import pytest

TOP = pathlib.Path(__file__).parents[2]
PAGE = (TOP / 'doc/source/operate/upgrade.rst').read_text()
SOURCES = {
    'VPM_FORMAT_VERSION': 'nova_temporality/native/media/layout.h',
    'VPM_FORMAT_VERSION_VAULT': 'nova_temporality/native/media/layout.h',
    'VPM_VAULT_VERSION': 'nova_temporality/native/media/layout.h',
    'VPM_PROTOCOL_VERSION': 'nova_temporality/native/include/protocol.h',
    'POD_ABI': 'pod/pod.h',
    'VERSION': 'nova_temporality/snapshot/store.py',
}


@pytest.mark.parametrize('name', SOURCES)
def test_version(name):
    source = (TOP / SOURCES[name]).read_text()
    there, = re.findall(r'^(?:#define )?%s(?: =)? (\d+)$' % name, source,
                        re.MULTILINE)
    assert re.findall(r'- ``%s``\n +- (\d+)\n' % name, PAGE) == [there]
