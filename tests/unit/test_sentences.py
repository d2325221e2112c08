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

"""Sentences of the documentation are short: below 25 words in the mean."""

import pathlib
import re
import statistics

from docutils import core
from docutils import nodes
import pytest

TOP = pathlib.Path(__file__).parents[2]
PAGES = sorted([*TOP.glob('*.rst'), *(TOP / 'doc' / 'source').rglob('*.rst')])
LIMIT = 25


def lengths(text):
    """How many words each sentence of the running text has."""
    document = core.publish_doctree(text, settings_overrides={
        # Of Sphinx' own roles the text is kept.
        'report_level': 5, 'file_insertion_enabled': False})
    return [len(sentence.split())
            for paragraph in document.findall(nodes.paragraph)
            if not isinstance(paragraph.parent, nodes.system_message)
            for sentence in re.split(r'(?<=[.!?])\s+', paragraph.astext())]


@pytest.mark.parametrize('page', PAGES,
                         ids=lambda page: str(page.relative_to(TOP)))
def test_page(page):
    found = lengths(page.read_text())
    assert not found or statistics.mean(found) < LIMIT


def test_what_counts():
    assert lengths('Title\n=====\n\nOne two. Three :doc:`four`!\n\n'
                   '* five six seven\n\n::\n\n    not this\n\n'
                   '.. image:: nor/this\n') == [2, 2, 3]
