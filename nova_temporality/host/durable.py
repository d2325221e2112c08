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

"""Changes of files that a power cut does not take back.

Each is durable when its function returns. If it is cut off, it happened either
as a whole or not at all.
"""

import os


def sync(path: str) -> None:
    """Make a file's contents, or a directory's entries, durable."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def make_directory(path: str) -> None:
    """Make a directory that only its owner can enter.

    :raises FileExistsError: it is there already
    """
    os.mkdir(path, 0o700)
    sync(os.path.dirname(path))


def write(path: str, data: bytes) -> None:
    """Make or replace a file that only its owner can read."""
    new = path + '.new'
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC,
                 0o600)
    with open(fd, 'wb') as stream:
        stream.write(data)
    sync(new)
    rename(new, path)


def rename(old: str, new: str) -> None:
    """Give a file another name in its directory, in place of what has it."""
    os.rename(old, new)
    sync(os.path.dirname(new))


def remove(path: str) -> None:
    """Remove a file; harmless when it is not there."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
    sync(os.path.dirname(path))
