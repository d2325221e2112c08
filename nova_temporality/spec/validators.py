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

"""Validators for ``temporality`` namespaced extra specs."""

from nova.api.validation.extra_specs import base

from nova_temporality.spec import disk_queues
from nova_temporality.spec import images
from nova_temporality.spec import max_outage
from nova_temporality.spec import persistence
from nova_temporality.spec import priority
from nova_temporality.spec import sizing


def register() -> list[base.ExtraSpecValidator]:
    """Entry point of the group nova.api.extra_spec_validators.

    It is also what Nova's API loads of ours, so images are kept clean here.
    """
    images.keep_out_of_images()
    return [
        base.ExtraSpecValidator(
            name=persistence.FLAVOR_EXTRA_SPEC,
            description=(
                'Whether servers of this flavor keep their whole memory over '
                'a power cut of their host. Needs hosts whose compute driver '
                'is ``temporality.TemporalityDriver``.'),
            value={'type': bool}),
        base.ExtraSpecValidator(
            name=sizing.MRR_EXTRA_SPEC,
            description=(
                'Percent of the memory of a persistent server that is in '
                'NVRAM; the rest is swapped. Excludes '
                '``temporality:nvram_mb``.'),
            value={'type': int, 'min': sizing.MRR_MIN,
                   'max': sizing.MRR_MAX}),
        base.ExtraSpecValidator(
            name=sizing.NVRAM_EXTRA_SPEC,
            description=(
                'MiB of NVRAM that a persistent server gets; the rest of its '
                'memory is swapped. At least 10 percent of its memory. '
                'Excludes ``temporality:mrr``.'),
            value={'type': int, 'min': 1}),
        base.ExtraSpecValidator(
            name=max_outage.MAX_OUTAGE_EXTRA_SPEC,
            description=(
                'Seconds after which an outage is too long for persistent '
                'servers of this flavor to run on; they are booted afresh '
                'then. 0 is no limit.'),
            value={'type': int, 'min': 0}),
        base.ExtraSpecValidator(
            name=priority.EXTRA_SPEC,
            description=(
                'When power fails, persistent servers with a higher number '
                'are fixated first. The default is %d.' % priority.DEFAULT),
            value={'type': int, 'min': priority.MIN, 'max': priority.MAX}),
        base.ExtraSpecValidator(
            name=disk_queues.SIZE_EXTRA_SPEC,
            description=(
                'How many requests each queue of a virtio disk of a '
                'persistent server may have in flight, a power of two. The '
                'default is %d. More may make fixations longer.' %
                disk_queues.DEFAULT.size),
            value={'type': int, 'min': disk_queues.MIN_SIZE,
                   'max': disk_queues.MAX_SIZE}),
        base.ExtraSpecValidator(
            name=disk_queues.COUNT_EXTRA_SPEC,
            description=(
                'How many queues each virtio disk of a persistent server '
                'has. The default is %d.' % disk_queues.DEFAULT.count),
            value={'type': int, 'min': 1, 'max': disk_queues.MAX_COUNT}),
    ]
