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

"""Letting a pVM's vCPUs run."""

from collections import abc

from nova import exception
from nova.virt.libvirt import guest as libvirt_guest

from nova_temporality import conf
from nova_temporality.privsep import runs

CONF = conf.CONF


class RunGuest(libvirt_guest.Guest):
    """A pVM's guest, whose state becomes stale before its vCPUs run."""

    def resume(
            self, confirm: abc.Callable[[], object] | None = None) -> None:
        """Start the vCPUs.

        :param confirm: asked directly before; what it raises stops them from
                        being started, and leaves the state as it is
        :raises InstanceNotRunning: there is no QEMU; the state is left
        """
        def confirm_all() -> None:
            # A state must not become stale for a QEMU that is not there.
            if not self.is_active():
                raise exception.InstanceNotRunning(instance_id=self.uuid)
            if confirm:
                confirm()

        with runs.allowed_to_run(CONF.temporality.pool_path, self.uuid,
                                 confirm_all):
            super().resume()
