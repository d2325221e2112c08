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

"""What would make a fixation fail, or worthless; found while power is good.

Each function returns None, or the obstacle and its remedy, in words.
"""

from nova_temporality.qemu import route

# Of a state beside the memory that goes with it: devices, mostly some KiB.
_DEVICES = 1 << 20


def blockers(qmp, timeout):
    """What QEMU itself says against saving its state."""
    reply = qmp.command('query-migrate', timeout=timeout)
    reasons = reply.get('blocked-reasons')
    if reasons:
        return ('; '.join(reasons),
                'remove what blocks migration from the server')
    return None


def disks(qmp, paged, timeout):
    """Disks whose completed writes a power cut would take back.

    :param paged: whether the server's memory is; then direct I/O would read
                  and write pages that have left
    """
    for one in qmp.command('query-block', timeout=timeout):
        disk = one.get('inserted')
        if not disk or disk.get('ro'):
            continue
        cache = disk['cache']
        name = one.get('qdev') or one.get('device') or disk['node-name']
        if cache['no-flush']:
            problem = 'ignores flushes (cache=unsafe)'
        elif cache['writeback'] and not cache['direct']:
            problem = 'keeps completed writes in the page cache ' \
                '(cache=writeback)'
        elif paged and cache['direct']:
            problem = 'is used by direct I/O, which does not go with memory ' \
                'that is paged (cache=none or directsync)'
        else:
            continue
        return ('the disk %s %s' % (name, problem),
                'set its cache mode to %s and reboot the server hard' % (
                    'writethrough' if paged else 'none or directsync'))
    return None


def state_size(qmp, room, largest, timeout):
    """A state file that might not hold the state.

    :param room: bytes that a state file holds
    :param largest: bytes of the largest state so far, 0 if there was none
    """
    memory = route.other_memory(qmp.command(
        'human-monitor-command', {'command-line': 'info ramblock'},
        timeout=timeout)) or 0
    needed = max(memory + _DEVICES, largest)
    if needed <= room:
        return None
    return ('its state may take %d KiB, state files hold %d KiB'
            % (needed >> 10, room >> 10),
            'format a pool with a larger --state-size, or give the server a '
            'display with less memory')


def swap(stats):
    """A swap file that fails: pages stay in memory until there is no room.

    :param stats: vpm.RegionStats
    """
    if stats.error is None:
        return None
    return (stats.error, 'see to the disk below swap_dir (is it full, or '
            'gone?); when it works again this goes by itself')
