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

"""Sizes on the command line."""

import argparse

import pytest

from nova_temporality.cli import sizes


@pytest.mark.parametrize('text, size', [
    ('4096', 4096), ('4K', 4096), ('4KiB', 4096), ('1.5G', 3 << 29),
    ('2T', 2 << 40), ('16MB', 16 << 20), ('0', 0)])
def test_sizes(text, size):
    assert sizes.parse(text) == size


@pytest.mark.parametrize('text', ['', 'B', 'x', '1 M', '-5', '1Kb', '1e3'])
def test_no_sizes(text):
    with pytest.raises(argparse.ArgumentTypeError) as e:
        sizes.parse(text)
    assert repr(text) in str(e.value)


@pytest.mark.parametrize('size, text', [
    (0, '0 bytes'), (1, '1 bytes'), (4096, '4 KiB'), (3 << 29, '1536 MiB'),
    (2 << 40, '2 TiB')])
def test_show_size(size, text):
    assert sizes.show(size) == text
