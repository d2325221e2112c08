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

"""temporality-notifier: fixates the host's pVMs when power fails."""

import fcntl
import os
import signal
import sys
import threading
from typing import BinaryIO

from oslo_config import cfg
from oslo_log import log as logging

from nova_temporality.cmd import first_pool
from nova_temporality.conf import opts
from nova_temporality.host import cpu_brakes
from nova_temporality.host import paths
from nova_temporality.notifier import control
from nova_temporality.notifier import daemon
from nova_temporality.notifier import power
from nova_temporality.notifier import pulse
from nova_temporality.notifier.reports import events
from nova_temporality.notifier.reports import metrics
from nova_temporality.notifier.reports import metrics_server
from nova_temporality.notifier.reports import systemd
from nova_temporality.notifier import sources
from nova_temporality.notifier.sources import signals
from nova_temporality.notifier import watch
from nova_temporality import version
from nova_temporality import vpm
from nova_temporality.vpm import engine

LOG = logging.getLogger(__name__)


# Seconds that starting waits for the engine.
_ENGINE_PATIENCE = 5.0

# For how many clients what takes long may be at work. They wait for each
# other; nova-compute suspends servers one by one.
_AT_MOST = {'drill': 2, 'snapshot': 8, 'suspend': 64}


class _CannotStart(Exception):
    """What has to be changed before it can."""


def main() -> int:
    """Run until SIGTERM; return the exit code."""
    # First of all: until then the signals would end the process.
    signals.block()
    conf = cfg.ConfigOpts()
    opts.register_opts(conf)
    logging.register_options(conf)
    conf(sys.argv[1:], project='temporality', prog='temporality-notifier',
         version=version.version())
    logging.setup(conf, 'temporality')
    try:
        first_pool.wait(conf.temporality.pool_path, LOG.warning)
        _run(conf)
        return 0
    except (_CannotStart, cfg.ConfigFileValueError, sources.SourceError,
            vpm.VpmError) as e:
        problem = str(e)
    # Within the handler, oslo.log would log the exception once more.
    LOG.error('The notifier cannot start: %s', problem)
    return 1


def _run(conf: cfg.ConfigOpts) -> None:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_args: stop.set())
    with (_only_one(conf.temporality.run_dir),
          cpu_brakes.released(paths.brakes(conf.temporality.run_dir)),
          vpm.Pool(conf.temporality.pool_path) as pool):
        info = pool.info()
        remark = info.remark(pool.path, conf.temporality.vault_hold_up)
        if info.medium_problem:
            LOG.error('No server is armed: %s', info.medium_problem)
        elif remark:
            LOG.warning('The pool %s', remark)
        publisher = events.Publisher()
        fixates = engine.Engine(conf.temporality.run_dir)
        notifier = daemon.Notifier(pool, fixates, conf, publisher.publish)
        signals.forward_to(fixates)
        # Without it, the notifier goes on to say so.
        fixates.wait_connected(_ENGINE_PATIENCE)
        _subscribe(conf, notifier, publisher)
        notifier.refresh()
        notifier.take_over()
        beats = pulse.Pulse()
        power_watch = watch.Watch(sources.load(conf), notifier, conf, beats)
        power_watch.start()
        notifier.background.start()
        notifier.ahead.start()
        notifier.bound.start()
        control.ControlServer(
            paths.control_socket(conf.temporality.run_dir), {
                'status': notifier.status,
                'health': notifier.health,
                'mute': notifier.mute,
                'unmute': notifier.mutes.unmute,
                'refresh': notifier.refresh,
                'fixate': lambda: notifier.fixate(
                    power.PowerEvent.now('temporality fixate')),
                'fixate-for-reboot': notifier.fixate_for_reboot,
                'resume': notifier.resume,
                'suspend': notifier.suspend,
                'snapshot': power_watch.snapshot,
                'drill': power_watch.drill}, beats, _AT_MOST)
        systemd.notify('READY=1')
        LOG.info('Ready: %s', notifier.describe())
        _loop(conf, notifier, beats, stop)
        systemd.notify('STOPPING=1')
        standing = notifier.close()
        if standing:
            LOG.error('Ended; these pVMs stand still until a notifier starts '
                      'again: %s', ', '.join(standing))
        else:
            LOG.info('Ended; the engine keeps armed what is armed')


def _subscribe(conf: cfg.ConfigOpts, notifier: daemon.Notifier,
               publisher: events.Publisher) -> None:
    """Have metrics and notifications receive the events, as configured.

    Without them servers are protected all the same.
    """
    opts = conf.temporality
    if opts.metrics_port:
        exported = metrics.Metrics(notifier)
        publisher.subscribe(exported.on_event)
        metrics_server.serve(exported.registry, opts.metrics_port)
    if opts.notification_url:
        try:
            # oslo.messaging is imported only where it is used.
            from nova_temporality.notifier.reports import notifications
            publisher.subscribe(notifications.Notifications(conf).on_event)
        except Exception as e:
            LOG.error('[temporality] notification_url: no notifications are '
                      'sent: %s', e)


def _loop(conf: cfg.ConfigOpts, notifier: daemon.Notifier,
          beats: pulse.Pulse, stop: threading.Event) -> None:
    interval = conf.temporality.scan_interval_ms / 1000
    watchdog = systemd.watchdog_interval()
    description = None
    told: str | None = None
    while not stop.wait(min(interval, watchdog or interval)):
        notifier.scan()
        problem = beats.problem() or notifier.problem()
        if problem and not told:
            LOG.error('The notifier does not work: %s; systemd will start it '
                      'anew', problem)
        told = problem
        if watchdog and not problem:
            systemd.notify('WATCHDOG=1')
        if notifier.describe() != description:
            description = notifier.describe()
            systemd.notify('STATUS=' + description)


def _only_one(run_dir: str) -> BinaryIO:
    """Make run_dir and lock it; return the open lock file."""
    path = paths.lock_file(run_dir)
    try:
        # QEMUs pass through it, each to its own directory.
        os.makedirs(run_dir, 0o755, exist_ok=True)
        os.makedirs(os.path.dirname(paths.stopped_note(run_dir, '')), 0o700,
                    exist_ok=True)
        lock = open(path, 'wb')
    except OSError as e:
        raise _CannotStart('run_dir: %s' % e)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise _CannotStart('another notifier runs already (%s is locked)'
                           % path)
    return lock


if __name__ == '__main__':
    sys.exit(main())
