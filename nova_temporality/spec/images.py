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

"""What Nova says of an image, without what is noted on servers.

Apart from the rest: a program with options of its own, as tempest is, cannot
import what this needs of Nova.
"""

from __future__ import annotations

from nova.compute import utils as compute_utils

from nova_temporality.spec import system_metadata


def keep_out_of_images() -> None:
    """Have Nova's API leave our names out when it describes an image.

    Nova has a set of namespaces that images do not inherit, but no hook to
    add one.
    """
    compute_utils.NON_INHERITABLE_IMAGE_NAMESPACES = (
        compute_utils.NON_INHERITABLE_IMAGE_NAMESPACES |
        system_metadata.NEVER_IN_IMAGES)
