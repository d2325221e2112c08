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

"""The pocket cloud: a real single-node OpenStack on the loopback device.

Everything below one state directory, every listener on 127.0.0.1, every
service once.  The modules:

* layout: where everything is (paths, ports, secret)
* process: daemons with pid records; nothing else is ever killed
* service, services: what a service is, and the table of them
* config: the configuration files, rendered from templates
* graph: tasks in parallel, each as soon as what it needs is done
* database, catalog, tenant: the contents of a usable cloud
* disk, network, host: a compute host, its power cut and its boot
* second_host, second_host_network: another compute host, for the tests that
  need two
* blockstorage, volume_files: Cinder and its driver; started on request
* client: the openstack client and the operator's command, for users
* guest, namespace: a server's guest, reached over the network
* cli: up, down, status
"""
