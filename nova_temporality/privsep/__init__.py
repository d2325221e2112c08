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

"""The privileged side of nova-compute's plugin (oslo.privsep).

Regions belong to root or to a pVM's own user id, and nova-compute usually
runs as an ordinary user.
"""

from collections import abc
from typing import ParamSpec
from typing import TypeVar

from oslo_privsep import capabilities
from oslo_privsep import priv_context

_Params = ParamSpec('_Params')
_Result = TypeVar('_Result')

pool_pctxt = priv_context.PrivContext(
    'nova_temporality',
    cfg_section='temporality_privileged',
    pypath=__name__ + '.pool_pctxt',
    capabilities=[capabilities.CAP_CHOWN,
                  capabilities.CAP_DAC_OVERRIDE,
                  capabilities.CAP_DAC_READ_SEARCH,
                  capabilities.CAP_FOWNER,
                  capabilities.CAP_LEASE],
)


def entrypoint(
        function: abc.Callable[_Params, _Result],
) -> abc.Callable[_Params, _Result]:
    """Have a function run on the privileged side, whoever calls it.

    Its arguments and what it returns are plain data. This is
    pool_pctxt.entrypoint(), which forgets types.
    """
    return pool_pctxt.entrypoint(function)
