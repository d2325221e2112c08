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

"""The record of a running pVM's domain, kept for its recovery.

Device state only fits a machine with the very same devices at the very same
addresses. Nova makes a domain's XML anew whenever it needs one, so the XML
that libvirt actually runs is recorded durably beside the server's disks.

The disks need the same care. Nova writes kernels, base images and overlays
without fsync(2), and a guest whose memory survives has no use for a machine
whose disk was still in the page cache.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import tempfile

from nova import objects
from nova import utils as nova_utils
from nova.virt.libvirt import guest as libvirt_guest
from nova.virt.libvirt import utils as libvirt_utils

from nova_temporality.virt import domain as pvm_domain

_NAME = 'temporality-domain.xml'

_libc = ctypes.CDLL(None, use_errno=True)


def path(instance: objects.Instance) -> str:
    """Where the record is."""
    return os.path.join(libvirt_utils.get_instance_path(instance), _NAME)


def write(instance: objects.Instance, guest: libvirt_guest.Guest,
          recover_socket: str) -> None:
    """Record a running domain.

    The record, and all that was written to the file system of the server's
    disks so far, is durable on return. There is no new record before the
    disks are: one that was migrated live may be fixated at any time.

    :param recover_socket: see :func:`nova_temporality.host.paths`
    """
    xml = _xml(guest, recover_socket)
    target = path(instance)
    # A name of its own: another attempt may have been cut off.
    fd, new = tempfile.mkstemp(dir=os.path.dirname(target),
                               prefix=_NAME + '.')
    try:
        with open(fd, 'w', encoding='utf-8') as stream:
            stream.write(xml)
            stream.flush()
            os.fsync(stream.fileno())
        # It may take seconds, for which eventlet's only thread must not wait.
        nova_utils.tpool_wrap(_put_in_place)(new, target)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(new)
        raise


def fits(instance: objects.Instance, guest: libvirt_guest.Guest,
         recover_socket: str) -> bool:
    """Whether the record of a running domain is there and up to date."""
    try:
        return read(instance) == _xml(guest, recover_socket)
    except OSError:
        return False


def _xml(guest: libvirt_guest.Guest, recover_socket: str) -> str:
    return pvm_domain.without_incoming(
        guest.get_xml_desc(dump_sensitive=True, dump_migratable=True),
        recover_socket)


def _put_in_place(new: str, target: str) -> None:
    fd = os.open(os.path.dirname(target), os.O_RDONLY)
    try:
        if _libc.syncfs(fd) < 0:
            error = ctypes.get_errno()
            raise OSError(error, os.strerror(error), target)
        os.rename(new, target)
        os.fsync(fd)
    finally:
        os.close(fd)


def read(instance: objects.Instance) -> str:
    """The recorded XML.

    :raises FileNotFoundError: if there is none
    """
    with open(path(instance), encoding='utf-8') as stream:
        return stream.read()
