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

"""The figures that go into the simulation."""

import pathlib

import yaml

FILE = pathlib.Path(__file__).with_name('inputs.yaml')


def read():
    """All entries of the file, by name."""
    with FILE.open(encoding='utf-8') as stream:
        return yaml.safe_load(stream)


def figures(**others):
    """All figures by name.

    :param others: those that are to be others than in the file
    :raises ValueError: there is none of such a name; it is named
    """
    known = {name: entry['value'] for name, entry in read().items()}
    unknown = set(others) - set(known)
    if unknown:
        raise ValueError('%s has no figure %s' % (
            FILE.name, ', '.join(sorted(unknown))))
    return {**known, **others}
