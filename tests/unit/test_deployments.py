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

"""What deployment tools are given names what there is."""

import configparser
import importlib
import pathlib

import pytest
import yaml

from nova_temporality.conf import opts

TOP = pathlib.Path(__file__).parents[2]
KOLLA = TOP / 'etc/kolla'
ANSIBLE = TOP / 'etc/openstack_deploy/user_variables_temporality.yml'


def load(path):
    return yaml.safe_load(path.read_text(encoding='ascii'))


def options():
    return {option.name: option
            for _group, some in opts.list_opts() for option in some}


def settings(name):
    """Sections of a file of Kolla's; of an option that repeats, the last."""
    parser = configparser.ConfigParser(strict=False)
    parser.read(KOLLA / 'config/nova' / name, encoding='ascii')
    return {section: dict(parser[section]) for section in (
        'DEFAULT', *parser.sections())}


def packaged_preload():
    [line] = (TOP / 'debian/libvpm-preload.install').read_text(
        encoding='ascii').split()
    return '/' + line.replace('*', 'x86_64-linux-gnu')


@pytest.mark.parametrize('container', ['compute', 'libvirt'])
def test_kolla_mounts(container):
    volumes = load(KOLLA / 'globals.d/temporality.yml')[
        'nova_%s_extra_volumes' % container]
    mounted = []
    for volume in volumes:
        source, target, _mode = volume.split(':')
        # Both sides, and the notifier, tell each other paths.
        assert source == target
        mounted.append(pathlib.Path(target))
    for path in (options()['pool_path'].default, options()['swap_dir'].default,
                 packaged_preload()):
        assert set(mounted) & set(pathlib.Path(path).parents), path
    # kolla-ansible mounts /run by itself.
    assert options()['run_dir'].default.startswith('/run/')


def test_kolla_options():
    found = settings('nova-compute.conf')
    assert set(found['temporality']) - set(found['DEFAULT']) <= set(options())
    assert found['temporality']['preload_path'] == packaged_preload()
    assert 'privsep-helper' in found['temporality_privileged'][
        'helper_command']
    assert found['temporality_privileged']['helper_command'].split()[1] in (
        KOLLA / 'template-overrides.j2').read_text(encoding='ascii')


def test_ansible_options():
    found = load(ANSIBLE)['nova_nova_conf_overrides']
    assert set(found['temporality']) <= set(options())
    assert found['temporality']['preload_path'] == packaged_preload()


def test_driver_scheduler_and_package():
    setup = configparser.ConfigParser()
    setup.read(TOP / 'setup.cfg', encoding='ascii')
    package = setup['metadata']['name']
    ansible = load(ANSIBLE)
    assert ansible['nova_user_pip_packages'] == [package]
    assert "['%s']" % package in (
        KOLLA / 'template-overrides.j2').read_text(encoding='ascii')
    overrides = ansible['nova_nova_conf_overrides']
    assert (overrides['DEFAULT']['compute_driver'] ==
            settings('nova-compute.conf')['DEFAULT']['compute_driver'] ==
            'temporality.TemporalityDriver')
    filters = overrides['filter_scheduler']['available_filters']
    assert filters[-1] == settings('nova-scheduler.conf')[
        'filter_scheduler']['available_filters']
    module, _dot, function = filters[-1].rpartition('.')
    assert callable(getattr(importlib.import_module(module), function))


def test_units_are_those_that_there_are():
    named = set()
    drop_ins = list((KOLLA / 'systemd').glob('*/temporality.conf'))
    assert len(drop_ins) == 2
    for path in drop_ins:
        for line in path.read_text(encoding='ascii').splitlines():
            if line.startswith(('Wants=', 'After=')):
                named.update(line.partition('=')[2].split())
    named.add(load(ANSIBLE)['nova_compute_init_overrides']['Unit']['Wants'])
    ours = {unit for unit in named if unit.startswith('temporality-')}
    there = {path.name for path in (TOP / 'etc/systemd').glob('*.service')}
    assert ours and ours <= there
    # The others are the containers that we have drop-ins for.
    assert named - ours <= {path.parent.name.removesuffix('.d')
                            for path in drop_ins}
