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

"""Where things are in the picture of an outage, in pixels."""

import dataclasses

from nova_temporality.cli.report import scale

MARGIN = 8
WIDTH = 820
# From the left: names, milliseconds, the broken axis, seconds, verdicts.
NAMES_END = 168
FIXATION = (176, 424)
BREAK = (432, 556)
RECOVERY = (564, 716)
VERDICTS = 724
# From the top: the heading, which may be left out, then the axes' names.
TITLE_END = 54
HEAD_END = 86
ROW = 18
THIN_ROW = 3
FOOT = 84

# Right of what is still on an axis.
_REST = 12


@dataclasses.dataclass(frozen=True)
class Layout:
    """Where instants are."""

    scales: scale.Scales

    def x_ms(self, milliseconds: float) -> float:
        """Where an instant of a fixation is."""
        left, right = FIXATION
        return left + self.scales.fixation.part(milliseconds) * (
            right - left - _REST)

    def x_s(self, axis: scale.Axis, seconds: float) -> float:
        """Where an instant of a recovery is.

        :param axis: that of recoveries
        :param seconds: since the event
        """
        left, right = RECOVERY
        return left + axis.part(seconds - self.scales.zero_s) * (
            right - left - _REST)
