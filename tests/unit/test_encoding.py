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

"""No text depends on the locale of the service that reads or writes it."""

import ast
import os
import pathlib
import subprocess
import sys

import pytest

TOP = pathlib.Path(__file__).parents[2]
SOURCES = sorted((TOP / 'nova_temporality').rglob('*.py'))

# What opens a file, and which argument is its mode.
_OPENING = {'open': 1, 'fdopen': 1}
_TEXT_ONLY = ('read_text', 'write_text')

_RECORD = r"""
import locale, sys
from unittest import mock
from nova_temporality.virt import domain_record
assert locale.getpreferredencoding().upper() != 'UTF-8'
xml = '<domain><name>\u0441\u0435\u0440 \U0001f680</name></domain>'
with mock.patch.object(domain_record, 'path', return_value=sys.argv[1]), \
        mock.patch.object(domain_record, '_xml', return_value=xml):
    domain_record.write(None, None, None)
    assert domain_record.read(None) == xml
"""


def keywords(call):
    return {one.arg: one.value for one in call.keywords}


def is_text(call):
    """Whether a call reads or writes text by an encoding."""
    function, given = call.func, keywords(call)
    name = getattr(function, 'id', getattr(function, 'attr', None))
    if isinstance(function, ast.Attribute):
        owner = getattr(function.value, 'id', None)
        if name == 'open' and owner != 'io':
            return False  # os.open(), and methods of ours
        if owner == 'subprocess':
            return 'text' in given or 'universal_newlines' in given
        if name in _TEXT_ONLY:
            return True
    if name not in _OPENING:
        return False
    position = _OPENING[name]
    mode = given.get('mode') or (
        call.args[position] if len(call.args) > position else None)
    return mode is None or 'b' not in ast.literal_eval(mode)


def unencoded(source):
    """Lines of calls that leave the encoding to the locale."""
    return [call.lineno for call in ast.walk(ast.parse(source))
            if isinstance(call, ast.Call) and is_text(call) and
            'encoding' not in keywords(call)]


@pytest.mark.parametrize('path', SOURCES, ids=lambda path: str(
    path.relative_to(TOP)))
def test_every_text_has_an_encoding(path):
    assert unencoded(path.read_text(encoding='utf-8')) == []


def test_calls_that_are_found():
    assert unencoded("""
open(path)
open(path, 'w')
open(path, mode='r')
os.fdopen(fd)
path.read_text()
subprocess.run(command, text=True)
""") == [2, 3, 4, 5, 6, 7]
    assert unencoded("""
open(path, 'rb')
open(path, 'w', encoding='utf-8')
os.open(path, os.O_RDONLY)
self._unit.open()
os.fdopen(fd, 'rb')
subprocess.run(command)
""") == []


def test_names_in_cyrillic_where_the_locale_is_not_utf8(tmp_path):
    """The record of a machine has the server's name in it."""
    done = subprocess.run(
        [sys.executable, '-X', 'utf8=0', '-c', _RECORD,
         str(tmp_path / 'record')],
        env=dict(os.environ, LC_ALL='C', PYTHONCOERCECLOCALE='0',
                 PYTHONPATH=str(TOP)), stderr=subprocess.PIPE)
    assert done.returncode == 0, done.stderr.decode()
