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

"""What to do about a server that did not survive; see "At 3 a.m." in the docs.
"""

from nova_temporality.cli.report import model

_REBOOT = '"openstack server reboot --hard SERVER" boots it afresh'
_AGAIN = ('nova-compute tries again by itself, and at once after "temporality '
          'recover SERVER"')

# By the class of the exception that says why.
_BY_FAULT = {
    'DiskChanged':
        'Put the disk back as it was. If it is right as it is: "temporality '
        'recover SERVER --accept-disks"',
    'MemoryLost':
        'Look at the disk below swap_dir, then: ' + _REBOOT,
    'MovedPerhaps':
        'Stop it on the other host if it runs there, then: ' + _REBOOT,
    'NotOwner':
        'Look at the compute service of this host and at evacuations; ' +
        _AGAIN,
    'OutageTooLong':
        'If it should run on after such an outage, raise max_outage for its '
        'flavor',
    'StillMoving':
        'Wait until "virsh domjobinfo SERVER" shows no job any more',
}
_BY_VERDICT = {
    model.LOST: _REBOOT + '. Its disk is as after any power cut',
    model.NOT_FIXATED: '"temporality status" and "temporality drill" say what '
                       'keeps it from being fixated in time',
    model.WAITING: 'Remove the cause; ' + _AGAIN,
    model.BOOTED: 'Look after what it held in memory only',
    model.UNKNOWN: '"temporality region list" says whether its state is kept, '
                   '"openstack server event list SERVER" what was done since',
}


def remedy(verdict: str, fault: str) -> str:
    """Say what to do, '' for nothing; SERVER stands for the server's UUID.

    :param verdict: one of the model's
    :param fault: class of the exception that says why, or ''
    """
    if fault == 'OutageTooLong' and verdict == model.BOOTED:
        return _BY_FAULT[fault]
    return (_BY_FAULT.get(fault) if verdict in (model.LOST, model.WAITING)
            else None) or _BY_VERDICT.get(verdict, '')
