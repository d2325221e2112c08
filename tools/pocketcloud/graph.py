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

"""Tasks in parallel, each as soon as what it needs is done."""

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
import concurrent.futures
import time

# What a task needs, and what it does; it returns what was done, in words.
Task = tuple[Iterable[str], Callable[[], str | None]]


class Failed(Exception):
    """A task failed; the message says which, why and where to read on."""


def run(tasks: Mapping[str, Task],
        report: Callable[[str, float, str | None], None],
        workers: int = 12) -> None:
    """Run a dict of name to (needs, function); raise Failed.

    Needs which are not among the tasks count as done.  A task that fails
    keeps those from starting that need it; the others are finished.

    :param report: called with name, seconds and the function's result
    """
    waiting = {name: set(needs) & set(tasks)
               for name, (needs, _) in tasks.items()}
    running, errors = {}, []
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        while waiting or running:
            for name in [n for n, needs in waiting.items() if not needs]:
                del waiting[name]
                future = pool.submit(tasks[name][1])
                running[future] = name, time.monotonic()
            if not running:
                break
            done, _ = concurrent.futures.wait(
                running, return_when=concurrent.futures.FIRST_COMPLETED)
            for future in done:
                name, started = running.pop(future)
                try:
                    result = future.result()
                except Exception as e:
                    errors.append('%s: %s' % (name, e))
                    continue
                report(name, time.monotonic() - started, result)
                for needs in waiting.values():
                    needs.discard(name)
    if waiting:
        errors.append('therefore not started: ' + ', '.join(waiting))
    if errors:
        raise Failed('\n'.join(errors))
