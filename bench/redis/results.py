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

"""The results of all parts, in a file: a figure needs several of them."""

import json
import pathlib


def _path(directory):
    return pathlib.Path(directory) / 'bench-redis.json'


def read(directory):
    """Return a dict with ratios, and one with faults over time, by key."""
    found = json.loads(_path(directory).read_text())
    return found['ratios'], found['faults']


def add(directory, ratios, faults):
    """Add to what is there what a part has found."""
    before = read(directory) if _path(directory).exists() else ({}, {})
    _path(directory).write_text(json.dumps(
        {'ratios': {**before[0], **ratios},
         'faults': {**before[1], **faults}}))
