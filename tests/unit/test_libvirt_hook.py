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

"""What libvirt's hook refuses, as libvirt calls it."""

import os
import pathlib
import subprocess

import pytest

HOOK = (pathlib.Path(__file__).parents[2] /
        'etc/libvirt/hooks/qemu.d/temporality')
UUID = '0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0'
ORDINARY = "<domain type='kvm'>\n<uuid>%s</uuid>\n</domain>\n" % UUID
ARGUMENT = "<qemu:arg value='%s'/>\n"
PERSISTENT = ORDINARY.replace('</domain>', ARGUMENT % (
    'memory-backend-file,id=nvram,size=1,mem-path=/pool/ram,share=on') +
    '</domain>')
RECOVERED = PERSISTENT.replace('</domain>', ARGUMENT % '-incoming' +
                               ARGUMENT % 'defer' + '</domain>')


@pytest.fixture
def call(tmp_path):
    """Call the hook on a host whose servers' states are as is said."""
    def call(operation, xml, state='unproven'):
        command = tmp_path / 'temporality'
        command.write_text(
            '#!/bin/sh\n[ "$*" = "region list -f value -c State %s" ] &&\n'
            'echo %s\n' % (UUID, state), encoding='utf-8')
        command.chmod(0o755)
        # Not a pipe: the hook does not always read it, and under eventlet the
        # writer of a pipe that nobody reads never ends.
        domain = tmp_path / 'domain.xml'
        domain.write_text(xml, encoding='utf-8')
        with open(domain, encoding='utf-8') as stdin:
            done = subprocess.run(
                [HOOK, 'instance-00000001', operation, 'begin', '-'],
                stdin=stdin, env=dict(os.environ, PATH='%s:%s' % (
                    tmp_path, os.environ['PATH'])), encoding='utf-8',
                stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        # libvirt would take it for another XML.
        assert not done.stdout
        return done.stderr if done.returncode else None
    return call


@pytest.mark.parametrize('operation', ['prepare', 'restore', 'started',
                                       'stopped', 'migrate'])
def test_ordinary_domains_are_not_concerned(call, operation):
    assert call(operation, ORDINARY, 'proven') is None


def test_images_of_memory_are_not_restored(call):
    said = call('restore', PERSISTENT)
    assert 'instance-00000001' in said
    assert 'openstack server reboot --hard' in said


def test_no_boot_on_a_proven_state(call):
    assert 'temporality recover ' + UUID in call('prepare', PERSISTENT,
                                                 'proven')


def test_what_nova_does_is_permitted(call):
    assert call('prepare', PERSISTENT) is None
    assert call('prepare', RECOVERED, 'proven') is None
    # There is no such region, or the command fails.
    assert call('prepare', PERSISTENT, '') is None
    for operation in ('start', 'started', 'stopped', 'release', 'migrate'):
        assert call(operation, PERSISTENT, 'proven') is None
