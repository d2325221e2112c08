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

"""As much of upsd as the notifier asks for, at the speed of a test."""

import socket
import threading


class Upsd:
    """Answers every question with the present status.

    :param password: with which alone one may log in; None for any
    :param tls: ssl.SSLContext for STARTTLS, None for an upsd without it
    :ivar status: words of ups.status
    :ivar answers: how many questions were answered
    :ivar logins: how many logged in
    :ivar secured: how many connections are secured
    """

    def __init__(self, status='OL', password=None, tls=None):
        self.status = status
        self.answers = 0
        self.logins = 0
        self.secured = 0
        self._password = password
        self._tls = tls
        self._clients = []
        self._listener = socket.create_server(('127.0.0.1', 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _address = self._listener.accept()
            except OSError:
                return
            self._clients.append(client)
            threading.Thread(target=self._serve, args=(client,),
                             daemon=True).start()

    def _serve(self, client):
        try:
            with client:
                self._answer(client)
        except OSError:
            pass  # the notifier was killed, does not trust us, or we ended

    def _answer(self, client):
        stream = client.makefile('rwb', buffering=0)
        given = None
        while line := stream.readline():
            command, _space, rest = line.decode().strip().partition(' ')
            if command == 'STARTTLS' and self._tls is not None:
                stream.write(b'OK STARTTLS\n')
                client = self._tls.wrap_socket(client, server_side=True)
                stream = client.makefile('rwb', buffering=0)
                self.secured += 1
                self._clients.append(client)
            elif command == 'STARTTLS':
                stream.write(b'ERR FEATURE-NOT-CONFIGURED\n')
            elif command == 'LOGIN' and self._password not in (None, given):
                stream.write(b'ERR ACCESS-DENIED\n')
            elif command in ('USERNAME', 'PASSWORD', 'LOGIN'):
                given = rest
                self.logins += command == 'LOGIN'
                stream.write(b'OK\n')
            else:
                stream.write(b'VAR %s ups.status "%s"\n' % (
                    rest.split()[1].encode(), self.status.encode()))
                self.answers += 1

    def close(self):
        """End, as upsd does when it is killed."""
        # A thread that blocks in accept() is woken by that, not by close().
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for client in self._clients:
            try:
                client.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it has ended by itself
