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

"""Whether a file system lets root give files to others."""

import os
import tempfile

from nova_temporality import privsep


@privsep.entrypoint
def problem(directory: str, uid: int) -> str | None:
    """Try to give a file to a user; NFS with root_squash does not let us.

    :param directory: in which a file is made, and removed
    :param uid: of the user
    :returns: why it cannot be done, in words; None if it can
    """
    try:
        with tempfile.NamedTemporaryFile(
                dir=directory, prefix='.temporality-') as stream:
            os.chown(stream.fileno(), uid, -1)
            owner = os.fstat(stream.fileno()).st_uid
    except OSError as exc:
        return exc.strerror
    return None if owner == uid else 'it belongs to user id %d' % owner
