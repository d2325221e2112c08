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

"""The DevStack plugin, sourced as DevStack does."""

import configparser
import os
import pathlib
import subprocess
import sys
import tempfile

from oslo_config import cfg
import pytest

from nova_temporality.conf import opts

HERE = pathlib.Path(__file__).parent
STACK = ['stack pre-install', 'stack install', 'stack post-config',
         'stack extra', 'stack test-config']
NOVA_CONF = """\
[DEFAULT]
compute_driver = libvirt.LibvirtDriver
[filter_scheduler]
enabled_filters = ComputeFilter
[libvirt]
virt_type = qemu
"""
TEMPEST_CONF = """\
[compute]
flavor_ref = 42
flavor_ref_alt = 84
"""
# Of what tempest may try, all that the support matrix refuses on every host.
REFUSED = {'swap_volume', 'volume_multiattach'}

pytestmark = pytest.mark.skipif(os.getuid() != 0,
                                reason='mounts file systems')


class Host:
    """A host on which stack.sh runs."""

    def __init__(self, path):
        self.path = path
        self.nova_conf = path / 'nova.conf'
        self.nova_conf.write_text(NOVA_CONF)
        (path / 'tempest.conf').write_text(TEMPEST_CONF)
        self.local_conf = path / 'local.conf'
        self.local_conf.write_text(
            'TEMPORALITY_QEMU_GROUP=root\n'
            'TEMPORALITY_CONF_DIR=%s/etc\n'
            'TEMPORALITY_EMULATED_SIZE=48M\n'
            'TEMPORALITY_POOL_ARGS="--descriptors 2 --state-size 1M"\n'
            % path)
        (path / 'venv' / 'bin').mkdir(parents=True)
        command = path / 'venv' / 'bin' / 'temporality'
        command.write_text(
            '#!/bin/sh\necho "temporality $*" >>%s\nPYTHONPATH=%s exec %s -m '
            'nova_temporality.cmd.admin "$@"\n' % (
                path / 'calls', HERE.parents[1], sys.executable))
        command.chmod(0o755)

    def set(self, **variables):
        with open(self.local_conf, 'a') as stream:
            for name, value in variables.items():
                stream.write('%s="%s"\n' % (name, value))

    def run(self, *phases, code=0):
        self.calls_file.write_text('')
        done = subprocess.run(
            ['bash', str(HERE / 'harness.sh'), str(self.path), *phases],
            capture_output=True, text=True, timeout=120)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stderr

    @property
    def calls_file(self):
        return self.path / 'calls'

    def calls(self, word=''):
        return [line for line in self.calls_file.read_text().splitlines()
                if line.startswith(word)]

    def nova(self):
        parser = configparser.ConfigParser(strict=False, interpolation=None)
        parser.read(self.nova_conf)
        return parser

    def notifier_conf(self):
        conf = cfg.ConfigOpts()
        opts.register_opts(conf)
        conf([], default_config_files=[
            str(self.path / 'etc' / 'temporality.conf')])
        return conf.temporality

    def installed(self, path):
        return self.path / 'root' / path.lstrip('/')


@pytest.fixture
def host(tmp_path):
    return Host(tmp_path)


def test_configures_nova_and_the_notifier(host):
    host.run(*STACK)
    nova = host.nova()
    assert nova['DEFAULT']['compute_driver'] == (
        'temporality.TemporalityDriver')
    assert nova['libvirt']['virt_type'] == 'qemu'
    assert nova['filter_scheduler']['enabled_filters'] == 'ComputeFilter'
    helper = nova['temporality_privileged']['helper_command']
    assert helper == 'sudo %s/venv/bin/privsep-helper --config-file %s' % (
        host.path, host.nova_conf)
    # Nova and the notifier agree
    conf = host.notifier_conf()
    for name in ('pool_path', 'run_dir', 'qemu_group'):
        assert nova['temporality'][name] == getattr(conf, name)
    assert conf.pool_path == '/var/lib/temporality/nvram/pool'
    assert conf.qemu_group == 'root'


def test_scheduler_keeps_nova_s_filters(host):
    host.run(*STACK)
    conf = cfg.ConfigOpts()
    conf.register_opt(cfg.MultiStrOpt('available_filters'),
                      group='filter_scheduler')
    conf([], default_config_files=[str(host.nova_conf)])
    assert sorted(conf.filter_scheduler.available_filters) == [
        'nova.scheduler.filters.all_filters',
        'nova_temporality.scheduler.register']


