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

"""What upsd answers, and what that means."""

import datetime
import ipaddress
import socket
import ssl
import threading

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization
from cryptography import x509
from cryptography.x509 import oid
import pytest

from nova_temporality.notifier import power
from nova_temporality.notifier import sources
from nova_temporality.notifier.sources import nut
from nova_temporality.notifier.sources import nut_client
from nova_temporality.notifier.sources import nut_supply
from tests.framework import pod_sources
from tests.framework import upsd as stand_in

pytestmark = pytest.mark.native_threads

S = 10**9
OFF = nut_supply.OFF


@pytest.mark.parametrize('status, level', [
    ('OL', power.GOOD), ('OL CHRG', power.GOOD), ('OL LB', power.GOOD),
    ('OB', power.WARN), ('OB DISCHRG', power.WARN),
    ('OB LB', power.COMMIT), ('OB DISCHRG LB', power.COMMIT),
    ('FSD OL', power.COMMIT), ('FSD OB LB', power.COMMIT),
    ('FSD OB LB CAL', power.COMMIT),
    # A self-test lets the battery run low on purpose.
    ('OB LB CAL', power.WARN), ('CAL OB DISCHRG LB', power.WARN),
    ('OL CAL', power.GOOD),
    # It feeds nobody, or not through the UPS.
    ('OFF', OFF), ('OL OFF', OFF), ('OL BYPASS', power.LOST),
    ('BYPASS', power.LOST), ('OB LB OFF', power.COMMIT),
    ('', power.LOST), ('WAIT', power.LOST)])
def test_nut_status(status, level):
    assert nut_supply.level(status) == level


class TestSilence:
    """T14: the UPS was last heard on battery, then upsd dies."""

    @pytest.fixture
    def supply(self):
        return nut_supply.Supply('rack', 15 * S)

    @pytest.mark.parametrize('last', ['OB', 'OB LB CAL'])
    def test_on_battery_is_failure_after_dead_time(self, supply, last):
        supply.hear(last, 100 * S)
        supply.lose('gone')
        assert supply.dies_ns(101 * S) == 115 * S
        assert supply.level(115 * S - 1) == power.LOST
        supply.lose('gone')
        assert supply.level(115 * S) == power.COMMIT
        assert supply.dies_ns(115 * S) is None
        assert 'gone' in supply.describe() and last in supply.describe()

    def test_without_words_is_silence_too(self, supply):
        supply.hear('OB', 100 * S)
        supply.hear('WAIT', 101 * S)
        assert supply.level(115 * S) == power.COMMIT

    def test_an_answer_counts_again(self, supply):
        supply.hear('OB', 100 * S)
        supply.lose('gone')
        assert supply.level(200 * S) == power.COMMIT
        supply.hear('OL', 201 * S)
        assert supply.level(201 * S) == power.GOOD

    @pytest.mark.parametrize('last', ['OL', 'OL BYPASS', 'OFF'])
    def test_on_line_is_no_failure(self, supply, last):
        supply.hear(last, 100 * S)
        supply.lose('gone')
        assert supply.dies_ns(101 * S) is None
        assert supply.level(1000 * S) == power.LOST

    def test_what_failed_has_failed(self, supply):
        supply.hear('OB LB', 100 * S)
        supply.lose('gone')
        assert supply.level(100 * S) == power.COMMIT

    def test_never_heard(self, supply):
        supply.lose('gone')
        assert supply.level(1000 * S) == power.LOST

    def test_it_can_be_switched_off(self):
        supply = nut_supply.Supply('rack', 0)
        supply.hear('OB', 100 * S)
        supply.lose('gone')
        assert supply.dies_ns(1000 * S) is None
        assert supply.level(1000 * S) == power.LOST


@pytest.mark.parametrize('levels, min_supplies, level', [
    (['commit', 'good'], 1, power.WARN),
    (['commit', 'warn'], 1, power.WARN),
    (['commit', 'commit'], 1, power.COMMIT),
    (['commit', 'good'], 2, power.COMMIT),
    # The other one is switched off, so nobody is left.
    (['commit', OFF], 1, power.COMMIT),
    # upsd of the other one is away: it may still feed.
    (['commit', 'lost'], 1, power.WARN),
    ([OFF], 1, power.LOST), ([OFF, OFF], 1, power.LOST),
    ([OFF, 'good'], 1, power.GOOD), ([OFF, 'good'], 2, power.LOST),
    (['lost', 'good'], 1, power.GOOD), (['lost', 'good'], 2, power.LOST),
    (['good', 'warn'], 1, power.WARN), (['good', 'good'], 2, power.GOOD)])
def test_several_supplies(levels, min_supplies, level):
    assert nut_supply.together(levels, min_supplies) == level
    assert nut_supply.together(levels[::-1], min_supplies) == level


