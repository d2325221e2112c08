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

"""Which kernel the laboratory's machine is booted with."""

import pytest

# "make install" installs it.
machine = pytest.importorskip('lab.machine')

THERE = ['6.1.0-53-amd64', '6.12.9+deb12-amd64', '6.12.95+deb12-amd64']


@pytest.mark.parametrize('wanted, version', [
    ('', '6.12.95+deb12-amd64'),
    ('6.1', '6.1.0-53-amd64'),
    ('6.12', '6.12.95+deb12-amd64'),
    ('6.12.9+deb12-amd64', '6.12.9+deb12-amd64'),
])
def test_it_is_the_newest_that_is_wanted(wanted, version):
    assert machine.newest(THERE, wanted) == version


def test_one_that_is_not_there_is_refused_by_name():
    with pytest.raises(machine.NotReady, match=r'5\.10.*6\.1\.0-53-amd64'):
        machine.newest(THERE, '5.10')
