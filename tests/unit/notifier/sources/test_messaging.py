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

"""Messages about power: fresh ones count, others are ignored."""

import threading
import time

import pytest

from nova_temporality.notifier import power
from nova_temporality.notifier import sources
from nova_temporality.notifier.sources import announcement
from tests.framework import pod_sources

pytestmark = pytest.mark.native_threads

KEY = b'a key of sixteen bytes or more'


@pytest.fixture
def received():
    return []


@pytest.fixture
def source():
    return sources.Source(None)


@pytest.fixture
def listen(received, source):
    """Return a function that makes an endpoint."""
    # It chooses native threads for the whole process.
    from nova_temporality.notifier.sources import messaging

    def make(key=None, silence=60):
        return messaging.Endpoint(source, 'room 1', 5000, silence, key,
                                  received.append)
    return make


@pytest.fixture
def endpoint(listen):
    return listen()


def message(**changes):
    return dict({'site': 'room 1', 'level': 'commit',
                 'issued_at': time.time(), 'valid_ms': 5000}, **changes)


def told(caplog, words):
    """How often operators were told of something."""
    return sum(words in record.getMessage() for record in caplog.records
               if record.levelname != 'DEBUG')


class TestMessages:

    @pytest.mark.parametrize('level', ['good', 'warn', 'commit'])
    def test_fresh(self, endpoint, received, level):
        endpoint.power({}, **message(level=level))
        assert received[0].level == level

    @pytest.mark.parametrize('changes', [
        {'site': 'room 2'}, {'site': None}, {'level': 'lost'},
        {'level': ['commit']}, {'level': None},
        {'issued_at': None}, {'issued_at': '1'}, {'issued_at': float('nan')},
        {'issued_at': 0}, {'issued_at': True}, {'issued_at': -1},
        {'valid_ms': float('inf')}, {'valid_ms': {}}, {'valid_ms': -1},
        {'sequence': 1.5}, {'sequence': '1'}, {'sequence': -1},
        {'sequence': 1 << 63}, {'sequence': True}, {'sender': 'a\nb'},
        {'sender': None}, {'sender': 'a' * 256}])
    def test_garbage(self, endpoint, received, changes):
        endpoint.power({}, **message(**changes))
        assert received == []

    @pytest.mark.parametrize('age, valid_ms', [
        (2, 1000), (100, 10**9), (-100, 1000)])
    def test_stale(self, endpoint, received, age, valid_ms):
        endpoint.power({}, **message(issued_at=time.time() - age,
                                     valid_ms=valid_ms))
        assert received == []

    def test_missing_and_additional_words(self, endpoint, received):
        endpoint.power({})
        assert received == []
        endpoint.power({}, **message(room='1'))
        assert len(received) == 1

    def test_clock_that_is_off_is_a_problem_told_once(
            self, endpoint, received, source, caplog):
        for _ in range(3):
            endpoint.power({}, **message(issued_at=time.time() - 3600))
        assert told(caplog, 'set the clocks') == 1
        assert 'set the clocks' in source.problem
        endpoint.power({}, **message())
        assert source.problem is None
        assert source.heard_ns

    def test_repetition_is_no_news(self, endpoint, received):
        for _ in range(3):
            endpoint.power({}, **message(sequence=time.time_ns()))
        assert len(received) == 1


