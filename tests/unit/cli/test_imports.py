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

"""The command line starts at once: it loads no Nova and no eventlet."""

import pkgutil
import subprocess
import sys

import pytest

from nova_temporality import cli


@pytest.mark.parametrize('name', [
    module.name for module in pkgutil.iter_modules(cli.__path__)])
def test_light(name):
    code = ('import sys\n'
            'import nova_temporality.cli.%s\n'
            "print([name for name in ('nova', 'eventlet', 'oslo_privsep') "
            'if name in sys.modules])' % name)
    result = subprocess.run([sys.executable, '-c', code], check=True,
                            stdout=subprocess.PIPE, text=True)
    assert result.stdout == '[]\n'
