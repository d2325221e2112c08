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

"""What tests of POD sources share: a configuration, and an end."""

from oslo_config import cfg
import pytest

from nova_temporality.conf import opts


def make_conf(**values):
    """Return a configuration; values are options of [temporality]."""
    conf = cfg.ConfigOpts()
    opts.register_opts(conf)
    conf([], default_config_files=[])
    for name, value in values.items():
        conf.set_override(name, value, 'temporality')
    return conf


class Stop(Exception):
    """Ends a source."""


def receive(source, count):
    """Run a source until it has reported so many news; return them."""
    received = []

    def report(news):
        received.append(news)
        if len(received) == count:
            raise Stop()
    with pytest.raises(Stop):
        source.run(report)
    return received
