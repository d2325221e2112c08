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

"""The same accesses to VPM, durable, and to Linux swap, not durable."""

import contextlib
import statistics

from oslo_utils import units

from bench.vpm import memories

THREADS = (1, 2)
WARM_UP = 0.5


def _per_second(answer):
    return answer['accesses'] * 1e9 / answer['ns']


def _describe(name, answer):
    misses = answer.get('swap_ins', answer['major_faults'])
    print('  %-16s %9.0f accesses/s, %.3f %s per access, %6.1f us each%s' % (
        name, _per_second(answer), misses / answer['accesses'],
        'pages in' if 'swap_ins' in answer else 'major faults',
        answer['ns'] / 1000 / max(misses, 1),
        ''.join(', %s %.3f' % (key, answer[key] / answer['accesses'])
                for key in ('faults', 'refaults', 'swap_outs', 'clean_outs')
                if key in answer)), flush=True)


def _measure(pattern, threads, rivals, args):
    """Return the median of accesses per second of each, by name."""
    rates = {name: [] for name in rivals}
    for rival in rivals.values():
        rival.run(pattern, int(args.seconds * WARM_UP * 1000), threads)
    for _ in range(args.rounds):
        for name, rival in rivals.items():
            answer = rival.run(pattern, int(args.seconds * 1000), threads)
            _describe(name, answer)
            rates[name].append(_per_second(answer))
    return {name: statistics.median(rate) for name, rate in rates.items()}


def _compare(pattern, args):
    size = args.size * units.Mi
    results = {}
    with contextlib.ExitStack() as stack:
        stack.enter_context(memories.mappings())
        pool = stack.enter_context(memories.pool(args, 2 * size))
        rivals = {
            'VPM 4 KiB': memories.Vpm(pool, args, size,
                                      page_size=4 * units.Ki),
            'VPM 64 KiB': memories.Vpm(pool, args, size,
                                       page_size=64 * units.Ki),
            'Linux swap': memories.Swap(args, size),
        }
        for rival in rivals.values():
            stack.enter_context(rival)
            rival.start()
            rival.run('fill')
        for threads in THREADS:
            print(' %s, threads: %d' % (pattern, threads), flush=True)
            results[threads] = _measure(pattern, threads, rivals, args)
    return results


def _ratios(results, name, key):
    return {key + ('' if threads == THREADS[0] else '_%d_threads' % threads):
            round(rates[name] / rates['Linux swap'], 3)
            for threads, rates in results.items()}


def uniform(args):
    """Any page is as likely as any other."""
    results = _compare('uniform', args)
    return {**_ratios(results, 'VPM 4 KiB', 'vs_kernel_swap_uniform_4k'),
            **_ratios(results, 'VPM 64 KiB', 'vs_kernel_swap_uniform_64k')}


def zipf(args):
    """Some pages are popular, zipf(0.99)."""
    results = _compare('zipf', args)
    return {**_ratios(results, 'VPM 4 KiB', 'vs_kernel_swap_zipf_4k'),
            **_ratios(results, 'VPM 64 KiB', 'vs_kernel_swap_zipf_64k')}


def seq(args):
    """One page after the other, again and again."""
    results = _compare('seq', args)
    return {**_ratios(results, 'VPM 64 KiB', 'vs_kernel_swap_seq'),
            **_ratios(results, 'VPM 4 KiB', 'vs_kernel_swap_seq_4k')}
