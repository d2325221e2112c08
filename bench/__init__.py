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

"""Measurements; most compare two ways that are run beside each other."""

import signal
import sys


def clean_up_when_ended():
    """Have SIGTERM undo what a measurement changed, as Ctrl-C does."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


def check_pieces(parser, names, known):
    """End with an error if there is no piece of one of these names."""
    unknown = set(names) - set(known)
    if unknown:
        parser.error('there is no piece %s' % ', '.join(sorted(unknown)))
