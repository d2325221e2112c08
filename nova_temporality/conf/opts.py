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
Directory of the NVRAM pool, which holds the memory of persistent servers.

It must be on an NVRAM file system: fsdax ext4 or XFS. tmpfs works too, but
it only emulates NVRAM and loses everything in a real power cut. Format the
pool once, with ``temporality pool create``.
"""),
    cfg.StrOpt(
        'vault_path',
        default='',
        help="""
Directory of the pool's vault, on a disk; empty if it has none.

A pool on tmpfs that was made with ``temporality pool create --vault`` is
written to it by ``temporality fixate --for-reboot``, and when power fails
if it lasts for that (``vault_hold_up``). It is made again from it by
``temporality vault restore`` (``temporality-vault.service``) when the host
boots.
"""),
    cfg.IntOpt(
        'vault_ahead_mb_per_s',
        default=64,
        min=0,
        help="""
MiB per second with which the notifier writes the memory of running servers
to the vault ahead of need, so that little is left when they are fixated; 0:
it writes nothing ahead.

A part of the memory is written again when it has changed and then was still
for a while. All this takes less than 5 % of a processor, so it may be
slower than that. When a source says that power may fail, or when servers
write faster than that while ``vault_hold_up`` is set, it goes as fast as it
can.
"""),
    cfg.StrOpt(
        'run_dir',
        default='/run/temporality',
        help="""
Directory of the notifier's control socket, and of the sockets through which
it reaches each server's QEMU.

What is in it is of no use after a reboot. So put it on a file system that a
reboot empties, like ``/run``.
"""),
]

_COMPUTE_OPTS = [
    cfg.StrOpt(
        'qemu_group',
        default='libvirt-qemu',
        help="""
Group under which libvirt runs QEMU on this host: ``libvirt-qemu`` on
Debian, ``qemu`` on Red Hat.

Each persistent server's QEMU has a user id of its own, so that no other
QEMU can open its memory. It keeps this group, so that it can enter
libvirt's directories.
"""),
    cfg.StrOpt(
        'swap_dir',
        default='/var/lib/temporality/swap',
        help="""
Directory of the swap files of paged servers, which have less NVRAM than
memory.

Put it on a disk on which flushed writes are durable. It must exist before
the first paged server is created. The space of a swap file is reserved when
its server is created.
"""),
    cfg.StrOpt(
        'snapshot_dir',
        default='/var/lib/temporality/snapshots',
        help="""
Directory of the snapshots that ``temporality snapshot create`` makes. It
must belong to root and have mode 0700, because snapshots contain servers'
memory.

Put it on the file system of the servers' disks, if that is XFS or btrfs.
Then copies of disks share blocks with the disks, and take almost no time
and space.
"""),
    cfg.IntOpt(
        'vpm_page_size_kb',
        default=0,
        min=0,
        max=2048,
        help="""
Size of the pages of paged servers, in KiB: 0, or a power of two from 4 to
2048. One page at a time is moved between NVRAM and swap.

The default, 0, takes the smallest size with which a server never needs more
than half of the mappings that ``vm.max_map_count`` allows. A server keeps
the size that it was created with.
"""),
    cfg.StrOpt(
        'vpm_policy',
        default='s3fifo',
        choices=[
            ('s3fifo', 'a page that was soon needed again stays longer'),
            ('fifo', 'the page that came first leaves first'),
        ],
        deprecated_for_removal=True,
        deprecated_reason='"s3fifo" misses fewer pages and is faster in all '
                          'that was measured. Servers keep what they were '
                          'created with.',
        help="""
Which page of a paged server leaves NVRAM when room is needed. A server
keeps the policy that it was created with.
"""),
    cfg.StrOpt(
        'preload_path',
        sample_default='<that of the installed package>',
        help="""
The library libvpm-preload.so that is loaded into the QEMU of a paged
server, and of others where ``vault_hold_up`` is set.

Set it to a path that stays the same over upgrades (a symbolic link, for
example) if Temporality is installed in a directory with a version in its
name: the AppArmor profile and the machine of a server that runs name it.
QEMU must be able to read it. A server that is recovered gets the present
one.
"""),
    cfg.StrOpt(
        'on_unproven_state',
        default='stop',
        choices=[
            ('stop', 'leave the server off, in ERROR, with the reason as its '
                     'fault; a hard reboot boots it afresh'),
            ('cold-boot', 'boot the server afresh, with scrubbed memory'),
        ],
        help="""
What nova-compute does at its start with a server that ran when power
failed, but whose saved state is missing, incomplete, damaged or stale.

