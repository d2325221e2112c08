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

"""The page of the metrics has all that are exported, and no others."""

import pathlib
import re
import shutil
import subprocess

from prometheus_client import exposition
import pytest

from nova_temporality.notifier.pvm import conditions
from tests.framework import exported

pytestmark = pytest.mark.native_threads

OPERATE = pathlib.Path(__file__).parents[4] / 'doc' / 'source' / 'operate'
# Of a row of a table: the name, and perhaps labels.
ROW = re.compile(r'^ *\* - ``(\w+)(?:\{([\w,]+)\})?``$', re.M)


class Families:
    """Stands for a registry."""

    def __init__(self, families):
        self._families = families

    def collect(self):
        return self._families


@pytest.fixture
def families(tmp_path):
    return exported.everything(tmp_path)


def test_page(families):
    page = (OPERATE / 'metrics.rst').read_text(encoding='utf-8')
    told = [(name, tuple(filter(None, labels.split(','))))
            for name, labels in ROW.findall(page)]
    assert len(told) == len(set(told))
    assert set(told) == {
        (sample.name, tuple(sample.labels)) for family in families
        for sample in family.samples if not sample.name.endswith('_created')}


def test_codes():
    page = (OPERATE / 'alerts' / 'server-unarmed.rst').read_text(
        encoding='utf-8')
    assert [name for name, _labels in ROW.findall(page)] == list(
        conditions.CODES)


@pytest.mark.skipif(not shutil.which('promtool'), reason='no prometheus')
def test_conventions(families):
    """Names, units, kinds and help are as Prometheus wants them."""
    done = subprocess.run(
        ['promtool', 'check', 'metrics'], capture_output=True, timeout=600,
        input=exposition.generate_latest(Families(families)))
    assert (done.returncode, done.stdout + done.stderr) == (0, b'')
