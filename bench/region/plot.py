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

"""The pictures of doc/source/evaluation-region.rst."""

_COLOURS = {'resumed': '#1b9e77', 'resumed, all at once': '#7570b3',
            'booted': '#d95f02'}


def _lines(axes, rows, x, y, by, label='%s'):
    """A line for each value of a column."""
    for value in dict.fromkeys(row[by] for row in rows):
        points = [(row[x], row[y]) for row in rows
                  if row[by] == value and row[y] is not None]
        axes.plot(*zip(*points), marker='o', markersize=3,
                  label=label % value, color=_COLOURS.get(value))
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, fontsize='small')


def _hosts(record, axes):
    for way, colour in _COLOURS.items():
        rows = [row for row in record['hosts'] if row['way'] == way]
        x = [row['hosts'] for row in rows]
        axes[0].plot(x, [row['p95'] for row in rows], color=colour,
                     label=way)
        axes[0].fill_between(x, [row['p50'] for row in rows],
                             [row['p100'] for row in rows], color=colour,
                             alpha=0.15)
        axes[1].plot(x, [row['waited'] for row in rows], color=colour)
    for one in axes:
        one.set_xscale('log')
        one.set_xlabel('hosts')
        one.set_ylim(bottom=0)
    axes[0].set_ylabel('seconds until 95 % run (50 to 100 %)')
    axes[0].legend(frameon=False, fontsize='small')
    axes[1].set_ylabel('longest wait for nova-conductor, s')


def _choices(record, axes):
    _lines(axes[0][0], record['parallel'], 'parallel', 'p100', 'processors',
           '%d processors')
    axes[0][0].set_xlabel('QEMUs started at a time, one host with 200')
    axes[0][0].set_ylabel('seconds until all run')
    large = [row for row in record['asking'] if row['asking']]
    _lines(axes[0][1], large, 'asking', 'p95', 'where')
    axes[0][1].set_xlabel('servers of a host that ask Nova at a time')
    axes[0][1].set_ylabel('seconds until 95 % run')
    late = [{**row, 'after': row['p100'] - row['back']}
            for row in record['retry'] if row['back'] == 3600]
    _lines(axes[1][0], late, 'delay_max', 'after', 'jitter', 'jitter %s')
    axes[1][0].set_xlabel('longest delay between tries, s')
    axes[1][0].set_ylabel('seconds from storage to all')
    _lines(axes[1][1], record['control_plane'], 'back', 'asked', 'patience',
           'evacuator waits %d s')
    axes[1][1].set_xlabel('control plane is back after, s')
    axes[1][1].set_ylabel('evacuations asked for, of 2,000')


def draw(record, directory):
    """Draw all pictures.

    :param record: what python -m bench.region has on record
    :param directory: where they are written
    """
    import matplotlib
    matplotlib.use('svg')
    from matplotlib import pyplot

    matplotlib.rcParams['svg.hashsalt'] = 'temporality'
    for name, make, rows, height in (('hosts', _hosts, 1, 3.2),
                                     ('choices', _choices, 2, 6)):
        figure, axes = pyplot.subplots(rows, 2, figsize=(8, height),
                                       layout='constrained')
        make(record, axes)
        figure.savefig(directory / ('region-%s.svg' % name),
                       metadata={'Date': None})
        pyplot.close(figure)
