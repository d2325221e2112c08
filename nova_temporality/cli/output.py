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

"""Files that a command writes for its user."""

import os
import stat
import tempfile


class NotWritten(Exception):
    """A file was not written; nothing was changed."""


def write(path: str, text: str) -> None:
    """Write a file as a whole or not at all.

    A file that is there already is replaced, as other tools do. A symbolic
    link, a device or the like is not: that cannot be meant.

    :raises NotWritten: naming the file and the remedy
    """
    try:
        if os.path.lexists(path) and not stat.S_ISREG(
                os.lstat(path).st_mode):
            raise NotWritten('%s is not written: it is there, and not an '
                             'ordinary file; give another path' % path)
        _replace(path, text)
    except OSError as e:
        raise NotWritten('%s is not written: %s; give a path in a directory '
                         'that can be written to' % (path, e.strerror))


def _replace(path: str, text: str) -> None:
    fd, temporary = tempfile.mkstemp(
        prefix='.' + os.path.basename(path)[:100], suffix='.new',
        dir=os.path.dirname(path) or '.')
    try:
        with open(fd, 'w', encoding='utf-8') as stream:
            # It names servers, so not everybody may read it.
            os.fchmod(fd, 0o640)
            stream.write(text)
            stream.flush()
            os.fsync(fd)
        os.rename(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
