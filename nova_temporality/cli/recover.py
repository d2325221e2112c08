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

"""temporality recover"""

import argparse

from cliff import command

from nova_temporality.cli import config
from nova_temporality.host import notes
from nova_temporality.host import nvdimm_notes
from nova_temporality import vpm


class Recover(command.Command):
    """Have nova-compute try now to recover a server that is fixated.

    It tries by itself, too, until recovery_retry is over. This command does
    not wait for the outcome. It is refused if the server has no proven state
    on this host.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument('uuid', metavar='<uuid>', help='of the server')
        parser.add_argument(
            '--accept-disks', action='store_true',
            help='recover it although its disks are not what they were when '
                 'it was fixated. Its memory knows what was on its disks: a '
                 'file system that was changed meanwhile gets damaged. Only '
                 'say so if you know what changed them. Holds until the '
                 'server is recovered or rebooted')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        conf, uuid = config.options(self), parsed_args.uuid
        problem = _problem(conf.pool_path, uuid)
        if problem:
            self.app.LOG.error('%s', problem)
            return 1
        notes.request_recovery(conf.run_dir, uuid, parsed_args.accept_disks)
        self.app.stdout.write(
            'nova-compute tries within seconds, or when it starts. '
            'Each try and its outcome are\nshown by: openstack server event '
            'list %s\n' % uuid)
        return 0


def _problem(pool_path: str, uuid: str) -> str | None:
    """Why a server cannot be recovered here; None if it can be tried."""
    with vpm.Pool(pool_path) as pool:
        try:
            region = pool.lookup(uuid)
        except vpm.NotFound:
            return ('%s is not a persistent server of this host: it has no '
                    'region in %s. "temporality region list" shows the UUIDs '
                    'of those that are' % (uuid, pool_path))
        try:
            nvdimm_notes.proven_state(pool, region)
        except vpm.Unproven as exc:
            return ('%s has no proven state to recover from: %s. If it runs, '
                    'nothing is to be done; if not, "openstack server reboot '
                    '--hard %s" boots it afresh' % (uuid, exc, uuid))
    return None
