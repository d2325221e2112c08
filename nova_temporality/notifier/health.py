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

"""How a host is, in one word, and in codes that say what is wrong.

A code stays the same from release to release, so that it can be looked for,
muted and documented (doc/source/operate/health.rst). What raises it is a small
function of what daemon.Notifier.status() returns, and nothing else. To add a
code, add a Rule, and a section to that page.
"""

from collections import abc
import datetime
from typing import Any
from typing import NamedTuple
from typing import TypedDict

from nova_temporality.notifier import mutes as mutes_module
from nova_temporality.notifier import persistence_domain
from nova_temporality.notifier import power
from nova_temporality.notifier.pvm import conditions
from nova_temporality.notifier.reports import outage
from nova_temporality.qemu import words

OK = 'OK'
WARN = 'WARN'
CRITICAL = 'CRITICAL'
UNKNOWN = 'UNKNOWN'

# The worse, the higher; also what monitoring plug-ins exit with.
RANKS = {OK: 0, WARN: 1, CRITICAL: 2, UNKNOWN: 3}

AWAY = 'NOTIFIER_AWAY'
ENGINE_AWAY = 'ENGINE_AWAY'

# What is over in a moment if the notifier or the engine is restarted.
PERHAPS_RESTARTED = frozenset((AWAY, ENGINE_AWAY))

# A host that was not drilled for so long may take longer than is believed.
_DRILL_AGE = datetime.timedelta(days=30)

# Characters that are kept of what is said of one concern.
_DETAIL = 700

# What daemon.Notifier.status() returns.
Status = abc.Mapping[str, Any]


class Concern(NamedTuple):
    """What a code is about: a server, a source, an NVDIMM ...

    :ivar name: of it
    :ivar detail: what is wrong with it, in words
    """

    name: str
    detail: str


class Finding(TypedDict):
    """A code that is raised, as it goes into JSON.

    refuses: whether this host could not fixate a server now, so that
    nova-compute takes no new ones. muted_until is ISO 8601, or None.
    """

    code: str
    severity: str
    meaning: str
    remedy: str
    refuses: bool
    concerns: list[dict[str, str]]
    muted_until: str | None


class Report(TypedDict):
    """How a host is, as it goes into JSON; mutes: ends by code, ISO 8601."""

    health: str
    findings: list[Finding]
    mutes: dict[str, str]


class Rule(NamedTuple):
    """A code, and when it is raised.

    :ivar find: returns what it is about; nothing if it is not raised
    """

    code: str
    severity: str
    find: abc.Callable[[Status, datetime.datetime], list[Concern]]
    meaning: str
    remedy: str
    refuses: bool = False


def report(status: Status, muted: abc.Mapping[str, mutes_module.Mute],
           now: datetime.datetime) -> Report:
    """Say how the host is.

    :param status: see daemon.Notifier.status()
    :param muted: the mutes that are on, by code
    :param now: with a time zone
    """
    findings = [_finding(rule, concerns, muted.get(rule.code))
                for rule in RULES
                for concerns in [rule.find(status, now)] if concerns]
    return {'health': max((finding['severity'] for finding in findings
                           if not finding['muted_until']),
                          key=RANKS.__getitem__, default=OK),
            'findings': findings,
            'mutes': {code: iso(mute.until) for code, mute in
                      sorted(muted.items())}}


def away(reason: str) -> Report:
    """Say that nobody can tell how the host is.

    :param reason: in words
    """
    rule = Rule(
        AWAY, UNKNOWN, _none, 'The notifier does not answer, so nobody knows '
        'how this host is. If none runs, only signals still fixate servers, '
        'and no more of them are armed.',
        'Look at "systemctl status temporality-notifier" and its log, and '
        'start it.', refuses=True)
    return {'health': UNKNOWN, 'mutes': {}, 'findings': [
        _finding(rule, [Concern('notifier', reason)], None)]}


