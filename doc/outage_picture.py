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

"""python doc/outage_picture.py: the picture of an outage in the documentation.

It is made of the records of a real one, below doc/records. They are what a
host has in the directory "outages" of its pool, so those of another outage can
be put there.
"""

import pathlib

from nova_temporality.cli.report import build
from nova_temporality.cli.report import records
from nova_temporality.cli.report import svg
from nova_temporality.host import paths
from nova_temporality.host import recovery_log
from nova_temporality.notifier.reports import archive

_DOC = pathlib.Path(__file__).parent
RECORDS = _DOC / 'records'
PICTURE = _DOC / 'source' / '_static' / 'outage.svg'


def picture() -> str:
    """Return the picture of the last outage on record."""
    known = records.Records(
        archive.Archive(paths.outages(str(RECORDS))), [],
        recovery_log.read(str(RECORDS)))
    report = known.find(None)
    return svg.picture(build.build(report, known, report['hold_up_ms']))


if __name__ == '__main__':
    PICTURE.write_text(picture())
