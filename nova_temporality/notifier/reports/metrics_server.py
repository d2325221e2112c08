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

"""Serves metrics over HTTP, on the loopback address only.

Any user of this host can connect, also a QEMU that somebody broke into. So
there is one client at a time, for some seconds, and nobody takes threads or
descriptors away from the notifier.
"""

import contextlib
import errno
import socket
import socketserver
import threading
import time
from typing import Any

from oslo_log import log as logging
from prometheus_client import exposition
from prometheus_client import registry as prometheus_registry

LOG = logging.getLogger(__name__)

_ADDRESS = '127.0.0.1'
# Seconds until a port that is in use is tried again.
_TRY_AGAIN = 30.0
# Seconds that a client may take; a scrape takes less than one.
_PATIENCE = 10.0
# Seconds to rest while no client can be taken.
_REST = 1.0


class _Server(socketserver.TCPServer):
    """Answers one client after the other."""

    allow_reuse_address = True

    def get_request(self) -> Any:
        try:
            return super().get_request()
        except OSError:
            # No file can be opened now. It is tried again at once, for ever.
            time.sleep(_REST)
            raise

    def finish_request(self, request: Any, client_address: Any) -> None:
        cut = threading.Timer(_PATIENCE, _cut_off, (request,))
        cut.daemon = True
        cut.start()
        try:
            super().finish_request(request, client_address)
        finally:
            cut.cancel()

    def handle_error(self, request: Any, client_address: Any) -> None:
        LOG.debug('A client of the metrics went away', exc_info=True)


def _cut_off(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def serve(registry: prometheus_registry.CollectorRegistry, port: int) -> None:
    """Serve all that is registered, in a thread of its own.

    Protecting servers does not depend on it: a port that is in use is logged,
    and tried again in the background. A notifier without a network serves
    nothing.
    """
    try:
        _listen(registry, port)
    except OSError as e:
        if e.errno == errno.EAFNOSUPPORT:
            LOG.info('No metrics are served, because the notifier has no '
                     'network; temporality-notifier-network.conf gives it one')
            return
        LOG.error('[temporality] metrics_port: no metrics are served, cannot '
                  'listen on %s:%d: %s; free the port, or choose another one. '
                  'It is tried again', _ADDRESS, port, e)
        threading.Thread(target=_listen_later, args=(registry, port),
                         daemon=True, name='metrics').start()


def _listen_later(registry: prometheus_registry.CollectorRegistry,
                  port: int) -> None:
    while True:
        time.sleep(_TRY_AGAIN)
        with contextlib.suppress(OSError):
            _listen(registry, port)
            break
    LOG.info('Metrics are served on %s:%d now', _ADDRESS, port)


def _listen(registry: prometheus_registry.CollectorRegistry,
            port: int) -> None:
    server = _Server((_ADDRESS, port),
                     exposition.MetricsHandler.factory(registry))
    threading.Thread(target=server.serve_forever, daemon=True,
                     name='metrics').start()
