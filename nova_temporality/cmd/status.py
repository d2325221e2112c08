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

"""temporality-status: is this compute host ready for persistent servers?

``temporality-status upgrade check`` exits as ``nova-status upgrade check``
does: 0 if all is well, 1 after warnings, 2 after failures.
"""

import sys
import warnings

from nova_temporality import version


def main() -> int:
    """Run; return the exit code."""
    try:
        version.require_nova()
    except ImportError as e:
        print(e, file=sys.stderr)
        return 2
    # oslo.privsep imports it, and nobody here can help that.
    warnings.filterwarnings('ignore', r'\s*Eventlet is deprecated')
    # It needs Nova.
    from nova_temporality.virt import upgrade_checks
    return upgrade_checks.main()


if __name__ == '__main__':
    sys.exit(main())
