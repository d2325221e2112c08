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

"""Draws the papers' figures 4 and 5 from what was measured.

Run as "python -m bench.redis.plot DIRECTORY", after all parts; the
directory is that of --disk.
"""

import pathlib
import sys

import matplotlib

matplotlib.use('svg')
matplotlib.rcParams['svg.hashsalt'] = 'temporality'

from matplotlib import pyplot  # noqa: E402

from bench.redis import results  # noqa: E402

_STATIC = pathlib.Path(__file__).parents[2] / 'doc' / 'source' / '_static'

_LABELS = {'set': 'SET, one key after the other', 'get': 'GET, uniform',
           'get_zipf': 'GET, zipf(0.99)'}
_MARKERS = dict(zip(_LABELS, 'osd'))
_COLOURS = dict(zip(_LABELS, ('C0', 'C1', 'C2')))


def _mrr(key):
    return int(key.rsplit('mrr', 1)[1])


def _of(measured, what):
    """Return pairs of MRR and what was found, the largest MRR first."""
    return sorted(((_mrr(key), found) for key, found in measured.items()
                   if key.rsplit('_mrr', 1)[0] == what), reverse=True)


def _save(figure, path):
    figure.savefig(path, metadata={'Date': None})
    pyplot.close(figure)


def throughput(ratios, path):
    """Draw figure 4: requests/s relative to a plain server, by MRR."""
    figure, panels = pyplot.subplots(1, 2, figsize=(8, 3.6), sharey=True,
                                     layout='constrained')
    for axes, suffix, title in (
            (panels[0], '', '50 connections, one request each'),
            (panels[1], '_pipelined', '1 connection, 50 requests')):
        for what, label in _LABELS.items():
            found = _of(ratios, 'redis_' + what + suffix)
            if found:
                axes.plot(*zip(*found), marker=_MARKERS[what],
                          color=_COLOURS[what], label=label)
        axes.set_title(title)
        axes.set_xlabel('MRR, percent')
        axes.set_ylim(0, 1.1)
        axes.invert_xaxis()
        axes.grid(alpha=0.3)
    panels[0].set_ylabel('requests/s, relative to a plain server')
    panels[0].legend(loc='lower left', frameon=False)
    _save(figure, path)


def faults(found, path):
    """Draw figure 5: page faults per second over a server's own time."""
    figure, panels = pyplot.subplots(1, 2, figsize=(8, 3.6),
                                     layout='constrained')
    for axes, what in zip(panels, ('set', 'get')):
        for mrr, points in _of(found, what):
            if mrr < 100:
                axes.plot(*zip(*points), label='MRR %d %%' % mrr)
        axes.set_title(_LABELS[what])
        axes.set_xlabel('seconds')
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
    panels[0].set_ylabel('page faults per second')
    panels[0].legend(frameon=False)
    _save(figure, path)


if __name__ == '__main__':
    by_key, over_time = results.read(sys.argv[1])
    throughput(by_key, _STATIC / 'redis-throughput.svg')
    faults(over_time, _STATIC / 'redis-faults.svg')