Such a state is never resumed.
"""),
    cfg.IntOpt(
        'max_outage',
        default=0,
        min=0,
        help="""
Longest outage after which servers run on, in seconds. After a longer one a
server is booted afresh, with scrubbed memory.

A server that runs on believes that its leases and locks are still valid,
but others may have taken them over in a long outage. Set a limit if you
have such servers, or better the flavor extra spec
``temporality:max_outage``, which takes precedence. The default, 0, is no
limit, because memory that is given up is lost for good, and most servers
have no such leases. Suspended servers have no limit.
"""),
    cfg.IntOpt(
        'clock_wait',
        default=60,
        min=0,
        help="""
How long nova-compute waits at its start for the host's clock to be
synchronised, in seconds. Only servers that have a ``max_outage`` wait.

After a boot the clock may be wrong, and nobody can tell how long the outage
was. A server whose limit counts does not run on until that is known, and is
in ERROR if it takes longer than this. Its state is kept. It runs on by
itself when the clock is synchronised.
"""),
    cfg.IntOpt(
        'recovery_timeout',
        default=60,
        min=1,
        help="""
How long QEMU may take to start, and then to load a saved state, in seconds.

After that, the try is given up. The state is kept, and nova-compute tries
again, see ``recovery_retry``.
"""),
    cfg.IntOpt(
        'recovery_retry',
        default=0,
        min=0,
        help="""
For how long nova-compute tries again to recover a server whose recovery
failed, in seconds.

Storage, network or Nova's other services may come back later than this
host. The first try is repeated after 5 seconds, later ones after up to 5
minutes. The state is kept, whatever happens. With the default, 0, there is
no limit. ``temporality recover`` has a server tried at once, also after the
limit.
"""),
]

_BUDGET_OPTS = [
    cfg.IntOpt(
        'hold_up_ms',
        default=10,
        min=1,
        help="""
How long this host's power supply lasts after a power failure was detected,
in milliseconds. All persistent servers have to be fixated in this time.

``temporality drill`` measures how long that takes. If a new server would
not fit, nova-compute refuses it, and reports no more NVRAM to Placement.
Common server power supplies last for 10 to 20 ms at full load. Set the same
value for nova-compute and for the notifier.
"""),
    cfg.IntOpt(
        'vault_hold_up',
        default=0,
        min=0,
        help="""
How long this host's power supply lasts for writing the servers to the vault
when power fails, in seconds. For a pool with a vault.

With the default, 0, it does not last for that, and servers survive planned
reboots only. With more, they are written to the vault at a power failure,
too, those of the highest priority first. ``temporality vault measure``
measures how fast the vault's disk is. A new server that could not be
written in this time is refused. Servers that are booted from then on have
Linux note what they write, and are slowed when they write so fast that what
is left could not be written in this time. Set the same value for
nova-compute and for the notifier.
"""),
]

_REQUEST_OPTS = [
    cfg.BoolOpt(
        'allow_server_property',
        default=True,
        help="""
Whether a tenant may ask for a persistent server with the server property
``persistent=true``.

If false, only the flavor extra spec ``temporality:persistent`` and the
image property ``temporality_persistent`` count, and a server that is
created with the property is refused. Set the same value for nova-scheduler
and for nova-compute. The policy rule ``temporality:create:by_image`` says
who may ask by an image.
"""),
    cfg.IntOpt(
        'qemu_overhead_mb',
        default=96,
        min=0,
        help="""
MiB of ordinary memory that the QEMU of a persistent server takes beside the
server's own memory, which is in NVRAM. For nova-scheduler.

A persistent server claims this much MEMORY_MB in Placement, and 2 MiB for
each GiB of its memory, which is the most that its page tables take; if it
is paged, 18 MiB for each GiB. With 0 it claims none. Emulated processors
(``[libvirt] virt_type`` is ``qemu``) translate code, and need 160.
"""),
    cfg.IntOpt(
        'project_nvram_mb',
        default=-1,
        min=-1,
        help="""
MiB of NVRAM that the persistent servers of each project may have in all.
With the default, -1, there is no limit. For nova-scheduler.

It is compared with what Placement counts for the project when a server is
created, unshelved, or resized to more NVRAM. Of requests that come at the
same time, each may be taken for the only one. With Nova's unified limits
(``[quota] driver`` is ``nova.quota.UnifiedLimitsDriver``) the limit
``class:CUSTOM_NVRAM_MB`` in Keystone counts in its place, which can be
another one for each project.
"""),
]

_NOTIFIER_OPTS = [
    cfg.IntOpt(
        'scan_interval_ms',
        default=500,
        min=10,
        help="""
