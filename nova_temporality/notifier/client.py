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

"""Sends requests to the notifier, from nova-compute or the command line."""

import json
import socket
import time
from typing import Any

from nova_temporality.host import paths

# Seconds until a connection that was not taken is tried again.
_AGAIN = 0.01


class NotifierError(Exception):
    """The notifier does not answer, or could not do what was requested."""


class NotifierDown(NotifierError):
    """No notifier runs on this host: its pVMs are not protected."""


class NotifierSilent(NotifierError):
    """No answer came: nobody can tell what was done."""


def call(run_dir: str, operation: str, timeout: float | None = 30.0,
         **arguments: Any) -> Any:
    """Have the notifier do something; return its result.

    :param run_dir: [temporality] run_dir
    :param operation: one of those that cmd.notifier gives the control server
    :param timeout: seconds; None for as long as it takes
    :param arguments: of the operation
    :raises: NotifierDown, NotifierSilent, NotifierError
    """
    path = paths.control_socket(run_dir)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(timeout)
        try:
            _connect(sock, path, timeout)
        except (FileNotFoundError, ConnectionRefusedError):
            raise NotifierDown(
                'no notifier listens on %s; start it: systemctl start '
                'temporality-notifier' % path)
        except PermissionError:
            raise NotifierError('%s may only be used by root' % path)
        except TimeoutError:
            raise NotifierError('the notifier accepts no connection on %s: '
                                'too many clients wait' % path)
        except OSError as e:
            raise NotifierError('cannot connect to %s: %s' % (path, e))
        try:
            request = dict(arguments, op=operation)
            sock.sendall(json.dumps(request).encode() + b'\n')
            with sock.makefile('rb') as stream:
                reply = json.loads(stream.readline())
        except (OSError, ValueError) as e:
            raise NotifierSilent('no answer from the notifier on %s: %s'
                                 % (path, e))
    if not reply['ok']:
        raise NotifierError('the notifier says: %s' % reply['error'])
    return reply['result']


def _connect(sock: socket.socket, path: str, timeout: float | None) -> None:
    """Connect, also if others wait to be accepted.

    :raises TimeoutError: they wait for too long
    """
    deadline = time.monotonic() + (timeout or 0)
    while True:
        try:
            sock.connect(path)
            return
        except BlockingIOError:
            # A unix socket whose backlog is full says so at once.
            if time.monotonic() >= deadline:
                raise TimeoutError()
            time.sleep(_AGAIN)
