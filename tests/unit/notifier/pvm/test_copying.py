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

"""A copy is made to the end, or until a fixation comes first."""

import threading

import pytest

from nova_temporality.notifier.pvm import copying

pytestmark = pytest.mark.native_threads


def test_returns_what_was_copied():
    def copy(check):
        check()
        return {'files': 1}
    assert copying.run(copy, lambda: False, 'pvm') == {'files': 1}


def test_error_is_raised():
    def copy(check):
        raise OSError('disk full')
    with pytest.raises(OSError, match='disk full'):
        copying.run(copy, lambda: False, 'pvm')


def test_fixation_interrupts_a_copy_that_hangs():
    hung = threading.Event()

    def copy(check):
        hung.wait(60)
    with pytest.raises(copying.CopyInterrupted, match='came first'):
        copying.run(copy, lambda: True, 'pvm')
    hung.set()


def test_copy_finds_out_that_it_is_interrupted():
    interrupted = threading.Event()
    ended = threading.Event()

    def copy(check):
        interrupted.set()
        try:
            while True:
                check()
        except copying.CopyInterrupted:
            ended.set()
            raise
    with pytest.raises(copying.CopyInterrupted):
        copying.run(copy, interrupted.is_set, 'pvm')
    assert ended.wait(60)
