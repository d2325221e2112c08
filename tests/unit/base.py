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

"""Base of tests that need Nova's own fixtures."""

import functools

from nova import test


def run_for_pytest(run):
    """The method run() of Nova's test cases, made to work with pytest."""

    @functools.wraps(run)
    def wrapper(self, result=None):
        # Nova's clean-up deletes every attribute, the one too by which
        # pytest calls the test and which it expects to find again.
        name = self._testMethodName
        method = self.__dict__.get(name)
        try:
            return run(self, result)
        finally:
            if method is not None:
                setattr(self, name, method)

    return wrapper


class NovaTestCase(test.NoDBTestCase):
    """Nova's base class, made to work with pytest."""

    run = run_for_pytest(test.NoDBTestCase.run)