def _finding(rule: Rule, concerns: abc.Sequence[Concern],
             mute: mutes_module.Mute | None) -> Finding:
    covered = mute is not None and mute.covers(
        concern.name for concern in concerns)
    return {'code': rule.code, 'severity': rule.severity,
            'meaning': rule.meaning, 'remedy': rule.remedy,
            'refuses': rule.refuses,
            # QEMU, Nova or a network may have a part in them.
            'concerns': [{'name': concern.name,
                          'detail': words.printable(concern.detail, _DETAIL)}
                         for concern in concerns],
            'muted_until': iso(mute.until) if mute and covered else None}


def iso(seconds: float) -> str:
    """Return an instant in seconds since 1970 as ISO 8601."""
    when = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return when.isoformat(timespec='seconds')


def _none(_status: Status, _now: datetime.datetime) -> list[Concern]:
    return []


def _if_any(name: str, problem: str | None) -> list[Concern]:
    return [Concern(name, problem)] if problem else []


def _pool_unreadable(status: Status,
                     _now: datetime.datetime) -> list[Concern]:
    return _if_any(status['pool'], status['pool_error'])


def _pool_medium(status: Status, _now: datetime.datetime) -> list[Concern]:
    return _if_any(status['pool'], status['medium_problem'])


def _pool_not_dax(status: Status, _now: datetime.datetime) -> list[Concern]:
    if status['medium_problem']:
        return []
    if status['platform']['caches'] == persistence_domain.VAULT:
        if status['vault'] and status['vault']['hold_up']:
            return []
        return [Concern(status['pool'], 'lies in DRAM, with a vault, and the '
                        'supply does not last for that (vault_hold_up is 0): '
                        'planned reboots only')]
    if status['platform']['caches'] == persistence_domain.DRAM:
        return [Concern(status['pool'], 'lies in ordinary DRAM')]
    if status['medium'] == 'dax':
        return []
    return [Concern(status['pool'], 'lies on %s' % status['medium'])]


def _caches_lost(status: Status, _now: datetime.datetime) -> list[Concern]:
    platform = status['platform']
    if (platform['caches'] != persistence_domain.NOBODY or
            status['medium_problem']):
        return []
    return [Concern('platform', platform['detail'])]


def _nvdimm_not_armed(status: Status,
                      _now: datetime.datetime) -> list[Concern]:
    return [Concern(one['name'], 'not_armed') for one in status['nvdimms']
            if not one['is_armed']]


def _nvdimm_trouble(status: Status, _now: datetime.datetime) -> list[Concern]:
    return [Concern(one['name'], '; '.join([*one['losses'], *one['events']]))
            for one in status['nvdimms'] if one['losses'] or one['events']]


def _power_unheard(status: Status, _now: datetime.datetime) -> list[Concern]:
    sources = status['sources']
    if any(source['state'] != power.LOST for source in sources):
        return []
    if not sources:
        return [Concern('pod_sources', 'no source is configured')]
    return [Concern(source['name'], source['detail'] or 'is not heard')
            for source in sources]


def _power_source_lost(status: Status,
                       _now: datetime.datetime) -> list[Concern]:
    return [Concern(source['name'], source['problem'] or source['detail'] or
                    'is not heard')
            for source in status['sources'] if not source['is_sound']]


def _engine_away(status: Status, _now: datetime.datetime) -> list[Concern]:
    return _if_any('engine', status['engine_problem'])


def _engine_degraded(status: Status, _now: datetime.datetime) -> list[Concern]:
    return _if_any('engine', status['engine_lost'])


def _pvm_unarmed(status: Status, _now: datetime.datetime) -> list[Concern]:
    # One that has nothing to save is not armed, and need not be.
    bare = [pvm for pvm in status['pvms']
            if pvm['state'] in (conditions.NOT_ARMED, conditions.STOPPED) and
            pvm['reason'] not in conditions.NOTHING_TO_SAVE.values()]
    return [Concern(pvm['name'], ' - '.join(filter(None, (
        pvm['state'], pvm['reason'], pvm['remedy'])))) for pvm in bare]


def _pvm_unwatched(status: Status, _now: datetime.datetime) -> list[Concern]:
    return [Concern(name, 'its thread in the notifier hangs')
            for name in status['unwatched']]


