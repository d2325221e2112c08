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

"""temporality power announce, and what notifiers make of it."""

import pytest

from nova_temporality.notifier import sources
from nova_temporality.notifier.sources import announcement
from tests.framework import pod_sources

pytestmark = pytest.mark.native_threads


@pytest.fixture
def key_file(tmp_path):
    path = tmp_path / 'key'
    path.write_bytes(b'0123456789abcdef\n')
    path.chmod(0o600)
    return path


@pytest.fixture
def configure(config):
    def configure(**options):
        with open(config, 'a') as f:
            for name, value in options.items():
                f.write('%s = %s\n' % (name, value))
    return configure


@pytest.fixture
def casts(monkeypatch):
    """What was cast, and where to."""
    from nova_temporality.notifier import bus
    found = []

    class Client:

        def __init__(self, *address):
            self.address = address

        def cast(self, context, method, **message):
            found.append((self.address, method, message))
    monkeypatch.setattr(bus, 'client', Client)
    return found


def test_notifiers_take_it(run, configure, casts, key_file):
    from nova_temporality.notifier.sources import messaging
    configure(messaging_url='fake:/', messaging_site='room 1',
              messaging_key_file=key_file)
    assert run('power', 'announce', 'commit') == 0
    (address, method, message), = casts
    assert address == ('fake:/', 'temporality', 'temporality-power')
    assert method == 'power'
    received = []
    endpoint = messaging.Endpoint(
        sources.Source(pod_sources.make_conf()), 'room 1', 5000, 60,
        announcement.read_key(str(key_file)), received.append)
    endpoint.power({}, **message)
    assert [news.level for news in received] == ['commit']


def test_unsigned_mode_says_so(run, configure, casts, capsys):
    configure(messaging_url='fake:/')
    assert run('power', 'announce', 'good', '--site', 'a') == 0
    assert 'not signed' in capsys.readouterr().err
    assert 'signature' not in casts[0][2]


@pytest.mark.parametrize('args, words', [
    (['commit'], 'messaging_site is not set'),
    (['commit', '--site', 'a'], 'messaging_url is not set'),
    (['bad'], 'invalid choice'),
    (['commit', '--site', 'a', '--repeat', '0'], '--repeat 0')])
def test_what_cannot_be_announced(run, configure, casts, capsys, args,
                                  words):
    if '--repeat' in args:
        configure(messaging_url='fake:/')
    try:
        assert run('power', 'announce', *args)
    except SystemExit as e:
        assert e.code
    assert words in capsys.readouterr().err
    assert casts == []


@pytest.mark.parametrize('option, words', [
    ('--site=a\nb', 'site'), ('--valid-ms=-1', 'valid_ms')])
def test_what_no_notifier_takes(run, configure, casts, capsys, option,
                                words):
    configure(messaging_url='fake:/')
    assert run('power', 'announce', 'good', '--site', 'a', option) == 1
    assert words in capsys.readouterr().err
    assert casts == []
