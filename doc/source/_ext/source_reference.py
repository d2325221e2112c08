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

"""The role ``src``: a file of the project, or file:function.

What it names has to be there. If it is not, the build warns, and fails with
``sphinx-build -W``: so pages about the code follow when the code moves.
"""

import pathlib
import re
from typing import Any

from docutils import nodes
from sphinx.util import docutils

TOP = pathlib.Path(__file__).parents[3]

# Folders that names may leave out.
PLACES = ('', 'nova_temporality')

# What the line looks like that defines a function or class.
DEFINITIONS = {
    '.py': r'^\s*(?:def|class) %s\b',
    '.c': r'^\w.*\b%s\(',
    '.h': r'^\w.*\b%s\(',
}


def problem(reference: str) -> str | None:
    """Tell what is wrong with a reference, or None.

    :param reference: "folder/", "folder/file.py" or "folder/file.py:function"
    """
    name, _, function = reference.partition(':')
    for place in PLACES:
        path = TOP / place / name
        if path.is_file() or (path.is_dir() and name.endswith('/')):
            break
    else:
        return 'there is no %s' % name
    if function and not re.search(
            DEFINITIONS[path.suffix] % re.escape(function), path.read_text(),
            re.MULTILINE):
        return 'there is no %s in %s' % (function, name)
    return None


class SourceReference(docutils.SphinxRole):
    """Shows a reference as a literal, having checked it."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        messages = []
        found = problem(self.text)
        if found:
            messages.append(self.inliner.reporter.warning(
                found, line=self.lineno))
        return [nodes.literal(self.rawtext, self.text)], messages


def setup(app: Any) -> dict[str, bool]:
    """Register the role with Sphinx."""
    app.add_role('src', SourceReference())
    return {'parallel_read_safe': True}
