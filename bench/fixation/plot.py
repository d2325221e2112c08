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

"""Where the time goes: one bar per pVM, phases coloured."""

PHASES = [
    ('to the first command', 'signal_ns', 'command_ns', '#555555'),
    ('stop vCPUs, drain disks', 'command_ns', 'stopped_ns', '#d95f02'),
    ('save, flush disks, receive', 'stopped_ns', 'saved_ns', '#1b9e77'),
    ('persist, set the marker', 'saved_ns', 'fixated_ns', '#7570b3'),
]


def draw(rounds, path):
    """Draw the median one of some rounds, each a list of dicts of instants."""
    import matplotlib
    matplotlib.use('svg')
    from matplotlib import pyplot

    matplotlib.rcParams['svg.hashsalt'] = 'temporality'
    rounds = sorted(rounds, key=lambda one: max(
        pvm['fixated_ns'] - pvm['signal_ns'] for pvm in one))
    pvms = sorted(rounds[len(rounds) // 2],
                  key=lambda pvm: pvm['fixated_ns'])
    figure, axes = pyplot.subplots(
        figsize=(8, 1.2 + 0.25 * len(pvms)), layout='constrained')
    for label, begin, end, colour in PHASES:
        axes.barh(range(len(pvms)),
                  [(pvm[end] - pvm[begin]) / 1e6 for pvm in pvms],
                  left=[(pvm[begin] - pvm['signal_ns']) / 1e6
                        for pvm in pvms], color=colour, label=label)
    axes.invert_yaxis()
    axes.set_yticks([])
    axes.set_ylabel('%d pVMs' % len(pvms))
    axes.set_xlabel('milliseconds since signal 44')
    axes.legend(loc='upper center', bbox_to_anchor=(0.5, 1.18), ncols=2,
                frameon=False)
    figure.savefig(path, metadata={'Date': None})
