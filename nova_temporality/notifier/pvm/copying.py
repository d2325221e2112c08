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

"""Copies a pVM that stands still, until a fixation comes first."""

from collections import abc
import concurrent.futures
import threading
from typing import Any

from nova_temporality.snapshot import files

# Seconds within which a fixation interrupts the copying.
_INTERRUPTION = 0.005

# Copies a pVM; calls its argument now and then; returns what it copied.
Copy = abc.Callable[[files.Check], abc.Mapping[str, Any]]


class CopyInterrupted(Exception):
    """A pVM is not copied to the end, because a fixation comes first."""

    def __init__(self) -> None:
        super().__init__('a fixation (power failure or suspend) came first')


def run(copy: Copy, is_interrupted: abc.Callable[[], bool],
        name: str) -> abc.Mapping[str, Any]:
    """Return what copy() returns, unless a fixation comes first.

    In that case copy() is not waited for: it may hang for ever.

    :param copy: called in a thread of its own
    :param is_interrupted: whether a fixation waits
    :param name: of the pVM
    :raises: CopyInterrupted, and what copy() raises
    """
    result: concurrent.futures.Future[abc.Mapping[str, Any]] = (
        concurrent.futures.Future())

    def check() -> None:
        if is_interrupted():
            raise CopyInterrupted()

    def work() -> None:
        try:
            result.set_result(copy(check))
        except Exception as e:
            result.set_exception(e)

    threading.Thread(target=work, daemon=True, name='copy-' + name).start()
    while not concurrent.futures.wait([result], _INTERRUPTION).done:
        check()
    return result.result()
