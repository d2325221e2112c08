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

import runpy

import setuptools
from setuptools.command import build_ext

BUILD_VPM = 'nova_temporality/native/build_vpm.py'

built = runpy.run_path(BUILD_VPM)
# pbr replaces the keyword cmdclass by its own.
build_ext.build_ext = built['BuildExt']

# cffi's own keyword, cffi_modules, does nothing beside pbr's in some versions.
setuptools.setup(
    setup_requires=['pbr>=6.0'],
    pbr=True,
    ext_modules=built['extensions'](),
)
