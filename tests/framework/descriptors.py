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

"""What this process has open, and a process that can open nothing."""

import contextlib
import os
import resource


@contextlib.contextmanager
def none_left():
    """The context in which this process can open nothing."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def open_below(directory):
    """Return the paths below a directory that this process has open.

    All its descriptors tell nothing: the garbage of other tests is closed
    at any time.
    """
    top = os.path.realpath(directory) + os.sep
    return [path for path in map(_open_path, os.listdir('/proc/self/fd'))
            if (path + os.sep).startswith(top)]


def _open_path(fd):
    try:
        return os.readlink('/proc/self/fd/' + fd)
    except FileNotFoundError:
        return ''  # that of the listing
