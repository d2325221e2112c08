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

"""The message bus: oslo.messaging with native threads.

Import it only where the bus is configured: oslo.messaging takes long to
import, and imports eventlet where that is installed.
"""

import socket
from typing import Any

from oslo_config import cfg

try:
    from oslo_service import backend
    # Without this it would use eventlet.
    backend.init_backend(backend.BackendType.THREADING)
except (ImportError, ValueError):
    # Those of Debian 12 and 13 have no such choice.
    pass

import oslo_messaging  # noqa: E402


def serve(conf: cfg.ConfigOpts, url: str, exchange: str, topic: str,
          endpoint: object) -> None:
    """Have messages of a fan-out handled, in threads of the server."""
    server = oslo_messaging.get_rpc_server(
        oslo_messaging.get_rpc_transport(conf, url=url),
        oslo_messaging.Target(exchange=exchange, topic=topic,
                              server=socket.gethostname()),
        [endpoint], executor='threading')
    server.start()


def client(url: str, exchange: str, topic: str) -> Any:
    """Return an oslo_messaging.RPCClient that casts to all who listen."""
    # Clients need the global configuration.
    cfg.CONF([], default_config_files=[])
    return oslo_messaging.get_rpc_client(
        oslo_messaging.get_rpc_transport(cfg.CONF, url=url),
        oslo_messaging.Target(exchange=exchange, topic=topic, fanout=True))


def notifier(conf: cfg.ConfigOpts, url: str, topic: str,
             publisher_id: str) -> Any:
    """Return an oslo_messaging.Notifier that does not try again."""
    return oslo_messaging.Notifier(
        oslo_messaging.get_notification_transport(conf, url=url),
        publisher_id=publisher_id, driver='messagingv2', topics=[topic],
        retry=0)
