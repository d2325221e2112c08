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

"""Disks that only a pVM's QEMU reaches, as its domain has them."""

from __future__ import annotations

from collections import abc
import re
from typing import Any

from lxml import etree
from oslo_utils import uuidutils


def names(xml: str) -> list[str]:
    """What operators know them by: volumes' UUIDs, or names of images.

    :param xml: of the domain
    """
    return [_name(disk) for disk in _disks(xml)]


def told(xml: str, text: str) -> str:
    """Have a text name disks as operators do.

    :param xml: of the running domain
    :param text: that names them as QEMU does
    """
    for disk in _disks(xml):
        alias = disk.find('alias')
        if alias is not None:
            text = re.sub(r'(/machine/peripheral/)?\b%s(/virtio-backend)?:' %
                          re.escape(alias.get('name')),
                          lambda _found: _name(disk) + ':', text)
    return text


def _disks(xml: str) -> abc.Iterator[Any]:
    for disk in etree.fromstring(xml).findall('devices/disk'):
        source = disk.find('source')
        if source is not None and not (
                source.get('file') or source.get('dev')):
            yield disk


def _name(disk: Any) -> str:
    serial = disk.findtext('serial')
    if uuidutils.is_uuid_like(serial):
        return 'volume %s' % serial
    return (disk.find('source').get('name') or
            disk.find('target').get('dev') or '')