def _budget_exceeded(status: Status, _now: datetime.datetime) -> list[Concern]:
    budget = status['budget']
    if budget['fits']:
        return []
    return [Concern('hold_up_ms', '%(predicted_ms).1f ms are predicted, '
                    'power lasts for %(hold_up_ms)d ms' % budget)]


def _vault_unready(status: Status, _now: datetime.datetime) -> list[Concern]:
    vault = status['vault']
    return _if_any(vault['path'], vault['problem']) if vault else []


def _vault_too_slow(status: Status,
                    _now: datetime.datetime) -> list[Concern]:
    vault = status['vault']
    if not vault or vault['fits'] or vault['problem']:
        return []
    return [Concern('vault_hold_up', '%.1f s are predicted for %.1f MiB at '
                    '%.1f MiB/s, power lasts for %d s' % (
                        vault['predicted'], vault['bytes'] / (1 << 20),
                        vault['mib_per_s'], vault['hold_up']))] + [
        Concern(name, 'all of its memory counts: %s' % why)
        for name, why in sorted(vault['counted'].items())]


def _drill_stale(status: Status, now: datetime.datetime) -> list[Concern]:
    if not any(pvm['state'] == conditions.ARMED for pvm in status['pvms']):
        return []
    drilled = status['budget']['drilled_at']
    if drilled is None:
        return [Concern('drill', 'this host was never drilled')]
    try:
        age = now - datetime.datetime.fromisoformat(drilled).astimezone()
    except (ValueError, OverflowError):  # the pool may be damaged
        age = datetime.timedelta.max
    # Of a clock that was years ahead nobody knows when that was.
    if abs(age) <= _DRILL_AGE:
        return []
    return [Concern('drill', 'the last one was at %s' % drilled)]


def _drill_failed(status: Status, _now: datetime.datetime) -> list[Concern]:
    drill = status['last_drill']
    return [Concern(pvm['name'], pvm['reason'] or 'failed')
            for pvm in (outage.failures(drill) if drill else ())]


def _outage(status: Status, _now: datetime.datetime) -> list[Concern]:
    if not status['outage_raised_by']:
        return []
    return [Concern('outage', 'raised by %s' % ', '.join(
        status['outage_raised_by']))]


def _recovery_pending(status: Status,
                      _now: datetime.datetime) -> list[Concern]:
    dark = {pvm['name'] for pvm in status['pvms']
            if pvm['state'] == conditions.OFF or
            pvm['reason'] == conditions.NOTHING_TO_SAVE['inmigrate']}
    return [Concern(name, why or 'not tried yet')
            for name, why in sorted(status['pending'].items()) if name in dark]


def _clock_unsynchronised(status: Status,
                          _now: datetime.datetime) -> list[Concern]:
    clock = status['clock']
    if clock['is_synchronised']:
        return []
    return [Concern(option, 'needs it') for option in clock['needed_for']]


