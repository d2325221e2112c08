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

"""Makes nova-compute find the driver under the name that it insists on.

nova-compute prefixes ``compute_driver`` with ``nova.virt.``, which is not a
namespace package, and files of ours inside Nova's tree would break editable
installs. But it initialises all os-vif plugins before it loads its driver,
so one of them puts ``nova.virt.temporality`` in place.
"""

from __future__ import annotations

import importlib
import sys
import types
from typing import Any

import os_vif.objects
from os_vif import plugin

from nova_temporality import version

ALIAS = 'nova.virt.temporality'
_DRIVER = 'nova_temporality.virt.driver'


class _LazyDriver(types.ModuleType):
    """Imports the driver when it is asked for.

    Everything that uses os-vif loads the plugin, and most of it has no use
    for a compute driver.
    """

    def __getattr__(self, name: str) -> Any:
        # import machinery probes for dunder names of any module
        if name.startswith('__'):
            raise AttributeError(name)
        version.require_nova()
        return getattr(importlib.import_module(_DRIVER), name)


class TemporalityDriverLoader(plugin.PluginBase):
    """An os-vif plugin for no VIF at all; see the module's text."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        sys.modules.setdefault(ALIAS, _LazyDriver(ALIAS))

    def describe(self) -> os_vif.objects.host_info.HostPluginInfo:
        """No VIF types."""
        return os_vif.objects.host_info.HostPluginInfo(
            plugin_name='temporality', vif_info=[])

    def plug(self, vif: Any, instance_info: Any) -> None:
        """Never called: no VIF names this plugin."""
        raise AssertionError('the temporality plugin plugs no VIF')

    def unplug(self, vif: Any, instance_info: Any) -> None:
        """Never called: no VIF names this plugin."""
        raise AssertionError('the temporality plugin unplugs no VIF')
