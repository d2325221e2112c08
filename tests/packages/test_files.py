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

"""Debian's packages have what a host needs, each file once."""

import collections
import configparser
import pathlib

TOP = pathlib.Path(__file__).parents[2]
DEBIAN = TOP / 'debian'
# read when the sample is made
NOT_PACKAGED = {'etc/temporality/config-generator.conf'}


def named():
    """How many of debian's files name each file of the checkout."""
    times = collections.Counter()
    for path in DEBIAN.iterdir():
        if path.is_symlink():
            times[str(path.resolve().relative_to(TOP))] += 1
        elif path.suffix in ('.install', '.examples'):
            for line in path.read_text().splitlines():
                for found in TOP.glob(line.split()[0]):
                    below = found.rglob('*') if found.is_dir() else [found]
                    times.update(str(one.relative_to(TOP)) for one in below)
    return times


def test_every_file_is_in_one_package():
    times = named()
    etc = {str(path.relative_to(TOP)) for path in (TOP / 'etc').rglob('*')
           if path.is_file()}
    assert {name: times[name] for name in etc - NOT_PACKAGED} == (
        dict.fromkeys(etc - NOT_PACKAGED, 1))
    assert not set(times) & NOT_PACKAGED


def test_every_command_is_in_one_package():
    setup = configparser.ConfigParser()
    setup.read(TOP / 'setup.cfg')
    commands = {'usr/bin/' + line.split()[0] for line in
                setup['entry_points']['console_scripts'].splitlines() if line}
    installed = [line for path in DEBIAN.glob('*.install')
                 for line in path.read_text().splitlines()
                 if line.startswith('usr/bin/')]
    assert sorted(installed) == sorted(commands)


def test_the_driver_is_installed_where_dkms_looks():
    settings = dict(line.split('=', 1) for line in (
        TOP / 'pod' / 'dkms.conf').read_text().splitlines())
    source = '%s-%s' % tuple(settings['PACKAGE_' + name].strip('"')
                             for name in ('NAME', 'VERSION'))
    assert (DEBIAN / 'temporality-dkms.install').read_text().split() == [
        'pod/*', 'usr/src/' + source]


def test_apparmor_lets_qemu_have_the_pager():
    path = (DEBIAN / 'libvpm-preload.install').read_text().strip()
    profile = (TOP / 'etc' / 'apparmor.d' / 'temporality').read_text()
    assert '  /%s mr,\n' % path.replace('*', '@{multiarch}') in profile
