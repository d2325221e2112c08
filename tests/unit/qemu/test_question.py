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

"""The same commands again and again, of which only changes are looked at."""

import json
import os
import socket
import threading

import pytest

from nova_temporality.qemu import qmp
from nova_temporality.qemu import question

pytestmark = pytest.mark.native_threads

COMMANDS = [('query-status', {}), ('query-block', {'a': 1})]
GREETING = {'QMP': {'version': {'qemu': {'major': 10, 'minor': 0,
                                         'micro': 2}}, 'capabilities': []}}


def line(message):
    return json.dumps(message).encode() + b'\r\n'


class Qemu:
    """Says what a test says.

    :ivar answers: what the commands of a question return
    """

    def __init__(self, path):
        self.answers = [{'status': 'running'}, []]
        self._listener = socket.create_server(path, family=socket.AF_UNIX)
        self._decoder = json.JSONDecoder()

    def accept(self):
        self._socket, _address = self._listener.accept()
        self.say(line(GREETING))
        self.answer({}, *self.asked())

    def say(self, text):
        self._socket.sendall(text)

    def asked(self, count=1):
        """Return the ids of the commands that come next."""
        ids, text = [], ''
        while len(ids) < count:
            text += self._socket.recv(65536).decode()
            while text:
                command, end = self._decoder.raw_decode(text)
                text = text[end:]
                ids.append(command['id'])
        return ids

    def answer(self, returned, number):
        self.say(line({'return': returned, 'id': number}))

    def lines(self):
        """Return the answers to the question that comes next."""
        ids = self.asked(2)
        return [line({'return': returned, 'id': number})
                for returned, number in zip(self.answers, ids)]

    def end(self):
        self._socket.close()


@pytest.fixture
def qemu(tmp_path):
    return Qemu(os.path.join(str(tmp_path), 'qmp.sock'))


def together(serve, ask):
    """Have QEMU serve while it is asked; return what was said."""
    thread = threading.Thread(target=serve)
    thread.start()
    returned = ask()
    thread.join()
    return returned


@pytest.fixture
def client(qemu, tmp_path):
    made = together(qemu.accept, lambda: qmp.QmpClient(
        os.path.join(str(tmp_path), 'qmp.sock'), 10))
    yield made
    made.close()


def ask(client, qemu):
    """Ask for the first time; return the Question, and what was answered."""
    asked = question.Question(client, COMMANDS)
    returned = together(lambda: qemu.say(b''.join(qemu.lines())),
                        lambda: asked.ask(10))
    return asked, returned


def status(client, qemu):
    """Use the connection for something else."""
    return together(lambda: qemu.answer('running', *qemu.asked()),
                    lambda: client.command('query-status'))


def test_answers_are_returned_once(client, qemu):
    asked, returned = ask(client, qemu)
    assert returned == qemu.answers
    asked.begin()
    for _ in range(3):
        asked.repeat()
        assert not asked.is_answered
        qemu.say(b''.join(qemu.lines()))
        assert asked.hear() and asked.is_answered
    asked.end()
    assert status(client, qemu) == 'running'


def test_answers_may_come_in_pieces(client, qemu):
    asked, _returned = ask(client, qemu)
    asked.begin()
    asked.repeat()
    said = b''.join(qemu.lines())
    for piece in (said[:5], said[5:40]):
        qemu.say(piece)
        assert asked.hear() and not asked.is_answered
    qemu.say(said[40:])
    assert asked.hear() and asked.is_answered


def test_another_answer(client, qemu):
    asked, _returned = ask(client, qemu)
    asked.begin()
    asked.repeat()
    qemu.answers[1] = [{'device': 'new'}]
    qemu.say(b''.join(qemu.lines()))
    assert not asked.hear()
    asked.end()
    # What was heard, and what was not, is nobody's answer.
    assert status(client, qemu) == 'running'
    assert ask(client, qemu)[1] == qemu.answers


@pytest.mark.parametrize('is_asked', [False, True])
def test_event(client, qemu, is_asked):
    asked, _returned = ask(client, qemu)
    asked.begin()
    if is_asked:
        asked.repeat()
    qemu.say(line({'event': 'STOP'})[:7])
    assert not asked.hear()
    asked.end()
    qemu.say(line({'event': 'STOP'})[7:])
    if is_asked:
        qemu.asked(2)
    assert status(client, qemu) == 'running'


def test_what_was_not_asked_for_is_no_answer(client, qemu):
    asked, _returned = ask(client, qemu)
    asked.begin()
    asked.repeat()
    said = b''.join(qemu.lines())
    qemu.say(said * 2)
    assert not asked.hear()


def test_late_answers_are_not_taken_for_those_to_the_next(client, qemu):
    asked, _returned = ask(client, qemu)
    asked.begin()
    asked.repeat()
    late = b''.join(qemu.lines())
    qemu.say(late[:30])
    assert asked.hear()
    asked.end()
    qemu.answers[0] = {'status': 'paused'}

    def serve():
        qemu.say(late[30:] + b''.join(qemu.lines()))
    again = question.Question(client, COMMANDS)
    assert together(serve, lambda: again.ask(10)) == qemu.answers


def test_end_of_qemu(client, qemu):
    asked, _returned = ask(client, qemu)
    asked.begin()
    qemu.end()
    assert not asked.hear()
    with pytest.raises(OSError):
        asked.repeat()


def test_command_that_is_refused(client, qemu):
    def refuse():
        first, second = qemu.asked(2)
        qemu.say(line({'error': {'class': 'GenericError', 'desc': 'no'},
                       'id': first}))
        qemu.answer([], second)
    asked = question.Question(client, COMMANDS)
    with pytest.raises(qmp.QmpCommandError, match='query-status: no'):
        together(refuse, lambda: asked.ask(10))
    assert status(client, qemu) == 'running'