class Upsd:
    """Gives one answer to each of a list of connections, or says nothing."""

    def __init__(self, *answers):
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.port = self.listener.getsockname()[1]
        self._answers = answers
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        for answer in self._answers:
            client, _address = self.listener.accept()
            with client:
                client.recv(1000)
                client.sendall(answer)
        self.listener.close()


def ask(*answers):
    upsd = Upsd(*answers)
    return nut.NutSource(pod_sources.make_conf(
        nut_port=upsd.port, nut_ups='rack', nut_poll_interval_ms=10))


class TestNut:

    @pytest.mark.parametrize('answer', [
        b'', b'\n', b'OK\n', b'ERR DATA-STALE\n', b'VAR rack ups.status\n',
        b'VAR other ups.status "OB LB"\n', b'VAR rack ups.status "FSD\n',
        b'\xff' * 5000, b'VAR rack ups.status "FSD"'])
    def test_what_is_no_answer_is_no_failure(self, answer):
        news, = pod_sources.receive(ask(answer), 1)
        assert news.level == power.LOST
        assert '127.0.0.1' in news.detail

    def test_only_changes_are_told(self):
        good = b'VAR rack ups.status "OL"\n'
        source = ask(b'ERR DATA-STALE\n', b'', good,
                     b'VAR rack ups.status "FSD"\n')
        # Every connection ends after its answer.
        assert [news.level for news in pod_sources.receive(source, 4)] == [
            power.LOST, power.GOOD, power.LOST, power.COMMIT]

    def test_silent_upsd(self, monkeypatch):
        monkeypatch.setattr(nut_client, '_PATIENCE', 0.05)
        silent = socket.create_server(('127.0.0.1', 0))
        source = nut.NutSource(pod_sources.make_conf(
            nut_port=silent.getsockname()[1], nut_ups='rack'))
        assert pod_sources.receive(source, 1)[0].level == power.LOST
        silent.close()


def wait_for(condition):
    """Wait for what happens in other threads."""
    give_up = threading.Event()
    for _ in range(2000):
        if condition():
            return
        give_up.wait(0.01)
    raise AssertionError('it did not happen')


class Running(nut.NutSource):
    """A source that is run in a thread until end(), and its news."""

    def __init__(self, **options):
        super().__init__(pod_sources.make_conf(
            nut_poll_interval_ms=10, **options))
        self.news = []
        self._ended = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        with pytest.raises(pod_sources.Stop):
            self.run(self.news.append)

    def _take(self, heard):
        if self._ended:
            raise pod_sources.Stop()
        return super()._take(heard)

    def levels(self):
        return [news.level for news in self.news]

    def end(self):
        self._ended = True
        self._thread.join(20)
        assert not self._thread.is_alive()


@pytest.fixture
def run():
    """Return a function that runs a source until the test ends."""
    started = []

    def start(**options):
        started.append(Running(**options))
        return started[-1]
    yield start
    for running in started:
        running.end()


@pytest.fixture
def upsd(request):
    started = stand_in.Upsd(**getattr(request, 'param', {}))
    yield started
    if started._listener.fileno() != -1:
        started.close()


class TestUpsd:

    def test_calibration_is_a_warning(self, upsd, run):
        """T13"""
        running = run(nut_ups='rack', nut_port=upsd.port)
        for status, level in (('OL', power.GOOD), ('OB LB CAL', power.WARN),
                              ('OL CHRG', power.GOOD)):
            upsd.status = status
            wait_for(lambda: running.levels()[-1:] == [level])
        assert running.levels() == [power.GOOD, power.WARN, power.GOOD]
        assert 'CAL' in running.news[1].detail

    def test_upsd_dies_on_battery(self, upsd, run):
        """T14"""
        upsd.status = 'OB'
        running = run(nut_ups='rack', nut_port=upsd.port, nut_dead_time=1)
        wait_for(lambda: running.levels() == [power.WARN])
        upsd.close()
        wait_for(lambda: running.levels()[-1:] == [power.COMMIT])
        assert running.levels() == [power.WARN, power.LOST, power.COMMIT]
        assert 'last heard: OB' in running.news[-1].detail

    def test_redundant_supplies(self, upsd, run):
        """T23"""
        other = stand_in.Upsd('OL')
        running = run(nut_ups='rack,room@127.0.0.1:%d' % other.port,
                      nut_port=upsd.port)
        wait_for(lambda: running.levels()[-1:] == [power.GOOD])
        upsd.status = 'OB LB'
        wait_for(lambda: running.levels()[-1:] == [power.WARN])
        other.status = 'OL OFF'
        wait_for(lambda: running.levels()[-1:] == [power.COMMIT])
        upsd.status = 'OL'
        wait_for(lambda: running.levels()[-1:] == [power.GOOD])
        other.close()
        # One is enough, but somebody has to know.
        wait_for(lambda: running.problem)
        assert 'room@127.0.0.1' in running.problem
        assert running.levels()[-1] == power.GOOD

    @pytest.mark.parametrize('upsd', [{'password': 'right'}], indirect=True)
    def test_wrong_password_is_told_and_deafens_nobody(self, upsd, caplog,
                                                       run):
        running = run(nut_ups='rack', nut_port=upsd.port, nut_user='pod',
                      nut_password='wrong')
        wait_for(lambda: running.problem)
        assert 'nut_password' in running.problem
        assert 'nut_password' in caplog.text
        assert 'wrong' not in caplog.text
        assert running.levels() == [power.GOOD]
        upsd.status = 'OB LB'
        wait_for(lambda: running.levels()[-1] == power.COMMIT)

    @pytest.mark.parametrize('upsd', [{'password': 'right'}], indirect=True)
    def test_right_password(self, upsd, run):
        running = run(nut_ups='rack', nut_port=upsd.port, nut_user='pod',
                      nut_password='right')
        wait_for(lambda: upsd.answers > 2)
        assert running.problem is None
        assert running.heard_ns
        assert upsd.logins == 1


