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

"""Where the news about the power supply come from; open to third parties.

A source is a class of the entry point group ``temporality.pod_source`` that
extends Source. [temporality] pod_sources names the sources of a host. Several
may be on at once; arbiter.Arbiter weighs what they report.

Source, SourceError, Report, Trigger and what they use of the module power are
a public interface. A distribution of your own needs no more than these, a
class, and the entry point; examples/pod-source is one to start from.
"""

from collections import abc
from importlib import metadata
import time
from typing import Any
from typing import cast
from typing import NoReturn

from oslo_config import cfg
from stevedore import driver
from stevedore import exception

from nova_temporality.notifier import power

NAMESPACE = 'temporality.pod_source'

# Takes news, at once; it does not block, and may be called by any thread.
Report = abc.Callable[[power.News], object]
# Waits until the engine got the signal of a number; returns when that was
# (CLOCK_REALTIME and CLOCK_MONOTONIC in ns) and the sender's process id.
Trigger = abc.Callable[[int], tuple[int, int, int]]


class SourceError(Exception):
    """A source cannot be used as it is configured; ends the notifier.

    The text names the option and the remedy, for operators.
    """


class Source:
    """Watches the power supply from one point. Sources extend this class.

    The notifier makes one instance of it and calls run() in a thread of its
    own. It needs native threads: import nothing that patches them.

    :cvar momentary: whether its news are about instants, not about
                     conditions: such a source can say that power fails, but
                     not that power is back
    :cvar signal_number: of the signal that this source is about, if it is
                         about one; the engine takes signal 44 and SIGPWR. If
                         COMMIT of this source alone is sufficient to begin a
                         fixation, the engine begins it before anybody else
                         knows
    :ivar trigger: for sources of signals: a function to wait for the signal
                   with, which the notifier sets before it calls run(). The
                   source reports COMMIT when that has returned, with the
                   times that it returned
    :ivar problem: what an operator has to mend, in words, None if nothing:
                   the source hears less than it was configured to hear. It is
                   shown as an error; log it, too, when it changes
    :ivar remark: what an operator should know of how it is configured, in
                  words, or None
    :ivar heard_ns: CLOCK_REALTIME when the other end was heard last, 0 before
    """

    momentary: bool = False
    signal_number: int | None = None
    trigger: Trigger | None = None
    problem: str | None = None
    remark: str | None = None
    heard_ns: int = 0

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        """Check the options, without touching anything outside.

        A source may register options of its own here.

        :param conf: with group [temporality]
        :raises: SourceError, naming the option and the remedy
        """

    def run(self, report: Report) -> None:
        """Watch for ever.

        Report a problem that may pass (a server that is down) as LOST, then
        try again. If run() returns or raises, the notifier logs what was
        raised, takes the source for LOST then, and calls run() again some
        seconds later.

        :param report: to be called when something has changed, with a level
                       (power.GOOD, WARN, COMMIT or LOST), words for
                       operators, and the time of the change
        """
        raise NotImplementedError

    def heard(self) -> None:
        """Note that the other end was heard, whatever it said.

        The notifier does so for all news but LOST. Call it for other signs of
        life, too, and when a source that was lost works again without news.
        """
        self.heard_ns = time.time_ns()

    def acknowledge(self) -> None:
        """All pVMs are fixated or given up, after news that power fails.

        Called by another thread than run(), also when the news were those of
        other sources. It must return soon.
        """


def load(conf: cfg.ConfigOpts) -> dict[str, Source]:
    """Make the sources of [temporality] pod_sources.

    :returns: Source by name
    :raises: SourceError
    """
    sources: dict[str, Source] = {}
    for name in conf.temporality.pod_sources:
        try:
            manager: driver.DriverManager[Source] = driver.DriverManager(
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
        sources[name] = cast(Source, manager.driver)
    _check_confidence(sources, conf.temporality)
    return sources


def _check_confidence(sources: abc.Mapping[str, Source],
                      opts: Any) -> None:
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


def _raise(_manager: object, _entry_point: object,
           error: BaseException) -> NoReturn:
    raise error
