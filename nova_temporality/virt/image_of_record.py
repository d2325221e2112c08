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

"""Which image a server is said to be from.

Nova's API writes a rebuild's new image into the server before it asks the
driver, and has no way to refuse earlier: request filters do not run for
rebuilds. So after a refusal the driver puts back what was there: in the
server, and in its RequestSpec, by which the scheduler places it later. The
image that the server runs from is in libvirt's domain, where Nova writes it.
"""

from __future__ import annotations

from typing import Any

from lxml import etree
from nova import context as nova_context
from nova import exception as nova_exception
from nova import objects
from nova import utils as nova_utils
from nova.virt.libvirt import config as vconfig
from nova.virt.libvirt import host as libvirt_host
from oslo_log import log as logging

LOG = logging.getLogger(__name__)

_ROOT = ".//{%s}root[@type='image']" % vconfig.NOVA_NS
_BASE = nova_utils.SM_IMAGE_PROP_PREFIX + 'base_image_ref'


def restore(context: nova_context.RequestContext, host: libvirt_host.Host,
            image_api: Any, instance: objects.Instance) -> None:
    """Describe a server whose rebuild was refused by its own image again.

    :param image_api: Nova's, of Glance
    """
    image_ref = _running(host, instance)
    if not instance.image_ref or image_ref in (None, instance.image_ref):
        return
    refused, instance.image_ref = instance.image_ref, image_ref
    try:
        image = image_api.get(context, image_ref)
    except nova_exception.NovaException as exc:
        LOG.warning('The properties of the refused image %s stay with the '
                    'server, as those of its own are not to be had: %s',
                    refused, exc, instance=instance)
        instance.save()
        return
    _describe(instance, image)
    instance.save()
    _tell_scheduler(context, instance, image, refused)


def _tell_scheduler(context: nova_context.RequestContext,
                    instance: objects.Instance, image: dict[str, Any],
                    refused: str) -> None:
    """Have the scheduler go by a server's own image again.

    nova-conductor does it. That of a cell often has no access to the API's
    database.
    """
    try:
        spec = objects.RequestSpec.get_by_instance_uuid(context,
                                                        instance.uuid)
        spec.image = objects.ImageMeta.from_dict(image)
        spec.save()
    except Exception as exc:
        LOG.warning('The scheduler goes by the refused image %s until the '
                    'next rebuild, as nova-conductor cannot change that: %s',
                    refused, exc, instance=instance)


def _running(host: libvirt_host.Host,
             instance: objects.Instance) -> str | None:
    try:
        xml = host.get_guest(instance).get_xml_desc()
    except nova_exception.InstanceNotFound:
        return None
    root = etree.fromstring(xml).find(_ROOT)
    return None if root is None else root.get('uuid')


def _describe(instance: objects.Instance, image: dict[str, Any]) -> None:
    """Take over what Nova takes over of an image."""
    noted = instance.system_metadata
    for key in list(noted):
        if key.startswith(nova_utils.SM_IMAGE_PROP_PREFIX):
            del noted[key]
    noted.update(nova_utils.get_system_metadata_from_image(
        image, instance.flavor))
    noted.setdefault(_BASE, instance.image_ref)
    properties = image.get('properties', {})
    for name in ('os_type', 'architecture', 'vm_mode'):
        setattr(instance, name, properties.get(name))
    has_kernel = properties.get('kernel_id') not in (None, 'nokernel')
    for name in ('kernel_id', 'ramdisk_id'):
        setattr(instance, name,
                properties.get(name) or '' if has_kernel else '')