How often the notifier looks for servers that were created or deleted, and
asks QEMUs what they do not tell by themselves, in milliseconds.
"""),
    cfg.IntOpt(
        'fixation_timeout_ms',
        default=2000,
        min=1,
        help="""
How long fixating a server may take after power failed, in milliseconds.

A server that is not fixated by then is given up and reported as failed. Its
state stays unproven.
"""),
    cfg.IntOpt(
        'engine_threads',
        default=2,
        min=1,
        max=64,
        help="""
Number of threads that fixate servers when power fails.

One thread can fixate many servers. More threads share the work of writing
states to NVRAM.
"""),
    cfg.IntOpt(
        'engine_priority',
        default=50,
        min=0,
        max=99,
        help="""
Real-time priority (SCHED_FIFO) of the threads that fixate servers, from 1
to 99. 0 gives them no real-time priority.
"""),
    cfg.ListOpt(
        'engine_cpus',
        item_type=types.Integer(min=0),
        default=[],
        help="""
Numbers of the CPUs on which the threads that fixate servers may run. By
default, they may run on all.
"""),
    cfg.IntOpt(
        'drill_interval',
        default=0,
        min=0,
        help="""
How often the notifier drills by itself, in seconds. With the default, 0, it
drills only at ``temporality drill``.

In a drill all servers are fixated and resumed twice: all together, and one
by one. The states are verified. Each server stands still for some
milliseconds, so nobody does it without your word. A host that was not
drilled for 30 days says so (``temporality health``).
"""),
]

_POWER_OPTS = [
    cfg.ListOpt(
        'pod_sources',
        default=['signal'],
        help="""
Sources that tell the notifier when power fails. These are names of entry
points of the group ``temporality.pod_source``. There may be several.

* ``signal``: real-time signal 44, which the POD driver sends
* ``sigpwr``: the signal SIGPWR
* ``nut``: a UPS, through upsd of Network UPS Tools
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
How much the report of a source counts, in percent, from 1 to 100, as pairs
of ``source:percent``. A source that is not named here counts 100.
"""),
    cfg.IntOpt(
        'pod_min_confidence',
        default=100,
        min=1,
        help="""
Confidence at which servers are fixated, in percent.

The confidence of all sources that report a power failure at the same time
is added up. Servers are fixated when the sum reaches this value.
"""),
    cfg.IntOpt(
        'pod_debounce_ms',
        default=0,
        min=0,
        help="""
How long a source must report a power failure without interruption before
its report counts, in milliseconds.

A higher value avoids false alarms, but fixating servers begins later by
this time. It does not apply to signals.
"""),
    cfg.IntOpt(
        'grace_ms',
        default=5000,
        min=0,
        help="""
How long power must be good again, in milliseconds, before servers run on by
themselves.

Only a source that reported the failure can report the return, and signals
cannot. After a signal, and after ``temporality fixate``, servers wait for
``temporality resume``. Each time that servers run on again, the time is
doubled, to at most 256 times this value. It is this value again when no
source has reported a failure for ten minutes.
"""),
    cfg.HostAddressOpt(
        'nut_host',
        default='127.0.0.1',
        help="""
Host on which upsd runs. For the source ``nut``.
"""),
    cfg.PortOpt(
        'nut_port',
        default=3493,
        help="""
TCP port of upsd. For the source ``nut``.
"""),
    cfg.ListOpt(
        'nut_ups',
        default=[],
        help="""
UPSes that feed this host, as ``name``, ``name@host`` or ``name@host:port``.
The names are those that ``upsc -l`` lists. Host and port are those of upsd;
by default, ``nut_host`` and ``nut_port``. For the source ``nut``.

When a UPS is on battery, power may fail soon. When its battery is low as
well, or when a shutdown is forced, it fails; but not while the UPS
calibrates its battery. A UPS that is off, or on bypass, does not count as
good.
"""),
    cfg.IntOpt(
        'nut_min_supplies',
        default=1,
        min=1,
        help="""
How many of ``nut_ups`` this host needs. Power fails when fewer are left;
until then the failure of a UPS is a warning. For the source ``nut``.
"""),
    cfg.IntOpt(
        'nut_dead_time',
        default=15,
        min=0,
        help="""
How long a UPS that was on battery may be silent, in seconds. After that, it
is taken for one that has failed: its network, or the host of upsd, often
loses power first. This is upsmon's DEADTIME. With 0, silence never counts
as a failure. For the source ``nut``.
"""),
    cfg.StrOpt(
        'nut_ca_file',
        help="""
