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

"""Metrics are served, and whoever asks for them harms nobody."""

import errno
import os
import socket
import threading
from unittest import mock
import urllib.request

import prometheus_client
import pytest

from nova_temporality.notifier.reports import metrics_server

pytestmark = pytest.mark.native_threads


@pytest.fixture
def registry():
    made = prometheus_client.CollectorRegistry()
    prometheus_client.Gauge('known', 'Known', registry=made)
    return made


@pytest.fixture
def port():
    with socket.create_server(('127.0.0.1', 0)) as found:
        return found.getsockname()[1]


def scrape(port):
    with urllib.request.urlopen('http://127.0.0.1:%d/metrics' % port,
                                timeout=60) as reply:
        return reply.read()


def test_busy_port_is_tried_again(monkeypatch, caplog, registry):
    busy = socket.create_server(('127.0.0.1', 0))
    port = busy.getsockname()[1]
    waits, go_on = threading.Event(), threading.Event()

    def sleep(seconds):
        waits.set()
        assert go_on.wait(60)
    monkeypatch.setattr(metrics_server.time, 'sleep', sleep)
    metrics_server.serve(registry, port)
    error, = (record.getMessage() for record in caplog.records
              if record.levelname == 'ERROR')
    assert 'metrics_port' in error
    assert waits.wait(60)
    busy.close()
    served = threading.Event()
    monkeypatch.setattr(metrics_server.LOG, 'info',
                        lambda *args: served.set())
    go_on.set()
    assert served.wait(60)
    assert b'known' in scrape(port)


def test_without_a_network_it_is_silent(monkeypatch, caplog, registry):
    """As with RestrictAddressFamilies= of systemd."""
    def refuse(*args):
        raise OSError(errno.EAFNOSUPPORT, os.strerror(errno.EAFNOSUPPORT))
    monkeypatch.setattr(metrics_server, '_Server', refuse)
    before = threading.active_count()
    metrics_server.serve(registry, 1)
    assert [record for record in caplog.records
            if record.levelno > metrics_server.logging.INFO] == []
    assert threading.active_count() == before


def test_without_descriptors_it_rests(monkeypatch, registry, port):
    """It would take a processor otherwise."""
    rests, go_on = threading.Event(), threading.Event()

    def sleep(seconds):
        rests.set()
        assert go_on.wait(60)
    monkeypatch.setattr(metrics_server.time, 'sleep', sleep)
    with monkeypatch.context() as full:
        full.setattr(metrics_server.socketserver.TCPServer, 'get_request',
                     mock.Mock(side_effect=OSError(errno.EMFILE, 'full')))
        metrics_server.serve(registry, port)
        with socket.create_connection(('127.0.0.1', port), 60):
            assert rests.wait(60)
    go_on.set()
    assert b'known' in scrape(port)


def test_clients_that_say_nothing_are_cut_off(monkeypatch, registry, port):
    """They take no threads, and others have their turn."""
    monkeypatch.setattr(metrics_server, '_PATIENCE', 0.05)
    metrics_server.serve(registry, port)
    idle = [socket.create_connection(('127.0.0.1', port), 60)
            for _ in range(4)]
    idle[0].sendall(b'GET /met')
    for client in idle:
        assert client.recv(1) == b''
        client.close()
    monkeypatch.setattr(metrics_server, '_PATIENCE', 60)
    assert b'known' in scrape(port)
