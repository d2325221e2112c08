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

"""The command temporality-engine."""

import os
import signal
import sys

from nova_temporality.cmd import engine


def test_directory_above_run_dir_is_not_there(tmp_path, monkeypatch):
    """As after a boot, if it lies on a tmpfs."""
    config = tmp_path / 'temporality.conf'
    config.write_text('[temporality]\nrun_dir = %s/run/temporality\n'
                      'pool_path = %s\n' % (tmp_path, tmp_path))
    (tmp_path / 'pool').touch()
    executed = []
    monkeypatch.setattr(signal, 'pthread_sigmask', lambda *args: None)
    monkeypatch.setattr(os, 'execv', lambda *call: executed.append(call))
    monkeypatch.setattr(sys, 'argv', ['temporality-engine', '--config-file',
                                      str(config)])
    engine.main()
    [(program, arguments)] = executed
    assert program == engine.PROGRAM
    assert '%s/run/temporality' % tmp_path in arguments
    assert os.listdir(tmp_path / 'run') == []
