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
"""Snapshots of an attached volume that Cinder asks Nova for.

LibvirtDriver has QEMU go on in another file (an overlay, or what is below
one). If power failed between that and the new record, recovery would open the
former file, or the overlay in the wrong format, under newer memory. So a pVM's
volume only gets one while there is neither a QEMU nor a state.
"""

from __future__ import annotations

from collections import abc
import contextlib

from nova_temporality import exception
from nova_temporality.virt import server as pvm_server


@contextlib.contextmanager
def while_off(server: pvm_server.PersistentServer) -> abc.Iterator[None]:
    """The context in which files of a pVM's volumes may be exchanged.

    :raises NotPossible: it runs, or stands still in a saved state
    """
    with server.lock:
        if server.is_active() or server.is_proven():
            raise exception.NotPossible(
                reason='A snapshot of an attached volume would change the '
                       'disks of a persistent server under its memory. Stop '
                       'the server first, or have its operator use '
                       '"temporality snapshot"')
        yield
