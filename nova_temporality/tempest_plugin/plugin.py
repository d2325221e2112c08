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

"""What tempest asks of a plugin."""

import pathlib
from typing import Any

from oslo_config import cfg
from tempest import config as tempest_config
from tempest.test_discover import plugins

from nova_temporality.tempest_plugin import config


class TemporalityTempestPlugin(plugins.TempestPlugin):
    """See tempest's documentation of plugins."""

    def load_tests(self) -> tuple[str, str]:
        """Where the tests are, and from where they are imported."""
        here = pathlib.Path(__file__).parent
        return str(here), str(here.parents[1])

    def register_opts(self, conf: cfg.ConfigOpts) -> None:
        """Register the options about persistent servers."""
        for group, options in config.LISTS:
            tempest_config.register_opt_group(conf, group, options)

    def get_opt_lists(self) -> list[tuple[str, list[Any]]]:
        """The same for the sample configuration."""
        return [(group.name, options) for group, options in config.LISTS]
