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

"""Faults that a Nova user or operator gets to see."""

from typing import NoReturn

from nova import exception


class NotPossible(exception.InvalidInput):
    """A request that a pVM cannot have; nothing was changed.

    A build ends with this as the server's fault. Nova does not try the next
    host, which would refuse it as well.
    """
    msg_fmt = '%(reason)s'


# Nova keeps 255 characters of a fault. So the reason comes early.


def refuse(what: str, remedy: str) -> NoReturn:
    """Refuse what a pVM cannot have.

    :param what: it, in words
    :param remedy: what to do instead
    :raises NotPossible:
    """
    raise NotPossible(reason='A persistent server cannot have %s; %s' %
                      (what, remedy))


class MemoryLost(exception.NovaException):
    """A page of a paged server cannot be read, so its QEMU was ended.

    A hard reboot boots the server afresh.
    """
    msg_fmt = 'A part of its memory is lost: %(reason)s'


class NotOwner(exception.NovaException):
    """A server may run elsewhere, so it does not run here; for now."""
    msg_fmt = 'Not resumed: %(reason)s (the state is kept)'


class Gone(exception.NovaException):
    """A server is not this host's any more."""
    msg_fmt = 'Not resumed: %(reason)s'


class RecoveryFailed(exception.NovaException):
    """A server was not recovered, though its state is proven.

    The state is kept. nova-compute tries again by itself, a hard reboot gives
    the state up.
    """
    msg_fmt = 'Fixated, but not recovered: %(reason)s (the state is kept)'


class ClockUnknown(RecoveryFailed):
    """Nobody can tell yet whether the outage was too long for a server."""


class DiskChanged(exception.NovaException):
    """A disk is not what it was, so the memory would belong to another one.

    The state is kept. nova-compute tries again by itself, in case the disk is
    put back.
    """
    msg_fmt = ('Not resumed, its state is kept: its disk is not what it was. '
               'Put it back, or "temporality recover --accept-disks". '
               '%(reason)s')


class StateUnproven(exception.NovaException):
    """A server has no state from which it may be resumed.

    A hard reboot boots the server afresh.
    """
    msg_fmt = ('No proven state to resume from after the host went down: '
               '%(reason)s')


class StateGivenUp(exception.NovaException):
    """A server does not run on from its proven state, by a request."""
    msg_fmt = ('The state that it could have run on from is given up: '
               '%(reason)s')


class MovedPerhaps(exception.NovaException):
    """A server is no longer on its host, and may run on another one.

    A hard reboot boots the server afresh on the host that Nova has it on.
    """
    msg_fmt = ('It went away while it was migrated live to %(host)s, and may '
               'still run there. Stop it there before you reboot it here')


class StillMoving(exception.NovaException):
    """A live migration goes on, so the server is not protected."""
    msg_fmt = ('libvirt does not end its live migration. Wait until "virsh '
               'domjobinfo" shows no job any more, or end it with "virsh '
               'domjobabort"')


class OutageTooLong(exception.NovaException):
    """A server was not resumed, because the outage was too long."""
    msg_fmt = 'Not resumed after the host went down: %(reason)s'
