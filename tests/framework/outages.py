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

"""Outages with any number of servers, as the records have them."""

import uuid

from nova_temporality.cli.report import build
from nova_temporality.cli.report import records
from nova_temporality.host import recovery_log
from nova_temporality.notifier import power
from nova_temporality.notifier.pvm import attempts
from nova_temporality.notifier.reports import outage
from nova_temporality.vpm import outcomes

MS = 10**6
S = 10**9
# 2026-01-31 22:59:59.123 UTC
BEGAN = 1769900399123 * MS
ID = outage.id_of(BEGAN)
STARTED = BEGAN + 297 * S
# Since then.
LIBVIRT = 24 * S
UP = 31 * S

# Names that somebody may give to a server, or QEMU may say.
HOSTILE = ('<script>alert(1)</script>', ']]>', '--><!--', '&amp;"\'',
           'line\nfeed', 'bell\x07\x1b[2J', 'rtl\u202eoverride', '\ud800',
           '\ufffe', 'x' * 250, 'W' * 64, 'WMwm' * 4, '\u6f22' * 40,
           '\U0001f600' * 20, '\ufdfd' * 30, '',
           '\u05e9\u05dc\u05d5\u05dd')


class Archive:
    """Reports of outages, in memory."""

    def __init__(self, *reports):
        self._reports = {report['id']: report for report in reports}

    def ids(self):
        return sorted(self._reports)

    def load(self, outage_id):
        return self._reports.get(outage_id)


def name_of(number):
    """A server's UUID, always the same one."""
    return str(uuid.UUID(int=0x1f3a9c02 << 96 | 4 << 76 | 8 << 60 | number))


def outcome(number, result=outcomes.FIXATED, began=BEGAN, raised_by='signal',
            reason=''):
    """What the pool's ring has of a server: some milliseconds."""
    first = S + round((0.2 + number % 8 * 0.1) * MS)
    stopped = first + round((0.6 + number % 5 * 0.3) * MS)
    saved = stopped + round((2 + number % 7 * 0.4) * MS)
    is_fixated = result == outcomes.FIXATED
    return outcomes.Outcome(
        name_of(number), result, wall_ns=began, signal_ns=S,
        command_ns=first, stopped_ns=stopped,
        saved_ns=saved if is_fixated else 0,
        fixated_ns=saved + round(1.1 * MS) if is_fixated else 0,
        length=412 * 1024 if is_fixated else 0, runstate='running',
        raised_by=(raised_by,), reason=reason)


def entry(number, result=recovery_log.RESUMED, fault='', reason='',
          began=BEGAN, display_name=None, boot_id='boot', late=0, **steps):
    """What is written down of the recovery of a server.

    :param late: nanoseconds by which it is later than others
    :param steps: instants that are otherwise
    """
    # Eight at a time.
    at = UP + 2 * S + number // 8 * 600 * MS + number % 8 * 20 * MS + late
    instants = {'libvirt': LIBVIRT, 'up': UP, 'began': at,
                'started': at + 420 * MS, 'loaded': at + 455 * MS,
                'running': at + 470 * MS, 'ended': at + 520 * MS}
    if result != recovery_log.RESUMED:
        for step in ('began', 'started', 'loaded', 'running'):
            del instants[step]
    instants.update(steps)
    return recovery_log.Entry(
        name_of(number), 'web-%d' % number if display_name is None
        else display_name, result, fault, reason, began, boot_id, STARTED,
        True, instants)


def report_of(*outcomes_, **keys):
    """The notifier's report of the same."""
    found = []
    for one in outcomes_:
        attempt = attempts.Attempt(one.name, event(), 0)
        attempt.settle_as(one)
        found.append(attempt.wait_report())
    report = outage.report(event(), found, event().monotonic_ns + 9 * MS)
    report['hold_up_ms'] = 10
    report.update(keys)
    return report


def event(began=BEGAN, raised_by=('signal',)):
    """The event."""
    return power.PowerEvent('signal 44 from process 1', began, S, raised_by)


def model_of(ring, entries=(), report=None, hold_up_ms=10, wanted=None):
    """The report of the last outage, as it is shown."""
    known = records.Records(Archive(*([report] if report else [])),
                            list(ring), list(entries))
    return build.build(known.find(wanted), known, hold_up_ms)


def mixed(number):
    """An outage with servers of every kind of end among many survivors."""
    ring = [outcome(one) for one in range(number)]
    entries = [entry(one) for one in range(number)]

    def instead(one, result, fault, reason, fixated=True, **keys):
        if one < number:
            entries[one] = entry(one, result, fault, reason,
                                 began=BEGAN if fixated else 0, **keys)
            if not fixated:
                ring[one] = outcome(
                    one, outcomes.FAILED,
                    reason='disk virtio-disk0 has not answered')

    instead(2, recovery_log.OFF, 'StateUnproven',
            'No proven state to resume from after the host went down: there '
            'is no valid marker', fixated=False)
    instead(9, recovery_log.FAILED, 'RecoveryFailed',
            'Fixated, but not recovered: its volume cannot be connected (the '
            'state is kept)')
    instead(17, recovery_log.BOOTED, 'OutageTooLong',
            'Not resumed after the host went down: the outage of 328 s was '
            'longer than 300 s')
    instead(30, recovery_log.GONE, 'Gone', 'Not resumed: it is deleted')
    if number > 40:
        entries[40] = entry(40, late=4000 * S)
        for one in range(50, 54):
            instead(one, recovery_log.OFF, 'StateUnproven',
                    'No proven state to resume from after the host went '
                    'down: there is no valid marker', fixated=False)
        entries.insert(0, entry(
            40, recovery_log.FAILED, 'RecoveryFailed',
            'Fixated, but not recovered: no volume (the state is kept)'))
    return model_of(ring, entries, report_of(*ring, event=dict(
        report_of(*ring)['event'], warned='2026-01-31T22:59:46.100+00:00')))
