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

"""Checks of the notifier and the engine."""

from oslo_upgradecheck import upgradecheck

from nova_temporality import conf
from nova_temporality.host import daemons
from nova_temporality.notifier import client
from nova_temporality import version
from nova_temporality.virt import check_results as results

CONF = conf.CONF

_NOTIFIER_TIMEOUT = 5.0

# Descriptors for each server that the pool has room for, and for the rest.
_FILES = {daemons.ENGINE: 5, daemons.NOTIFIER: 4}
_OTHER_FILES = 64

# Pages of 4 KiB: two pipes of 1 MiB.
_PIPE_PAGES = 512

_AWAY = ('%s does not run here, or in a container with PIDs of its own; start '
         'it, or run this on the host')


class DaemonChecks(results.Places):
    """Those that need them to run."""

    def check_notifier(self) -> upgradecheck.Result:
        """The notifier is up and every running server is armed."""
        try:
            status = client.call(CONF.temporality.run_dir, 'status',
                                 _NOTIFIER_TIMEOUT)
        except client.NotifierDown as exc:
            return results.failure('Servers are not protected: %s' % exc)
        except client.NotifierError as exc:
            return results.warning('Servers may be unprotected: %s' % exc)
        # A notifier of an earlier version tells neither engine nor sources.
        if status.get('engine_problem'):
            return results.failure(
                'Servers are not protected: the engine is away '
                '(%(engine_problem)s)' % status)
        deaf = ['%(name)s: %(detail)s' % dict(
            source, detail=source['problem'] or source['detail'])
            for source in status.get('sources', []) if not source['is_sound']]
        if deaf:
            return results.warning(
                'The notifier may not notice that power fails: %s; see '
                '"temporality status"' % ', '.join(deaf))
        bare = [pvm['name'] for pvm in status['pvms']
                if pvm['state'] in ('not armed', 'stopped')]
        if bare:
            return results.warning(
                'Not protected: %s; see "temporality status"' %
                ', '.join(bare))
        if status.get('version') != version.version():
            return results.warning(
                'The notifier that runs has version %s, this package %s; '
                'systemctl restart temporality-notifier' % (
                    status.get('version', 'unknown'), version.version()))
        return results.success('version %s' % version.version())

    def check_engine_limits(self) -> upgradecheck.Result:
        """The engine has room for a full pool, and is the installed one."""
        engine = daemons.find(daemons.ENGINE, self.procfs)
        if engine is None:
            return results.warning(_AWAY % daemons.ENGINE)
        if engine.is_replaced:
            return results.warning(
                'The engine that runs (PID %d) is not the one on the disk any '
                'more; systemctl reload temporality-engine' % engine.pid)
        if engine.locked_memory != daemons.UNLIMITED:
            return results.warning(
                'The engine may lock %d bytes of memory only, so it may be '
                'late when power fails; set LimitMEMLOCK=infinity in the unit '
                'of temporality-engine' % engine.locked_memory)
        return _files(daemons.ENGINE, engine)

    def check_notifier_limits(self) -> upgradecheck.Result:
        """The notifier has room for a full pool."""
        notifier = daemons.find(daemons.NOTIFIER, self.procfs)
        if notifier is None:
            return results.warning(_AWAY % daemons.NOTIFIER)
        info = results.pool_info()
        pages = self.sysctl('fs.pipe-user-pages-soft')
        # 0: no limit
        if info and pages and not notifier.has_any_pipe:
            needed = _PIPE_PAGES * info.descriptors
            if pages < needed:
                return results.warning(
                    'fs.pipe-user-pages-soft is %d, and the notifier has no '
                    'CAP_SYS_RESOURCE, so fixations of %d servers take '
                    'longer; set the sysctl to %d, or give it that capability'
                    % (pages, info.descriptors, needed))
        return _files(daemons.NOTIFIER, notifier)


def _files(name: str, daemon: daemons.Daemon) -> upgradecheck.Result:
    info = results.pool_info()
    if info is None:
        return results.warning(results.NO_POOL)
    needed = _FILES[name] * info.descriptors + _OTHER_FILES
    if daemon.open_files in range(needed):
        return results.warning(
            '%s may open %d files, and a pool of %d servers needs %d; raise '
            'LimitNOFILE in its unit' % (name, daemon.open_files,
                                         info.descriptors, needed))
    return results.success(
        'files: %s' % ('unlimited' if daemon.open_files == daemons.UNLIMITED
                       else daemon.open_files))