def test_order(host):
    host.run(*STACK)
    calls = host.calls()
    steps = ['== stack pre-install', 'install_package gcc',
             '== stack install', 'setup_develop', '== stack post-config',
             'temporality --config-file', 'run_process temporality-engine',
             'run_process temporality-notifier',
             '== stack extra', 'openstack flavor create']
    found = [next(i for i, call in enumerate(calls) if call.startswith(step))
             for step in steps]
    assert found == sorted(found)


def test_engine_and_notifier_run_as_root(host):
    host.run(*STACK)
    assert host.calls('run_process') == [
        'run_process %s %s/venv/bin/%s --config-file '
        '%s/etc/temporality.conf root root' % (
            name, host.path, name, host.path)
        for name in ('temporality-engine', 'temporality-notifier')]


def test_host_files_have_the_real_paths(host):
    host.set(TEMPORALITY_NVRAM_DIR='/var/lib/elsewhere',
             TEMPORALITY_RUN_DIR='/run/other')
    host.run(*STACK)
    rules = host.installed('/etc/udev/rules.d/65-temporality.rules')
    assert 'GROUP="root"' in rules.read_text()
    tmpfiles = host.installed('/etc/tmpfiles.d/temporality.conf').read_text()
    assert 'd /var/lib/elsewhere 0755' in tmpfiles
    assert 'd /run/other 0755' in tmpfiles
    assert host.installed('/run/other').is_dir()
    assert host.notifier_conf().pool_path == '/var/lib/elsewhere/pool'
    assert host.installed('/etc/sysctl.d/60-temporality.conf').exists()
    profile = host.installed(
        '/etc/apparmor.d/abstractions/libvirt-qemu.d/temporality')
    if os.path.isdir('/etc/apparmor.d'):
        assert '/var/lib/elsewhere/pool/regions' in profile.read_text()


def test_stacking_twice_is_stacking_once(host):
    host.run(*STACK)
    before = host.nova_conf.read_text()
    host.run('stack post-config', 'stack post-config', 'stack extra',
             'stack extra')
    assert sorted(host.nova_conf.read_text().split()) == (
        sorted(before.split()))
    # the second time the pool is there, and so is the flavor
    assert len(host.calls('temporality')) == 1
    assert len(host.calls('openstack flavor create')) == 1


def test_real_device_is_mounted_and_never_formatted(host):
    image = host.path / 'pmem'
    with open(image, 'wb') as stream:
        stream.truncate(64 << 20)
    host.set(TEMPORALITY_DEVICE=image, TEMPORALITY_MOUNT_OPTIONS='loop')
    assert 'format it first' in host.run('stack post-config', code=1)
    assert host.calls('run_process') == []
    subprocess.run(['mkfs.ext4', '-q', str(image)], check=True)
    # It is not DAX, so that has to be meant.
    assert '--medium' in host.run('stack post-config', code=1)
    assert host.calls('run_process') == []
    host.set(TEMPORALITY_POOL_ARGS='--descriptors 2 --state-size 1M '
             '--medium file')
    host.run('stack post-config')
    assert len(host.calls('temporality')) == 1
    assert len(host.calls('run_process')) == 2
    # its pool is found again, and cleaning leaves it
    host.run('stack post-config', 'unstack', 'clean', 'stack post-config')
    assert host.calls('temporality') == []
    assert len(host.calls('run_process')) == 4


@pytest.fixture
def vaulted(host):
    """The vault is on a disk; the tmpfs is gone when a run ends."""
    with tempfile.TemporaryDirectory(
            prefix='temporality-test-', dir='/var/tmp') as disk:
        vault = pathlib.Path(disk, 'vault')
        host.set(TEMPORALITY_VAULT_DIR=vault)
        yield vault


def test_vault(host, vaulted):
    host.run('stack post-config')
    [create] = host.calls('temporality')
    assert create.endswith('--vault %s' % vaulted)
    assert len(host.calls('run_process')) == 2
    conf = host.notifier_conf()
    assert (conf.vault_path, conf.vault_hold_up) == (str(vaulted), 0)
    assert host.nova()['temporality']['vault_path'] == str(vaulted)
    # After a reboot the pool is made again from there, and is there then.
    host.run('clean', 'stack post-config', 'stack post-config')
    [restore] = host.calls('temporality')
    assert restore.endswith('vault restore')
    assert len(host.calls('run_process')) == 4


