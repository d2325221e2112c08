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
from oslo_config import types

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
    cfg.StrOpt(
        'snapshot_dir',
        default='/var/lib/temporality/snapshots',
        help="""
Directory of the snapshots that ``temporality snapshot create`` makes; root's,
with mode 0700.

On the file system of the servers' disks, if that is XFS or btrfs, copies of
disks share their blocks, and cost next to no time and space.
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
        'max_outage',
        default=0,
        min=0,
        help="""
Seconds after which an outage is too long for servers to run on: to them
leases and locks would look valid that others have taken over since. They are
booted afresh instead, with scrubbed memory.

0 is no limit. The flavor extra spec ``temporality:max_outage`` takes
precedence. Suspended servers are not concerned.
"""),
    cfg.IntOpt(
        'clock_wait',
        default=0,
        min=0,
        help="""
Seconds that nova-compute waits at most, before it recovers servers, until
the host's clock is synchronised. Afterwards, and with 0 at once, it warns
about a clock that is not, and goes on.

The clock tells how long an outage was, and guests with an agent are given
its time.
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

_BUDGET_OPTS = [
    cfg.IntOpt(
        'hold_up_ms',
        default=10,
        min=1,
        help="""
Milliseconds that this host's power supply lasts after it was detected that
power fails: the budget for fixating all of its persistent servers.

nova-compute refuses a new persistent server if, after what
``temporality drill`` has measured, fixating it and all others would take
longer, and reports no more NVRAM to Placement. Server supplies last for 10 to
20 ms at full load. Set the same value for nova-compute and the notifier.
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
    cfg.IntOpt(
        'engine_threads',
        default=2,
        min=1,
        max=64,
        help="""
Threads that fixate all servers when power fails. One serves many servers; more
of them share the work of writing the states to NVRAM.
"""),
    cfg.IntOpt(
        'engine_priority',
        default=50,
        min=0,
        max=99,
        help="""
Priority of these threads, by SCHED_FIFO; 0: that of ordinary threads.
"""),
    cfg.ListOpt(
        'engine_cpus',
        item_type=types.Integer(min=0),
        default=[],
        help="""
Numbers of the CPUs that these threads may run on; empty: all of them.
"""),
    cfg.IntOpt(
        'drill_interval',
        default=0,
        min=0,
        help="""
Seconds between two drills, in which every server is fixated, its state
verified, and the server resumed, twice (all together, and alone): it stands
still for some milliseconds. 0: no drills but those of ``temporality drill``.
"""),
]

_POWER_OPTS = [
    cfg.ListOpt(
        'pod_sources',
        default=['signal'],
        help="""
Where the news that power fails comes from: names of installed sources
(entry point group ``temporality.pod_source``), several at once if need be.

* ``signal``: real-time signal 44, as the POD driver sends it
* ``sigpwr``: SIGPWR
* ``nut``: a UPS, asked through upsd of Network UPS Tools
* ``messaging``: messages of a detector for a rack or a room
* ``gpio``: a line of a GPIO chip
* ``pod``: the kernel driver of the power outage detector, ``/dev/pod``

``temporality fixate`` works with any of them.
"""),
    cfg.Opt(
        'pod_confidence',
        type=types.Dict(types.Integer(1, 100)),
        default={},
        help="""
How much the word of a source is worth, in percent, as ``source:percent``
pairs; 100 for those that are not named.
"""),
    cfg.IntOpt(
        'pod_min_confidence',
        default=100,
        min=1,
        help="""
Servers are fixated when the worth of all sources that say at the same time
that power fails adds up to so many percent.
"""),
    cfg.IntOpt(
        'pod_debounce_ms',
        default=0,
        min=0,
        help="""
Milliseconds for which a source must say without interruption that power
fails. Time that is spent here lacks later. Signals are not debounced.
"""),
    cfg.IntOpt(
        'grace_ms',
        default=5000,
        min=0,
        help="""
Milliseconds for which power must be good again before servers run on by
themselves.

Only a source that told of the failure can tell of the return, which signals
cannot; then, and after ``temporality fixate``, the servers wait for
``temporality resume``. The time is doubled with every return, up to 256 times,
until no source raised an alarm for ten minutes.
"""),
    cfg.HostAddressOpt(
        'nut_host',
        default='127.0.0.1',
        help="""
Host on which upsd runs, for the source ``nut``.
"""),
    cfg.PortOpt(
        'nut_port',
        default=3493,
        help="""
TCP port of upsd.
"""),
    cfg.StrOpt(
        'nut_ups',
        help="""
Name of the UPS, as ``upsc -l`` lists it.

On battery is a warning; on battery with the battery low, and a forced
shutdown, are a power failure.
"""),
    cfg.StrOpt(
        'nut_user',
        help="""
User of upsd (``upsmon secondary`` in upsd.users), so that upsd counts this
host among those that depend on the UPS. Unset: ask without logging in.
"""),
    cfg.StrOpt(
        'nut_password',
        secret=True,
        help="""
Password of nut_user.
"""),
    cfg.IntOpt(
        'nut_poll_interval_ms',
        default=1000,
        min=10,
        help="""
Milliseconds between two questions to upsd, and between two attempts to reach
it.
"""),
    cfg.StrOpt(
        'messaging_url',
        secret=True,
        help="""
Message bus for the source ``messaging``, as oslo.messaging's transport_url.
"""),
    cfg.StrOpt(
        'messaging_site',
        help="""
Site whose power this host depends on. Messages about others do nothing.
"""),
    cfg.StrOpt(
        'messaging_exchange',
        default='temporality',
        help="""
Exchange of the detector's messages.
"""),
    cfg.StrOpt(
        'messaging_topic',
        default='temporality-power',
        help="""
Topic of the detector's messages.
"""),
    cfg.IntOpt(
        'messaging_max_age_ms',
        default=5000,
        min=1,
        help="""
Milliseconds after which a message is stale, even if it says that it is valid
for longer. The clocks of detector and host may differ by no more than that.
"""),
    cfg.StrOpt(
        'gpio_chip',
        help="""
Device of the GPIO chip for the source ``gpio``, like ``/dev/gpiochip0``.
"""),
    cfg.IntOpt(
        'gpio_line',
        min=0,
        help="""
Offset of the line, which is active while power is good.
"""),
    cfg.BoolOpt(
        'gpio_active_low',
        default=False,
        help="""
Whether the line is active when it is low.
"""),
]

_TELLING_OPTS = [
    cfg.PortOpt(
        'metrics_port',
        default=0,
        help="""
TCP port on 127.0.0.1 on which the notifier serves metrics for Prometheus; 0
is off.
"""),
    cfg.StrOpt(
        'notification_url',
        secret=True,
        help="""
Message bus to which the notifier sends notifications when a server becomes
armed or ceases to be, and when power fails and returns, as oslo.messaging's
transport_url. Unset: none are sent.
"""),
    cfg.StrOpt(
        'notification_topic',
        default='versioned_notifications',
        help="""
Topic of the notifications.
"""),
]


def register_opts(conf):
    """Register all options of [temporality] on an oslo.config object."""
    for opts in list_opts():
        conf.register_opts(opts[1], group=opts[0])


def list_opts():
    """All options, for oslo-config-generator: [(group, options)]."""
    return [(GROUP, _POOL_OPTS + _COMPUTE_OPTS + _BUDGET_OPTS +
             _REQUEST_OPTS + _NOTIFIER_OPTS + _POWER_OPTS + _TELLING_OPTS)]
