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

"""Privileged code as nova-compute calls it: over privsep's socket."""

from unittest import mock

from oslo_privsep import comm
from oslo_utils import importutils
import pytest

from nova_temporality import privsep
from nova_temporality import vpm


class _Wire:
    """Stands for a socket: lets through what that does."""

    def over(self, message):
        self._sent = b''
        comm.Serializer(self).send(message)
        return next(comm.Deserializer(self))

    def sendall(self, data):
        self._sent += data

    def recv(self, size):
        data, self._sent = self._sent[:size], self._sent[size:]
        return data


class _Channel:
    """What a PrivContext calls, in place of a helper process."""

    running = True

    def remote_call(self, name, args, kwargs, timeout):
        args, kwargs = _Wire().over((args, kwargs))
        function = importutils.import_class(name)
        assert privsep.pool_pctxt.is_entrypoint(function)
        with mock.patch.object(privsep.pool_pctxt, 'client_mode', False):
            return _Wire().over(function(*args, **kwargs))


@pytest.fixture
def helper():
    with mock.patch.object(privsep.pool_pctxt, 'client_mode', True), \
            mock.patch.object(privsep.pool_pctxt, 'channel', _Channel()):
        yield


@pytest.fixture
def pool(tmp_path):
    with vpm.Pool.create(str(tmp_path / 'pool'), total_size=64 << 20,
                         state_size=1 << 20, descriptors=8,
                         uid_base=0) as made:
        yield made
