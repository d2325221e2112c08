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

"""Operators' files are what the programs that read them take."""

import configparser
import os
import pathlib
import shutil
import subprocess

import pytest

TOP = pathlib.Path(__file__).parents[2]
ETC = TOP / 'etc'
# build inputs, not for installation
NOT_INSTALLED = {'etc/temporality/config-generator.conf'}


def run(*command, **kwargs):
    done = subprocess.run(command, capture_output=True, text=True,
                          timeout=60, **kwargs)
    return done.returncode, done.stdout + done.stderr


def test_every_file_is_installed():
    setup = configparser.ConfigParser()
    setup.read(TOP / 'setup.cfg')
    installed = {word for word in setup['files']['data_files'].split()
                 if word.startswith('etc/') and (TOP / word).is_file()}
    present = {str(path.relative_to(TOP)) for path in ETC.rglob('*')
               if path.is_file()}
    assert installed == present - NOT_INSTALLED


@pytest.mark.skipif(not shutil.which('systemd-analyze'),
                    reason='no systemd-analyze')
@pytest.mark.parametrize('service', ['nova-compute', 'libvirtd', 'virtqemud'])
def test_units_and_their_order(tmp_path, service):
    units = tmp_path / 'units'
    shutil.copytree(ETC / 'systemd', units)
    notifier = units / 'temporality-notifier.service'
    for unit in (notifier, units / 'temporality-engine.service'):
        unit.write_text(unit.read_text().replace(
            '/usr/bin/' + unit.stem, '/bin/true'))
    (units / (service + '.service')).write_text(
        '[Service]\nExecStart=/bin/true\n')
    code, output = run(
        'systemd-analyze', 'verify', '--man=no',
        '%s/%s.service' % (units, service), str(notifier),
        env=dict(os.environ, SYSTEMD_UNIT_PATH='%s:' % units))
    ours = [line for line in output.splitlines()
            if 'temporality' in line or service in line]
    assert (code, ours) == (0, []), output


@pytest.mark.skipif(not shutil.which('systemd-tmpfiles'),
                    reason='no systemd-tmpfiles')
def test_directories(tmp_path):
    code, output = run('systemd-tmpfiles', '--create',
                       '--root=%s' % tmp_path,
                       str(ETC / 'tmpfiles.d' / 'temporality.conf'))
    assert code == 0, output
    for name in ('run/temporality', 'var/lib/temporality/nvram'):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o755
    for name in ('snapshots', 'vault'):
        made = tmp_path / 'var/lib/temporality' / name
        assert made.stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(not shutil.which('systemd-analyze'),
                    reason='no systemd-analyze')
def test_vault_comes_before_all_who_need_the_pool(tmp_path):
    units = tmp_path / 'units'
    shutil.copytree(ETC / 'systemd', units)
    vault = units / 'temporality-vault.service'
    text = vault.read_text()
    vault.write_text(text.replace('/usr/bin/temporality', '/bin/true'))
    code, output = run(
        'systemd-analyze', 'verify', '--man=no', str(vault),
        env=dict(os.environ, SYSTEMD_UNIT_PATH='%s:' % units))
    ours = [line for line in output.splitlines()
            if 'temporality-vault' in line]
    assert (code, ours) == (0, []), output
    before = ' '.join(line for line in text.splitlines()
                      if line.startswith('Before='))
    for unit in ('temporality-engine', 'temporality-notifier', 'nova-compute'):
        assert unit + '.service' in before


def test_notifier_may_write_snapshots():
    from nova_temporality.conf import opts
    [directory] = {opt.default for _, group in opts.list_opts()
                   for opt in group if opt.name == 'snapshot_dir'}
    unit = (ETC / 'systemd' / 'temporality-notifier.service').read_text()
    [writable] = [line for line in unit.replace("\\\n", "").splitlines()
                  if line.startswith('ReadWritePaths=')]
    assert '-' + directory in writable
    assert 'd %s 0700 root root -' % directory in (
        ETC / 'tmpfiles.d' / 'temporality.conf').read_text()


def notifier_unit():
    """Settings of the notifier's unit; those that are repeated are lists."""
    settings = {}
    for line in (ETC / 'systemd' / 'temporality-notifier.service'
                 ).read_text().replace('\\\n', '').splitlines():
        name, found, value = line.partition('=')
        if found and not line.startswith('#'):
            settings.setdefault(name, []).extend(value.split())
    return settings


def test_notifier_is_started_again_for_ever():
    """Restart=always gives up after five quick failures otherwise."""
    unit = notifier_unit()
    assert unit['Restart'] == ['always']
    assert unit['StartLimitIntervalSec'] == ['0']
    # Scrubbing takes as long as it takes.
    assert unit['TimeoutStartSec'] == ['infinity']


def test_notifier_may_kill_a_qemu_of_another_user():
    assert 'CAP_KILL' in notifier_unit()['CapabilityBoundingSet']


def test_notifier_may_open_the_files_of_a_full_pool():
    [limit] = notifier_unit()['LimitNOFILE']
    # Four for each server of a pool that is much larger than the default one.
    assert int(limit) >= 4 * 4096 + 1024


def test_sysctl():
    lines = [line for line in (
        ETC / 'sysctl.d' / '60-temporality.conf').read_text().splitlines()
        if line and not line.startswith('#')]
    for line in lines:
        name, _, value = line.partition(' = ')
        path = pathlib.Path('/proc/sys', *name.split('.'))
        assert path.exists(), line
        assert int(value) > 65530


def test_pagers_may_hear_of_faults():
    from nova_temporality.conf import opts
    [group] = {opt.default for _, group in opts.list_opts() for opt in group
               if opt.name == 'qemu_group'}
    rules = (ETC / 'udev' / '65-temporality.rules').read_text().splitlines()
    assert ('KERNEL=="userfaultfd", GROUP="%s", MODE="0660"' % group) in rules


def test_mac_profile_knows_the_real_paths():
    from nova_temporality.conf import opts
    from nova_temporality.host import paths
    from nova_temporality import vpm
    defaults = {opt.name: opt.default for _, group in opts.list_opts()
                for opt in group}
    profile = (ETC / 'apparmor.d' / 'temporality').read_text()
    assert defaults['pool_path'] + '/regions/*/ram rw,' in profile
    for name, access in (('virtual', 'rw'), ('ppt', 'rwk')):
        assert '%s/regions/*/%s %s,' % (
            defaults['pool_path'], name, access) in profile
    assert defaults['pool_path'] + '/pause r,' in profile
    assert defaults['swap_dir'] + '/* rw,' in profile
    assert vpm.PRELOAD_PATH.endswith('.so')
    assert '/native/libvpm-preload' in vpm.PRELOAD_PATH
    assert 'nova_temporality/native/libvpm-preload*.so mr,' in profile
    pattern = paths.qmp_dir(defaults['run_dir'], '*')
    assert pattern + '/{fixate,watch,recover}.sock rw,' in profile
    assert os.path.basename(paths.fixate_socket('', '')) == 'fixate.sock'
    assert os.path.basename(paths.watch_socket('', '')) == 'watch.sock'
    assert os.path.basename(paths.recover_socket('', '')) == 'recover.sock'