class TestOrder:
    """Messages come again, late, and in several threads."""

    @staticmethod
    def levels(endpoint, received, *messages):
        now = time.time()
        for level, age, more in messages:
            endpoint.power({}, **message(level=level, issued_at=now - age,
                                         **more))
        return [news.level for news in received]

    @pytest.mark.parametrize('late', [
        # It is older; it comes again; it has the same instant.
        ('good', 2, {}), ('good', 1, {}),
        # The sender's clock was set, or it counts anew.
        ('good', 0.5, {'sequence': 1}), ('good', 1.5, {'sequence': 9}),
        # Another detector said so before.
        ('good', 2, {'sender': 'other'})])
    def test_older_good_never_takes_a_commit_back(self, endpoint, received,
                                                  late):
        assert self.levels(
            endpoint, received, ('good', 1.9, {'sequence': 2}),
            ('commit', 1, {'sequence': 3}), late)[-1] == 'commit'

    def test_newer_good_does(self, endpoint, received):
        assert self.levels(
            endpoint, received, ('commit', 1, {'sequence': 3}),
            ('good', 0.5, {'sequence': 4}))[-1] == 'good'

    def test_redelivered_commit_is_no_second_failure(self, endpoint,
                                                     received):
        commit = message(sequence=3, issued_at=time.time() - 1)
        endpoint.power({}, **commit)
        endpoint.power({}, **message(level='good', sequence=4))
        endpoint.power({}, **commit)
        assert [news.level for news in received] == ['commit', 'good']

    @pytest.mark.parametrize('commit', [
        # A clock was set back: in doubt the alarm counts.
        ('commit', 2, {'sequence': 5}),
        # The sender was started anew.
        ('commit', 0, {'sequence': 1}),
        # The clocks of two detectors differ.
        ('commit', 3, {'sender': 'other'}),
        # At the same instant.
        ('commit', 1, {'sequence': 4})])
    def test_commit_is_not_lost(self, endpoint, received, commit):
        assert self.levels(endpoint, received, (
            'good', 1, {'sequence': 4}), commit)[-1] == 'commit'

    def test_many_senders_take_no_memory(self):
        order = announcement.Order()
        for number in range(1000):
            assert order.is_news(announcement.Announcement(
                'a', 'commit', number, 1, sender=str(number)))
        assert len(order._latest) < 100

    def test_threads(self, endpoint, received):
        now = time.time()
        threads = [threading.Thread(
            target=endpoint.power, args=({},), kwargs=message(
                level=level, issued_at=now, sequence=sequence))
            for sequence in range(50)
            for level in ('commit' if sequence == 49 else 'good',)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert received[-1].level == 'commit'


class TestSignature:

    @staticmethod
    def signed(key=KEY, **changes):
        said = announcement.Announcement(
            'room 1', 'commit', time.time_ns() // 1000000, 5000, 7, 'pdu')
        return dict(said.message(key), **changes)

    def test_right_one(self, listen, received):
        listen(KEY).power({}, **self.signed())
        assert [news.level for news in received] == ['commit']
        assert 'pdu' in received[0].detail

    @pytest.mark.parametrize('changes', [
        {'key': b'another key of sixteen bytes'}, {'key': None},
        {'level': 'good'}, {'issued_at': time.time() + 1}, {'sequence': 8},
        {'valid_ms': 4999}, {'sender': 'x'}, {'signature': None},
        {'signature': ''}, {'signature': 7}, {'signature': '\xe4'}])
    def test_wrong_one(self, listen, received, source, caplog, changes):
        endpoint = listen(KEY)
        for _ in range(2):
            endpoint.power({}, **self.signed(**changes))
        assert received == []
        assert source.problem is None
        assert told(caplog, 'messaging_key_file') == 1

    def test_what_others_sign(self):
        """As documented, for detectors in other languages."""
        said = announcement.Announcement('room 1', 'warn', 1234, 5, 6, 'pdu')
        assert said.signed_text() == (
            'temporality power 1\nroom 1\nwarn\n1234\n5\n6\npdu')
        # printf ... | openssl dgst -sha256 -hmac 'a key ...'
        assert said.message(KEY)['signature'] == (
            'a0be0f20c0bc34eb649426a988c4f643'
            '9bb308535a2a57de667bfab3c32b75da')

    @pytest.mark.parametrize('content, mode, words', [
        (None, 0, 'No such file'), (KEY, 0o644, '0600'), (KEY, 0o660, '0600'),
        (b' short \n', 0o600, '5 bytes')])
    def test_bad_key(self, tmp_path, content, mode, words):
        from nova_temporality.notifier.sources import messaging
        path = tmp_path / 'key'
        if content:
            path.write_bytes(content)
            path.chmod(mode)
        with pytest.raises(sources.SourceError) as e:
            messaging.MessagingSource(pod_sources.make_conf(
                messaging_url='fake:/', messaging_site='a',
                messaging_key_file=str(path)))
        assert words in str(e.value)
        assert 'messaging_key_file' in str(e.value)
        assert str(path) in str(e.value)

    def test_unsigned_mode_says_so(self, tmp_path):
        from nova_temporality.notifier.sources import messaging
        options = {'messaging_url': 'fake:/', 'messaging_site': 'a'}
        unsigned = messaging.MessagingSource(
            pod_sources.make_conf(**options))
        assert 'not signed' in unsigned.remark
        path = tmp_path / 'key'
        path.write_bytes(KEY + b'\n')
        path.chmod(0o600)
        signed = messaging.MessagingSource(pod_sources.make_conf(
            messaging_key_file=str(path), **options))
        assert signed.remark is None


class TestSilence:

    def test_is_told_once_and_ends(self, listen, received):
        endpoint = listen(silence=60)
        now = time.monotonic()
        assert 0 < endpoint.look(now) <= 60
        assert received == []
        for later in (61, 200):
            assert endpoint.look(now + later) > 0
        assert [news.level for news in received] == [power.LOST]
        endpoint.power({}, **message(level='good'))
        assert received[-1].level == 'good'

    def test_can_be_allowed(self, listen, received):
        endpoint = listen(silence=0)
        assert endpoint.look(time.monotonic() + 10**6) > 10**6
        assert received == []
