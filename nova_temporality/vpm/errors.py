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

"""What calls of libvpm fail with."""


class VpmError(Exception):
    """A call of libvpm failed; str() is the explanation."""


class InvalidArgument(VpmError, ValueError):
    """An argument is out of range."""


class NotFound(VpmError):
    """There is no such pool or region."""


class AlreadyExists(VpmError):
    """The pool or region is there already."""


class PoolFull(VpmError):
    """Pool, descriptors, file system or state file are full."""


class IdCollision(VpmError):
    """Two names hash to one region id."""


class PoolCorrupt(VpmError):
    """A checksum or an invariant does not hold."""


class ForeignPool(VpmError):
    """Not a pool, or a pool that was moved from another device."""


class NewerVersion(VpmError):
    """The pool was written by a newer libvpm."""


class Unproven(VpmError):
    """A state is missing, stale, incomplete or damaged."""


class AlreadyFixated(VpmError):
    """Refused, because a proven state would have been overwritten."""


class DeadlineExceeded(VpmError):
    """The stream did not end before the deadline."""


class WrongMedium(VpmError):
    """Not the medium that the pool was made on, or that was asked for."""


class VaultUnavailable(VpmError):
    """The vault cannot be had, is a copy, or another pool's."""


class SystemCallFailed(VpmError):
    """A system call failed; its errno is in the message."""


class EngineAway(VpmError):
    """The engine's process does not answer.

    :ivar gone: whether there is none, so that no pVM is armed; if not, it may
                just be busy, or be fixating
    """

    def __init__(self, text: str, gone: bool) -> None:
        super().__init__(text)
        self.gone = gone