File of the CA certificates (PEM) that upsd's certificate is checked with,
together with the host's name. If it is set, the notifier speaks TLS
(STARTTLS) with upsd, or not at all. If it is not set, passwords and answers
cross the network in the clear. For the source ``nut``.
"""),
    cfg.StrOpt(
        'nut_user',
        help="""
User of upsd, with the role ``upsmon secondary`` in upsd.users. For the
source ``nut``.

upsd counts hosts that log in as dependent on the UPS. If it is not set, the
notifier asks without logging in.
"""),
    cfg.StrOpt(
        'nut_password',
        secret=True,
        help="""
Password of nut_user. For the source ``nut``.
"""),
    cfg.IntOpt(
        'nut_poll_interval_ms',
        default=1000,
        min=10,
        help="""
How often upsd is asked, and how often the notifier tries to reach it if it
does not answer, in milliseconds. For the source ``nut``.
"""),
    cfg.StrOpt(
        'messaging_url',
        secret=True,
        help="""
URL of the message bus, in the form of oslo.messaging's transport_url. For
the source ``messaging``.
"""),
    cfg.StrOpt(
        'messaging_site',
        help="""
Name of the site whose power this host depends on. Messages about other
sites are ignored. For the source ``messaging``.
"""),
    cfg.StrOpt(
        'messaging_exchange',
        default='temporality',
        help="""
Exchange of the detector's messages. For the source ``messaging``.
"""),
    cfg.StrOpt(
        'messaging_topic',
        default='temporality-power',
        help="""
Topic of the detector's messages. For the source ``messaging``.
"""),
    cfg.IntOpt(
        'messaging_max_age_ms',
        default=5000,
        min=1,
        help="""
Age at which a message is too old, in milliseconds, even if it says that it
is valid for longer. For the source ``messaging``.

The clocks of the detector and of this host must not differ by more than
this.
"""),
    cfg.IntOpt(
        'messaging_silence',
        default=60,
        min=0,
        help="""
After how many seconds without a message the detector counts as lost. Have
it repeat what it said more often than that. With 0, silence is never
noticed. For the source ``messaging``.
"""),
    cfg.StrOpt(
        'messaging_key_file',
        help="""
File with the key that messages are signed with (HMAC-SHA256), the same for
the detector and for all hosts. Only root may read it. Messages without the
right signature are ignored. If it is not set, whoever may write to the
exchange can stop the servers. For the source ``messaging``.
"""),
    cfg.StrOpt(
        'gpio_chip',
        help="""
Device of the GPIO chip, like ``/dev/gpiochip0``. For the source ``gpio``.
"""),
    cfg.IntOpt(
        'gpio_line',
        min=0,
        max=2**32 - 1,
        help="""
Offset of the line on the GPIO chip. The line is active while power is good.
For the source ``gpio``.
"""),
    cfg.BoolOpt(
        'gpio_active_low',
        default=False,
        help="""
Whether the line is active when it is low. For the source ``gpio``.
"""),
    cfg.IntOpt(
        'gpio_debounce_us',
        default=0,
        min=0,
        max=10**6,
        help="""
How long a level of the line must last before the kernel tells it, in
microseconds; for contacts that bounce. Fixating servers begins later by
this time, beside ``pod_debounce_ms``. For the source ``gpio``.
"""),
]

_TELLING_OPTS = [
    cfg.PortOpt(
        'metrics_port',
        default=9744,
        help="""
TCP port on 127.0.0.1 on which the notifier serves metrics for Prometheus; 0
for none.

Every user of this host can read them: the UUIDs of persistent servers, and
how they are. A notifier without a network serves none: its systemd unit
gives it one with ``temporality-notifier-network.conf``.
"""),
    cfg.StrOpt(
        'notification_url',
        secret=True,
        help="""
URL of the message bus for notifications, in the form of oslo.messaging's
transport_url. If it is not set, none are sent.

The notifier sends a notification when a server becomes armed or is no
longer armed, when power fails, and when power is back.
"""),
    cfg.StrOpt(
        'notification_topic',
        default='versioned_notifications',
        help="""
Topic of the notifications.
"""),
]


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register all options of [temporality] on an oslo.config object."""
    for opts in list_opts():
        conf.register_opts(opts[1], group=opts[0])


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """All options by their group, for oslo-config-generator."""
    return [(GROUP, _POOL_OPTS + _COMPUTE_OPTS + _BUDGET_OPTS +
             _REQUEST_OPTS + _NOTIFIER_OPTS + _POWER_OPTS + _TELLING_OPTS)]
