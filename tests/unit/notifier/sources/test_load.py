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

"""Sources are loaded as [temporality] names them."""

from importlib import metadata
from unittest import mock

import pytest

from nova_temporality.notifier import sources
from tests.framework import pod_sources

# The bus is made to use native threads when it is imported.
pytestmark = pytest.mark.native_threads


class TestLoad:

    def test_default(self):
        loaded = sources.load(pod_sources.make_conf())
        assert list(loaded) == ['signal']
        assert loaded['signal'].momentary

    def test_several(self):
        loaded = sources.load(pod_sources.make_conf(
            pod_sources=['nut', 'sigpwr'], nut_ups='rack'))
        assert list(loaded) == ['nut', 'sigpwr']
        assert not loaded['nut'].momentary

    def test_none(self):
        assert sources.load(pod_sources.make_conf(pod_sources=[])) == {}

    def test_unknown(self):
        with pytest.raises(sources.SourceError) as e:
            sources.load(pod_sources.make_conf(pod_sources=['sun']))
        assert '"sun"' in str(e.value)
        assert 'gpio, messaging, nut, pod, signal, sigpwr' in str(e.value)

    def test_module_is_missing(self, monkeypatch):
        # Others have imported the module itself.
        monkeypatch.setattr(metadata.EntryPoint, 'load', mock.Mock(
            side_effect=ModuleNotFoundError("No module 'oslo_messaging'")))
        with pytest.raises(sources.SourceError) as e:
            sources.load(pod_sources.make_conf(pod_sources=['messaging']))
        assert 'oslo_messaging' in str(e.value)

    def test_confidence_of_others(self):
        with pytest.raises(sources.SourceError) as e:
            sources.load(pod_sources.make_conf(pod_confidence={'nut': 50}))
        assert '"nut"' in str(e.value)

    def test_confidence_that_cannot_be_reached(self):
        with pytest.raises(sources.SourceError) as e:
            sources.load(pod_sources.make_conf(
                pod_sources=['signal', 'sigpwr'],
                pod_confidence={'signal': 20, 'sigpwr': 70}))
        assert '90' in str(e.value)

    @pytest.mark.parametrize('name, values, words', [
        ('nut', {}, 'nut_ups is not set'),
        ('nut', {'nut_ups': 'a b'}, 'nut_ups'),
        ('nut', {'nut_ups': 'a', 'nut_user': 'x\nFSD a',
                 'nut_password': 'y'}, 'nut_user'),
        ('nut', {'nut_ups': 'a', 'nut_user': 'x'}, 'both or none'),
        ('messaging', {'messaging_url': 'fake:/'}, 'messaging_site'),
        ('messaging', {'messaging_site': 'a'}, 'messaging_url'),
        ('gpio', {'gpio_line': 1}, 'gpio_chip'),
        ('gpio', {'gpio_chip': '/' * 256, 'gpio_line': 1}, '255 bytes'),
        ('gpio', {'gpio_chip': '/dev/gpiochip0'}, 'gpio_line')])
    def test_bad_options(self, name, values, words):
        with pytest.raises(sources.SourceError) as e:
            sources.load(pod_sources.make_conf(pod_sources=[name], **values))
        assert words in str(e.value)
