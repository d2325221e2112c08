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

from nova import exception


class NotPossible(exception.InvalidInput):
    """A wish that a pVM can't be given; nothing was changed.

    Nova ends a build with this as the server's fault instead of trying the
    next host.
    """
    msg_fmt = '%(reason)s'


class RecoveryFailed(exception.NovaException):
    """A proven state could not be brought back; it is kept."""
    msg_fmt = ('The server was fixated when power failed, but could not be '
               'recovered: %(reason)s. Its state is kept; remove the cause '
               'and restart nova-compute, or give the state up by a hard '
               'reboot.')


class StateUnproven(exception.NovaException):
    """There is no state that a server may be resumed from."""
    msg_fmt = ('The server ran when the host went down and has no proven '
               'state to resume from: %(reason)s. Its memory is given up; a '
               'hard reboot boots it afresh.')
