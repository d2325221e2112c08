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

"""Configuration of the manual pages' build.

Their sources are a part of the documentation, doc/source/man. Nothing of them
refers to the rest, and few extensions are needed, because Debian's packages
build them, too:

    sphinx-build -W -b man -c doc/man doc/source/man DIRECTORY
"""

from importlib import metadata

project = 'Temporality'
extensions = ['cliff.sphinxext', 'oslo_config.sphinxext']
master_doc = 'index'
release = metadata.version('nova-temporality')
autoprogram_cliff_app_dist_name = 'nova-temporality'

# Page, name, what it is in a line, authors, section.
man_pages = [
    ('temporality', 'temporality',
     'persistent OpenStack servers of this host', '', 8),
    ('temporality-notifier', 'temporality-notifier',
     'fixates persistent OpenStack servers when power fails', '', 8),
    ('temporality-engine', 'temporality-engine',
     'writes the states of persistent OpenStack servers to NVRAM', '', 8),
    ('temporality-status', 'temporality-status',
     'is this compute host ready for persistent OpenStack servers?', '', 8),
    ('temporality.conf', 'temporality.conf',
     'configuration of persistent OpenStack servers', '', 5),
]
