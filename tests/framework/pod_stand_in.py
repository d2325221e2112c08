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

"""A stand-in for /dev/pod: a FIFO, and a log of what the driver is told.

Reading is real; only ioctl(2) is not. As a program it is the notifier with
such a device::

    pod_stand_in.py <directory> --config-file ...
"""

import errno
import json
import os
import pathlib
import sys
import time

from nova_temporality.notifier.sources import pod_device

_NAMES = {pod_device.REGISTER: 'register', pod_device.WRITE_BACK: 'write back',
          pod_device.ACKNOWLEDGE: 'acknowledge'}


class StandIn:
    """The driver's side.

    :ivar info: what it says about itself
    :ivar errors: dict of errno by the name of an ioctl
    """

    def __init__(self, directory, features=pod_device.WRITES_BACK,
                 inputs=pod_device.INPUT_LINES):
        self.path = str(pathlib.Path(directory, 'pod'))
        self._log = pathlib.Path(directory, 'pod.log')
        self.info = pod_device.Info(pod_device.ABI, inputs, features, 10, 0, 0)
        self.errors = {}
        self._sequence = 0
        if not os.path.exists(self.path):
            os.mkfifo(self.path)
        # A FIFO without a writer would be at its end.
        self._fd = os.open(self.path, os.O_RDWR)

    def close(self):
        os.close(self._fd)

    def tell(self, level, origin=pod_device.ORIGIN_LINE, **fields):
        """Make an event; return it."""
        self._sequence += 1
        event = pod_device.Event(
            self._sequence, time.monotonic_ns(), time.time_ns(), level, origin,
            0, 0)._replace(**fields)
        os.write(self._fd, pod_device.EVENT.pack(*event))
        return event

    def told(self):
        """Return names and arguments of the ioctls so far."""
        try:
            lines = self._log.read_text().splitlines()
        except FileNotFoundError:
            return []
        return [tuple(json.loads(line)) for line in lines]

    def ioctl(self, _fd, request, argument):
        """Stands for fcntl.ioctl()."""
        if request == pod_device.GET_INFO:
            argument[:] = pod_device.INFO.pack(*self.info)
            return
        name = _NAMES[request]
        if name in self.errors:
            raise OSError(self.errors[name], os.strerror(self.errors[name]))
        layout = {'register': pod_device.REGISTRATION,
                  'acknowledge': pod_device.SEQUENCE}.get(name)
        arguments = layout.unpack(argument) if layout else ()
        if (name, *arguments) in self.told() and name == 'acknowledge':
            raise OSError(errno.EALREADY, 'already')
        with open(self._log, 'a') as f:
            f.write(json.dumps([name, *arguments]) + '\n')


def main():
    """Run the notifier."""
    from nova_temporality.cmd import notifier
    stand_in = StandIn(sys.argv.pop(1))
    pod_device.PATH = stand_in.path
    pod_device.fcntl.ioctl = stand_in.ioctl
    return notifier.main()


if __name__ == '__main__':
    sys.exit(main())
