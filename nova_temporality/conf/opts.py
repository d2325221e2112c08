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

"""Configuration options of the group [temporality]."""

from oslo_config import cfg

GROUP = 'temporality'

_POOL_OPTS = [
    cfg.StrOpt(
        'pool_path',
        default='/var/lib/temporality/nvram/pool',
        help="""
Directory of the NVRAM pool.

It lies on an NVRAM file system (fsdax ext4 or XFS; tmpfs emulates one and
does not survive a real power cut) and is formatted once by
``temporality pool create``.
"""),
    cfg.StrOpt(
        'run_dir',
        default='/run/temporality',
        help="""
Directory of the notifier's control socket and of the pVMs' QMP sockets.

It is volatile by nature and should lie on a file system that a reboot
empties.
"""),
]

_COMPUTE_OPTS = [
    cfg.StrOpt(
        'qemu_group',
        default='libvirt-qemu',
        help="""
Group under which libvirt runs QEMU on this host.

Every pVM runs under a user id of its own, so that no other server's QEMU can
open its memory, and under this group, so that it can enter libvirt's
directories. Debian: ``libvirt-qemu``; Red Hat: ``qemu``.
"""),
    cfg.StrOpt(
        'swap_dir',
        default='/var/lib/temporality/swap',
        help="""
Directory of the swap files of servers that have less NVRAM than memory.

It lies on a disk whose completed and flushed writes are durable, and has to
be there before such a server is created. All space that a server may need
there is reserved when it is created.
"""),
    cfg.IntOpt(
        'vpm_page_size_kb',
        default=0,
        min=0,
        max=2048,
        help="""
KiB that are moved at once between NVRAM and swap, a power of two from 4 to
2048, for servers that have less NVRAM than memory.

0 takes the smallest with which the server, at worst, stays below half of
vm.max_map_count. It is recorded with each server when it is created.
"""),
    cfg.StrOpt(
        'vpm_policy',
        default='s3fifo',
        choices=[
            ('s3fifo', 'pages that were needed again soon stay longer'),
            ('fifo', "the oldest page goes first, as in the papers"),
        ],
        help="""
Which pages of a server leave NVRAM first. Recorded with each server when it
is created.
"""),
    cfg.StrOpt(
        'on_unproven_state',
        default='stop',
        choices=[
            ('stop', 'leave the server off and in ERROR, with the reason in '
                     'its fault; a hard reboot boots it afresh'),
            ('cold-boot', 'boot the server afresh, with scrubbed memory'),
        ],
        help="""
What nova-compute does at start with a server that ran when power failed and
whose state is missing, incomplete, damaged or stale.

Such a state is never resumed.
"""),
    cfg.IntOpt(
        'recovery_timeout',
        default=60,
        min=1,
        help="""
Seconds that QEMU may take to load a fixated state, until recovery of that
server is given up. The state stays proven, and recovery is tried again when
nova-compute starts again.
"""),
]

_REQUEST_OPTS = [
    cfg.BoolOpt(
        'allow_server_property',
        default=True,
        help="""
Whether tenants may ask for a persistent server by the server property
``persistent=true``.

When false, only the flavor extra spec ``temporality:persistent`` and the
image property ``temporality_persistent`` count, and a server created with the
property set is refused. Set the same value for nova-scheduler and
nova-compute.
"""),
]

_NOTIFIER_OPTS = [
    cfg.IntOpt(
        'scan_interval_ms',
        default=500,
        min=10,
        help="""
Milliseconds between two looks at the pool for pVMs that came or went.
"""),
    cfg.IntOpt(
        'fixation_timeout_ms',
        default=2000,
        min=1,
        help="""
Milliseconds after the event at which a pVM that is not fixated yet is given
up and reported. Its state stays unproven.
"""),
]


def register_opts(conf):
    """Register all options of [temporality] on an oslo.config object."""
    for opts in list_opts():
        conf.register_opts(opts[1], group=opts[0])


def list_opts():
    """All options, for oslo-config-generator: [(group, options)]."""
    return [(GROUP, _POOL_OPTS + _COMPUTE_OPTS + _REQUEST_OPTS +
             _NOTIFIER_OPTS)]
