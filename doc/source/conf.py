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

"""Configuration of the documentation's build."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent / '_ext'))

project = 'Temporality'
extensions = ['openstackdocstheme', 'oslo_config.sphinxext',
              'reno.sphinxext', 'cliff.sphinxext', 'source_reference']
html_theme = 'openstackdocs'
master_doc = 'index'
autoprogram_cliff_app_dist_name = 'nova-temporality'
copyright = 'the Temporality developers'

openstackdocs_repo_name = 'temporality/nova-temporality'
openstackdocs_auto_name = False
