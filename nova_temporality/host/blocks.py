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

"""What files take of their file system."""

import os

# The unit of st_blocks, whatever the file system's blocks are: stat(3type).
_UNIT = 512


def allocated(status: os.stat_result) -> int:
    """Bytes that are allocated for a file; holes are not.

    :param status: of the file
    """
    return status.st_blocks * _UNIT
