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

"""What has to be known of a cloud beyond tempest's own configuration."""

from oslo_config import cfg

_GROUP = cfg.OptGroup('temporality', title='Persistent servers')
_OPTIONS = [
    cfg.StrOpt(
        'image_ref',
        help='Image of servers whose guests are asked by witness_command, if '
             'it is not [compute] image_ref.'),
    cfg.StrOpt(
        'witness_command',
        help='Command that asks the guest at {address} whether it is still '
             'the one that it was. The first word that it prints stays the '
             'same until the guest is booted again, the second one is its '
             'uptime in seconds; it fails while the guest does not answer. '
             'Run without a shell. Without it the tests do not look into '
             'guests. Example: ssh cirros@{address} cat '
             '/proc/sys/kernel/random/boot_id /proc/uptime'),
    cfg.StrOpt(
        'power_cut_command',
        help='Command that lets the power of the compute host fail, as its '
             'power outage detector notices it, and boots the host again. '
             'Run without a shell; returns when the host is up. Without it '
             'the power cut is not tested.'),
]

_FEATURES = cfg.OptGroup(
    'temporality-feature-enabled',
    title='What this cloud can do with persistent servers')
_FEATURE_OPTIONS = [
    cfg.BoolOpt('server_property', default=True,
                help='Users may ask for persistence by the server property '
                     '([temporality] allow_server_property of Nova).'),
    cfg.BoolOpt('paging', default=True,
                help='Servers may have less NVRAM than memory.'),
]

# what plugin.py hands to tempest
LISTS = ((_GROUP, _OPTIONS), (_FEATURES, _FEATURE_OPTIONS))