RULES = (
    Rule('POOL_UNREADABLE', CRITICAL, _pool_unreadable,
         'The pool cannot be read. Servers that are armed stay so; others '
         'are not found.',
         'Run "temporality pool check". Is the NVRAM mounted?', refuses=True),
    Rule('POOL_MEDIUM', CRITICAL, _pool_medium,
         'The pool is not on the medium that it was made on, so no server is '
         'armed.', 'Mount its file system as it was (-o dax=always), then '
         'restart temporality-engine and temporality-notifier. Nothing is '
         'lost.', refuses=True),
    Rule('CACHES_LOST', CRITICAL, _caches_lost,
         'When power fails, what is in the CPU caches is lost, so no server '
         'is armed.', 'Load the POD driver (modprobe pod), or use a platform '
         'with eADR or CXL GPF.', refuses=True),
    Rule('NVDIMM_NOT_ARMED', CRITICAL, _nvdimm_not_armed,
         'An NVDIMM below the pool would not keep what is in it, so no server '
         'is armed.', 'Move the servers to another host. Look at "ndctl list '
         '--dimms --health", and replace the NVDIMM or its source of energy.',
         refuses=True),
    Rule('POWER_UNHEARD', CRITICAL, _power_unheard,
         'No source is heard, so this host does not notice that power fails.',
         'See "temporality status" for what is wrong with each source; '
         'pod_sources names them.', refuses=True),
    Rule(ENGINE_AWAY, CRITICAL, _engine_away,
         'The fixation engine is not there, so no server is armed.',
         'See "systemctl status temporality-engine" and its log.',
         refuses=True),
    Rule('ENGINE_DEGRADED', WARN, _engine_degraded,
         'The engine lacks a right that it was to use, so it may be late when '
         'power fails.', 'Compare the unit of temporality-engine with the '
         'one that comes with this release, and restart it.'),
    Rule('PVM_UNARMED', CRITICAL, _pvm_unarmed,
         'A server that runs would lose its memory if power failed now.',
         'Each server has its own reason and remedy.'),
    Rule('PVM_UNWATCHED', CRITICAL, _pvm_unwatched,
         'Nobody looks after a server any more, so what is said of it may be '
         'old. If it is armed, power failures still fixate it.',
         'Find out what hangs (the NVRAM? "dmesg"), and restart '
         'temporality-notifier. What is armed stays so.'),
    Rule('BUDGET_EXCEEDED', CRITICAL, _budget_exceeded,
         'Power would be gone before all servers are fixated. Those of the '
         'lowest priority come last.', 'See "Too many for the hold-up time" '
         "in the operator's manual."),
    Rule('VAULT_UNREADY', CRITICAL, _vault_unready,
         'Servers are to be written to the vault when power fails '
         '(vault_hold_up), and nobody can tell whether power lasts for that.',
         'Mount the disk of the vault, or run "temporality vault measure".',
         refuses=True),
    Rule('VAULT_TOO_SLOW', CRITICAL, _vault_too_slow,
         'Power would be gone before all servers are written to the vault. '
         'Those of the lowest priority come last.',
         'Move servers to other hosts, or give the vault a faster disk and '
         'measure that. Of servers that are bounded only a part counts; see '
         'what keeps others from that.'),
    Rule('POWER_SOURCE_LOST', WARN, _power_source_lost,
         'A source is not heard, or has a problem.',
         'See "temporality status" for when it was heard last. Mend its '
         'network, password or device.'),
    Rule('POOL_NOT_DAX', WARN, _pool_not_dax,
         'The NVRAM is emulated, or ordinary DRAM: servers survive the end of '
         'QEMU, but not a real power cut.', 'Put the pool on a file system '
         'that is mounted with DAX, on NVDIMMs or CXL memory.'),
    Rule('NVDIMM_TROUBLE', WARN, _nvdimm_trouble,
         'An NVDIMM below the pool lost what was in it before this boot, or '
         'asks to be looked after.', 'Look at "ndctl list --dimms --health". '
         'What it lost shows until the next boot.'),
    Rule('OUTAGE', WARN, _outage,
         'An outage is on: servers stand still.',
         'When power is back and no source says so: "temporality resume".'),
    Rule('RECOVERY_PENDING', WARN, _recovery_pending,
         'A server stands still since an outage, and is not recovered yet. '
         'Its state is kept.', 'See "openstack server event list", and remove '
         'what is in the way. "temporality recover" tries at once.'),
    Rule('DRILL_FAILED', WARN, _drill_failed,
         'In the last drill a server was not fixated, or did not run on.',
         'Remove the cause, and run "temporality drill" again.'),
    Rule('DRILL_STALE', WARN, _drill_stale,
         'Nobody has tried for more than %d days whether servers would be '
         'fixated in time.' % _DRILL_AGE.days,
         'Run "temporality drill", or set drill_interval.'),
    Rule('CLOCK_UNSYNCHRONISED', WARN, _clock_unsynchronised,
         "Nobody keeps the host's clock right, and something relies on it: "
         'messages about power seem too old, or the length of an outage is '
         'wrong.', 'Look at "chronyc tracking" or "timedatectl".'),
)

CODES = tuple(rule.code for rule in RULES)
