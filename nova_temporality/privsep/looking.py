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

"""Looks at storage that may not answer, on the privileged side (privsep).

That side has few threads, as many as there are processors. Each look has a
thread of its own, so that no other server waits for it. There is one at a time
for each server, however often it is tried again.
"""

from __future__ import annotations

from collections import abc
import threading
from typing import Any

# Seconds in which most looks end.
_USUAL = 0.2


class _Look:
    """One look: what it found, or why it found nothing."""

    def __init__(self, name: str, token: str,
                 look: abc.Callable[[], Any]) -> None:
        self.token = token
        self.ended = threading.Event()
        self._look = look
        self._found: Any = None
        self._failure: Exception | None = None
        threading.Thread(target=self._run, name='look-' + name,
                         daemon=True).start()

    def _run(self) -> None:
        try:
            self._found = self._look()
        except Exception as exc:
            self._failure = exc
        self.ended.set()

    def result(self) -> Any:
        if self._failure:
            raise self._failure
        return self._found


_looks: dict[str, _Look] = {}
_guard = threading.Lock()


def poll(name: str, token: str, look: abc.Callable[[], Any]) -> Any:
    """Begin a look, or ask for what it found.

    :param name: of the server
    :param token: of who asks; what was begun for somebody else is waited for,
                  but its findings may be old, so it is begun anew then
    :param look: called in a thread of its own
    :returns: what it returned, None if it has not ended
    """
    with _guard:
        found = _looks.get(name)
        is_new = found is None or (
            found.token != token and found.ended.is_set())
        if is_new:
            found = _looks[name] = _Look(name, token, look)
    assert found is not None
    if found.token != token or not found.ended.wait(
            _USUAL if is_new else 0):
        return None
    with _guard:
        if _looks.get(name) is found:
            del _looks[name]
    return found.result()
