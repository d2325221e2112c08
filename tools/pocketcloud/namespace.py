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

"""Connections into a network namespace."""

from collections.abc import Callable
import concurrent.futures
from typing import TypeVar

from pyroute2 import netns

T = TypeVar('T')


def call(name: str, function: Callable[[], T]) -> T:
    """Call a function in a network namespace; sockets it makes stay there."""
    def enter_and_call() -> T:
        netns.setns(name)
        return function()

    # In a thread of its own, because the thread stays in the namespace.
    with concurrent.futures.ThreadPoolExecutor(1) as executor:
        return executor.submit(enter_and_call).result()
