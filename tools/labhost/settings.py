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

"""Makes Nova and the driver ready in this process, as nova-compute does."""

import sys
from unittest import mock

import nova.conf
from nova import config
from nova import objects
from nova.privsep import sys_admin_pctxt
import os_vif
from oslo_log import log as logging

from nova_temporality import privsep
from nova_temporality.virt import driver

FILES = ('/etc/nova/nova.conf', '/etc/temporality/temporality.conf')


def load():
    """Read the configuration of nova-compute."""
    config.parse_args(['nova-compute'], default_config_files=FILES,
                      init_rpc=False)
    # As nova.compute.manager does.
    for options in nova.conf.neutron, nova.conf.devices:
        options.register_dynamic_opts(nova.conf.CONF)
    logging.setup(nova.conf.CONF, 'nova')
    objects.register_all()
    os_vif.initialize()
    # This process is root.
    for context in privsep.pool_pctxt, sys_admin_pctxt:
        context.set_client_mode(False)


def compute_driver():
    """A driver that is connected to the machine's libvirt."""
    made = driver.TemporalityDriver(mock.Mock())
    made._host.initialize()
    return made


def say(text):
    """Tell it to whoever reads the journal."""
    print(text, file=sys.stderr, flush=True)
