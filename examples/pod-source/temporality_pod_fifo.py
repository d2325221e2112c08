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

"""A POD source that reads what others write to a FIFO.

Every line has a level (good, warn or commit) and words for operators:

    echo commit smoke in room 1 > /run/power
"""

import os

from nova_temporality.notifier import power
from nova_temporality.notifier import sources
from oslo_config import cfg

_LEVELS = (power.GOOD, power.WARN, power.COMMIT)
# Of bytes: a writer that never ends its line must not fill the memory.
_MAX_LINE = 1024

_OPTIONS = [
    cfg.StrOpt(
        'path',
        help='Path of the FIFO; make it with "mkfifo -m 600". Required.'),
]


class FifoSource(sources.Source):
    """Reports the lines of a FIFO as news."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        conf.register_opts(_OPTIONS, group='pod_fifo')
        self._path: str = conf.pod_fifo.path
        if not self._path:
            raise sources.SourceError(
                '[pod_fifo] path is not set; give the path of a FIFO')

    def run(self, report: sources.Report) -> None:
        # If the FIFO is missing this raises: the notifier logs it, takes the
        # source for LOST, and calls run() again some seconds later.
        #
        # Opened for writing too: otherwise the FIFO would be at its end
        # whenever a writer closes it.
        with open(os.open(self._path, os.O_RDWR | os.O_CLOEXEC)) as fifo:
            while True:
                report(self._parse(fifo.readline(_MAX_LINE)))

    def _parse(self, line: str) -> power.News:
        level, _, words = line.strip().partition(' ')
        if level not in _LEVELS:
            # Not a reason to fixate, but one to stop trusting the source.
            return power.News.now(
                power.LOST, '%s: %r has no level' % (self._path, line))
        return power.News.now(level, '%s: %s' % (self._path, words or level))
