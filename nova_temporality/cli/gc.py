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

"""temporality region gc"""

from cliff import lister

from nova_temporality import privsep
from nova_temporality import vpm
from nova_temporality.vpm import lease


class RegionGc(lister.Lister):
    """Free, scrubbed, the regions of servers that are gone.

    Nova is asked about each of them. Freed is what belongs to a server that
    was deleted, or is on another host now. Exits with 1 if Nova does not
    answer, or a region is in use.
    """

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument(
            '--nova-config-file', action='append', metavar='<path>',
            help="nova-compute's configuration; may be repeated (default: "
                 '/etc/nova/nova.conf)')
        parser.add_argument(
            '--unknown', action='store_true',
            help='free those of servers too that Nova does not know at all, '
                 'because its records of them were purged')
        return parser

    def run(self, parsed_args):
        self.failed = False
        super().run(parsed_args)
        return 1 if self.failed else 0

    def take_action(self, parsed_args):
        # Nova is large, and no other command needs it.
        from nova_temporality.privsep import regions
        from nova_temporality.virt import conductor
        # This is root's process.
        privsep.pool_pctxt.set_client_mode(False)
        conductor.connect(parsed_args.nova_config_file or [
            '/etc/nova/nova.conf'])
        gone = {conductor.DELETED, conductor.ELSEWHERE}
        if parsed_args.unknown:
            gone.add(conductor.UNKNOWN)
        conf = self.app.conf.temporality
        rows = []
        for name in regions.names(conf.pool_path):
            try:
                found = conductor.ask(name)
                done = 'kept'
                if found in gone:
                    regions.reclaim(conf.pool_path, conf.run_dir, name)
                    done = 'freed'
            except (conductor.NoAnswer, lease.RegionInUse,
                    vpm.VpmError) as exc:
                self.failed = True
                found, done = str(exc), 'kept'
            rows.append((name, found or 'here', done))
        return ('Server', 'Found', 'Region'), rows
