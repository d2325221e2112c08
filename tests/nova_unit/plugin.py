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

"""Nova's own tests with TemporalityDriver in LibvirtDriver's place.

A pytest plugin: ``pytest -p tests.nova_unit.plugin --pyargs <Nova's module>``
in a process of its own, because the driver is replaced before Nova's tests
are imported and stays so. Servers in these tests are ordinary ones; what is
shown is that nothing changes for them.

These are given to the tests that Nova's own driver has no use for:

* a pool, and privileged code in this process;
* what their half-made servers and flavors lack and real ones have or load:
  metadata, system metadata, extra specs;
* a view of the provider tree without our inventory and trait, after a check
  that they were there.
"""

import os
import tempfile

from tests import conftest  # noqa: F401 I100 (Nova's concurrency mode)

from nova import objects  # noqa: I100
from nova import test
from nova.virt import libvirt as libvirt_package
from nova.virt.libvirt import driver as libvirt_driver

from nova_temporality import conf
from nova_temporality import privsep
from nova_temporality.privsep import health
from nova_temporality.spec import resources
from nova_temporality.virt import driver
from nova_temporality.virt import server
from nova_temporality import vpm
from tests.unit import base

_MIB = 1 << 20
_DEFAULTS = {'metadata': {}, 'system_metadata': {}, 'extra_specs': {}}


class SubstituteDriver(driver.TemporalityDriver):
    """TemporalityDriver on the host that Nova's tests pretend to be on."""

    def _check_versions(self):
        # the tests' libvirt is the oldest that Nova takes
        pass


class UnitDriver(SubstituteDriver):
    """It, as far as Nova's unit tests may see it."""

    def update_provider_tree(self, provider_tree, nodename, allocations=None):
        """See TemporalityDriver; checks and takes away what it adds."""
        super().update_provider_tree(provider_tree, nodename,
                                     allocations=allocations)
        data = provider_tree.data(nodename)
        inventory = dict(data.inventory)
        assert inventory.pop(resources.NVRAM_MB)['total'] == 64
        assert resources.TRAIT in data.traits
        provider_tree.update_inventory(nodename, inventory)
        provider_tree.remove_traits(nodename, resources.TRAIT)


def _substitute(substitute):
    # mock puts back an inherited static or class method as a function
    # unless the class has it of its own
    for klass in driver.TemporalityDriver.__mro__[::-1]:
        for name, value in vars(klass).items():
            if isinstance(value, (staticmethod, classmethod)) and (
                    name != '__new__'):
                setattr(substitute, name, value)
    libvirt_driver.LibvirtDriver = substitute
    libvirt_package.LibvirtDriver = substitute


def _complete(klass):
    load = klass.obj_load_attr

    def obj_load_attr(self, name):
        if name in _DEFAULTS:
            setattr(self, name, dict(_DEFAULTS[name]))
            self.obj_reset_changes([name])
        else:
            load(self, name)

    klass.obj_load_attr = obj_load_attr


def install(config, substitute):
    """Make the pool and put a driver into the place of Nova's.

    :param config: of pytest
    :param substitute: subclass of SubstituteDriver
    """
    top = tempfile.TemporaryDirectory(
        dir='/dev/shm' if os.path.isdir('/dev/shm') else None)
    config.add_cleanup(top.cleanup)
    vpm.Pool.create(os.path.join(top.name, 'pool'), total_size=64 * _MIB,
                    state_size=_MIB, descriptors=8, uid_base=0).close()
    privsep.pool_pctxt.client_mode = False
    # There is no notifier.
    health.obstacles = lambda run_dir: {}
    # Some tests count look-ups of groups.
    server.qemu_gid = os.getgid
    _substitute(substitute)
    test.TestCase.run = _with_pool(base.run_for_pytest(test.TestCase.run),
                                   top.name)


def _with_pool(run, top):
    def wrapper(self, result=None):
        # Nova's fixtures forget configuration after each test
        for option, name in (('pool_path', 'pool'), ('run_dir', 'run')):
            conf.CONF.set_override(option, os.path.join(top, name),
                                   group='temporality')
        return run(self, result)

    return wrapper


def pytest_configure(config):
    """Put everything in place."""
    install(config, UnitDriver)
    _complete(objects.Instance)
    _complete(objects.Flavor)