class TestTls:

    @pytest.fixture(scope='class')
    def certificates(self, tmp_path_factory):
        """Write certificates of upsd and of somebody else."""
        directory = tmp_path_factory.mktemp('tls')
        for name, host in (('upsd', '127.0.0.1'), ('other', '127.0.0.2')):
            certificate(directory, name, host)
        return directory

    @staticmethod
    def secure(certificates, name):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates / (name + '.pem'),
                                certificates / (name + '.key'))
        return stand_in.Upsd('OB', tls=context)

    def test_right_certificate(self, certificates, run):
        upsd = self.secure(certificates, 'upsd')
        running = run(nut_ups='rack', nut_port=upsd.port,
                      nut_ca_file=str(certificates / 'upsd.pem'))
        wait_for(lambda: running.levels() == [power.WARN])
        assert upsd.secured == 1
        upsd.close()

    @pytest.mark.parametrize('served, trusted', [
        ('other', 'upsd'), ('other', 'other')])
    def test_wrong_certificate(self, certificates, served, trusted, run):
        upsd = self.secure(certificates, served)
        running = run(nut_ups='rack', nut_port=upsd.port,
                      nut_ca_file=str(certificates / (trusted + '.pem')))
        wait_for(lambda: running.problem)
        assert 'certificate verify failed' in running.problem
        assert running.levels() == [power.LOST]
        assert upsd.answers == 0
        upsd.close()

    def test_upsd_without_tls_is_not_asked_in_the_clear(self, certificates,
                                                        upsd, run):
        running = run(nut_ups='rack', nut_port=upsd.port,
                      nut_ca_file=str(certificates / 'upsd.pem'))
        wait_for(lambda: running.problem)
        assert 'FEATURE-NOT-CONFIGURED' in running.problem
        assert upsd.answers == 0

    @pytest.mark.parametrize('content', [None, 'no certificate'])
    def test_bad_ca_file(self, tmp_path, content):
        path = tmp_path / 'ca.pem'
        if content:
            path.write_text(content)
        with pytest.raises(sources.SourceError) as e:
            nut.NutSource(pod_sources.make_conf(nut_ups='a',
                                                nut_ca_file=str(path)))
        assert 'nut_ca_file' in str(e.value)
        assert str(path) in str(e.value)


def certificate(directory, name, host):
    """Write a self-signed certificate for a host, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(oid.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    day = datetime.timedelta(days=1)
    signed = x509.CertificateBuilder(
        subject, subject, key.public_key(), x509.random_serial_number(),
        now - day, now + day).add_extension(
            x509.SubjectAlternativeName(
                [x509.IPAddress(ipaddress.ip_address(host))]), False).sign(
                    key, hashes.SHA256())
    (directory / (name + '.pem')).write_bytes(
        signed.public_bytes(serialization.Encoding.PEM))
    (directory / (name + '.key')).write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption()))


@pytest.mark.parametrize('ups, address', [
    ('rack', ('rack', 'here', 3493)), ('rack@a', ('rack', 'a', 3493)),
    ('rack@a:1', ('rack', 'a', 1)), ('rack@[::1]', ('rack', '::1', 3493)),
    ('rack@[::1]:1', ('rack', '::1', 1))])
def test_address(ups, address):
    assert nut._address(ups, 'here', 3493) == address


@pytest.mark.parametrize('options, words', [
    ({'nut_ups': 'rack@a:b'}, 'rack@a:b'), ({'nut_ups': '@a'}, '"@a"'),
    ({'nut_ups': 'a,b', 'nut_min_supplies': 3}, 'nut_min_supplies is 3')])
def test_bad_options(options, words):
    with pytest.raises(sources.SourceError) as e:
        nut.NutSource(pod_sources.make_conf(**options))
    assert words in str(e.value)
