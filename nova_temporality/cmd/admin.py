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

"""temporality: the operator's command line."""

import argparse
from collections import abc
import sys
from typing import Any

from cliff import app
from cliff import commandmanager
from oslo_config import cfg

from nova_temporality.conf import opts
from nova_temporality import version


class AdminApp(app.App):
    """The commands of the entry point group temporality.cli.

    :ivar conf: with group [temporality]
    """

    def __init__(self) -> None:
        super().__init__(
            description='Persistent servers on this host: their NVRAM pool '
                        'and the notifier that fixates them.',
            version=version.version(),
            command_manager=commandmanager.CommandManager('temporality.cli'),
            deferred_help=True)
        self.conf = cfg.ConfigOpts()
        opts.register_opts(self.conf)

    def build_option_parser(
            self, description: str | None, version: str | None,
            argparse_kwargs: dict[str, Any] | None = None
    ) -> argparse.ArgumentParser:
        parser = super().build_option_parser(description, version,
                                             argparse_kwargs)
        parser.add_argument(
            '--config-file', action='append', metavar='<path>',
            help='configuration with the section [temporality]; may be '
                 'repeated (default: /etc/temporality/temporality.conf)')
        return parser

    def initialize_app(self, argv: abc.Sequence[str]) -> None:
        self.conf([], project='temporality', version=version.version(),
                  default_config_files=self.options.config_file)


def main() -> int:
    """Run a command; return the exit code."""
    return AdminApp().run(sys.argv[1:])


if __name__ == '__main__':
    sys.exit(main())