def test_damaged_vault_is_not_replaced(host, vaulted):
    host.run('stack post-config')
    (vaulted / 'vault').write_text('')
    assert 'cannot be restored' in host.run('stack post-config', code=1)
    assert host.calls('run_process') == []
    assert (vaulted / 'vault').read_text() == ''


def test_vault_of_a_host_with_a_ups_is_measured(host, vaulted):
    host.set(TEMPORALITY_VAULT_HOLD_UP=60)
    # It would take ten seconds.
    command = host.path / 'venv' / 'bin' / 'temporality'
    command.write_text('#!/bin/sh\necho "temporality $*" >>%s\n' %
                       host.calls_file)
    host.run('stack post-config')
    assert [call.split()[-2:] for call in host.calls('temporality')] == [
        ['--vault', str(vaulted)], ['vault', 'measure']]
    assert host.notifier_conf().vault_hold_up == 60


@pytest.mark.parametrize('variables,words', [
    ({'TEMPORALITY_VAULT_HOLD_UP': 60}, 'HOLD_UP needs TEMPORALITY_VAULT_D'),
    ({'TEMPORALITY_VAULT_DIR': '/vault', 'TEMPORALITY_DEVICE': '/dev/pmem0'},
     'TEMPORALITY_DEVICE needs no TEMPORALITY_VAULT_DIR')])
def test_vault_that_makes_no_sense(host, variables, words):
    host.set(**variables)
    assert words in host.run('stack post-config', code=1)
    assert 'libvirt.LibvirtDriver' in host.nova_conf.read_text()


def test_controller_without_compute(host):
    host.set(ENABLED_SERVICES='n-api,n-sch')
    host.run(*STACK, 'unstack')
    assert host.calls('run_process') == host.calls('stop_process') == []
    nova = host.nova()
    assert nova['DEFAULT']['compute_driver'] == 'libvirt.LibvirtDriver'
    assert 'register' in host.nova_conf.read_text()


def test_compute_without_controller(host):
    host.set(ENABLED_SERVICES='n-cpu')
    host.run(*STACK)
    assert 'available_filters' not in host.nova_conf.read_text()
    assert host.calls('openstack') == []
    assert len(host.calls('run_process')) == 2


def test_other_hypervisor_is_refused(host):
    host.set(VIRT_DRIVER='fake')
    assert 'VIRT_DRIVER is fake' in host.run('stack post-config', code=1)
    assert 'libvirt.LibvirtDriver' in host.nova_conf.read_text()


def test_unknown_group_is_refused(host):
    host.set(TEMPORALITY_QEMU_GROUP='no-such-group')
    assert "'no-such-group'" in host.run('stack post-config', code=1)
    assert 'libvirt.LibvirtDriver' in host.nova_conf.read_text()
    assert host.calls('run_process') == []


def switched_off(host):
    """The features that tempest does not try."""
    parser = configparser.ConfigParser()
    parser.read(host.path / 'tempest.conf')
    features = parser['compute-feature-enabled']
    return {name for name in features if not features.getboolean(name)}


def test_tempest(host):
    host.run(*STACK)
    assert host.calls('openstack flavor set') == []
    assert (host.path / 'tempest.conf').read_text() == TEMPEST_CONF
    host.set(TEMPORALITY_TEMPEST_PERSISTENT='True')
    host.run('stack test-config')
    assert [call.split()[-1] for call in
            host.calls('openstack flavor set')] == ['42', '84']
    assert switched_off(host) == {'live_migration', *REFUSED}


def test_tempest_tries_all_that_works(host):
    host.nova_conf.write_text(NOVA_CONF.replace('qemu', 'kvm'))
    host.run(*STACK)
    host.set(TEMPORALITY_TEMPEST_PERSISTENT='True')
    host.run('stack test-config')
    assert switched_off(host) == REFUSED


def test_unstack_and_clean(host):
    host.run(*STACK, 'unstack', 'clean')
    assert host.calls('stop_process') == [
        'stop_process temporality-notifier',
        'stop_process temporality-engine']
    left = [path for path in (host.path / 'root').rglob('*')
            if path.is_file() and path.name != 'libvirt-qemu']
    assert left == []
    assert not (host.path / 'etc').exists()
    # nothing to do is no error
    host.run('unstack', 'clean')
    # the emulated NVRAM is gone, and with it the pool
    host.run('stack post-config', 'clean', 'stack post-config')
    assert len(host.calls('temporality')) == 2
