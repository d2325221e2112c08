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

    :ivar status: words of ups.status
    :ivar answers: how many questions were answered
    """

    def __init__(self, status='OL'):
        self.status = status
        self.answers = 0
        self._listener = socket.create_server(('127.0.0.1', 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _address = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,),
                             daemon=True).start()

    def _serve(self, client):
        with client, client.makefile('rwb', buffering=0) as stream:
            try:
                for _line in stream:
                    stream.write(b'VAR rack ups.status "%s"\n'
                                 % self.status.encode())
                    self.answers += 1
            except OSError:
                pass  # the notifier was killed

    def close(self):
        # A thread that blocks in accept() is woken by that, not by close().
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
