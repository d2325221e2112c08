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

"""Where the news about the power supply comes from.

A source is a driver of the entry point group temporality.pod_source, a class
like Source. Several of them may be on at once; what their news together mean
is for arbiter.Arbiter to say.
"""

from importlib import metadata

from stevedore import driver
from stevedore import exception

NAMESPACE = 'temporality.pod_source'


class SourceError(Exception):
    """A source cannot be used as it is configured."""


class Source:
    """Watches the power supply from one point.

    :cvar momentary: whether its news are instants, not conditions: it can
                     say that power fails, but not that power is back
    :ivar trigger: None, or, if a word of this source is enough to begin a
                   fixation, a function which waits for a signal, fixates
                   without delay, and returns what
                   engine.Engine.wait_signal() does; the source has to report
                   COMMIT then
    """

    momentary = False
    trigger = None

    def __init__(self, conf):
        """Check the options, without touching anything outside.

        :param conf: with group [temporality]
        :raises: SourceError, naming the option and the remedy
        """

    def run(self, report):
        """Watch for ever, in a thread of its own.

        What may pass (a server that is down) is reported as LOST and tried
        again. What is raised is logged, and run() is called again later.

        :param report: function to be called with power.News, at once, when
                       something changed; it does not block
        """
        raise NotImplementedError

    def acknowledge(self):
        """All pVMs are fixated or given up, upon news that power fails.

        Called by another thread than run(), also when the news were those of
        other sources.
        """


def load(conf):
    """Make the sources of [temporality] pod_sources.

    :returns: dict of Source by name
    :raises: SourceError
    """
    sources = {}
    for name in conf.temporality.pod_sources:
        try:
            manager = driver.DriverManager(
                NAMESPACE, name, invoke_on_load=True, invoke_args=(conf,),
                on_load_failure_callback=_raise)
        except exception.NoMatches:
            raise SourceError(
                '[temporality] pod_sources: there is no source "%s"; '
                'installed are: %s' % (name, ', '.join(sorted(
                    metadata.entry_points(group=NAMESPACE).names))))
        except ImportError as e:
            raise SourceError(
                '[temporality] pod_sources: "%s" needs a module that is not '
                'installed: %s' % (name, e))
        sources[name] = manager.driver
    _check_confidence(sources, conf.temporality)
    return sources


def _check_confidence(sources, opts):
    for name in opts.pod_confidence:
        if name not in sources:
            raise SourceError(
                '[temporality] pod_confidence: "%s" is not among pod_sources'
                % name)
    highest = sum(opts.pod_confidence.get(name, 100) for name in sources)
    if sources and highest < opts.pod_min_confidence:
        raise SourceError(
            '[temporality] pod_min_confidence is %d, but all sources '
            'together are worth %d; lower it, or raise pod_confidence'
            % (opts.pod_min_confidence, highest))


def _raise(_manager, _entry_point, error):
    raise error
