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

"""python -m tempestrun.witness NETNS ADDRESS: print who a guest is.

That is its boot id and a number that only its memory holds, in one word, and
its uptime in seconds.
"""

import secrets
import sys

import redis

from pocketcloud import guest

TOKEN = 'tempest:token'


def main(netns, address):
    """Print boot id, number and uptime, or why the guest does not answer."""
    one = guest.Guest(netns, address)
    try:
        life = one.life()
        if one.read(TOKEN) is None:
            one.write(TOKEN, secrets.randbelow(1 << 48))
        print('%s:%d' % (life.boot_id, one.read(TOKEN)), life.uptime)
    except (redis.RedisError, TypeError) as exc:
        sys.exit('the guest does not answer: %s' % exc)


if __name__ == '__main__':
    main(*sys.argv[1:])
