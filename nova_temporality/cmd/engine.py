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

"""temporality-engine: reads the configuration and becomes the engine.

The engine itself is native, and knows nothing of oslo.config; see
native/program/.
"""

import os
import pathlib
import signal
import sys
from typing import Any

PROGRAM = pathlib.Path(__file__).parents[1] / 'native' / 'temporality-engine'


def main() -> int:
    """Execute the engine in place of this process; return if that fails."""
    # First of all: until then they would end the process. They stay blocked,
    # and pending, in the program that is executed.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGPWR, 44})
    # What takes long to import comes after that.
    from oslo_config import cfg

    from nova_temporality.cmd import first_pool
    from nova_temporality.conf import opts
    from nova_temporality import version

    conf = cfg.ConfigOpts()
    opts.register_opts(conf)
    conf(sys.argv[1:], project='temporality', prog='temporality-engine',
         version=version.version())
    try:
        arguments = command(conf.temporality)
        first_pool.wait(conf.temporality.pool_path, _say)
        # The engine makes run_dir itself, but not what is above it.
        os.makedirs(os.path.dirname(conf.temporality.run_dir), exist_ok=True)
        os.execv(PROGRAM, arguments)
    except (OSError, cfg.ConfigFileValueError) as e:
        _say('cannot start: %s' % e)
    return 1


def _say(text: str) -> None:
    print('temporality-engine:', text, file=sys.stderr)


def command(options: Any) -> list[str]:
    """Return the engine's command line.

    :param options: group [temporality]
    """
    return [
        'temporality-engine',
        '--pool', options.pool_path,
        '--run-dir', options.run_dir,
        '--threads', str(options.engine_threads),
        '--priority', str(options.engine_priority),
        '--cpus', ','.join(map(str, options.engine_cpus)),
        '--hold-up-ms', str(options.hold_up_ms),
        '--lock-memory',
        # Another one is started in the same way.
        '--', *sys.orig_argv]


if __name__ == '__main__':
    sys.exit(main())
