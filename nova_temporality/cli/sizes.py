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

"""Sizes on the command line."""

import argparse

from oslo_utils import strutils


def parse(text: str) -> int:
    """Return the bytes that e.g. "3G", "1.5GiB" or "4096" means.

    K, M, G and T are powers of 1024.
    """
    try:
        size = strutils.string_to_bytes(text.removesuffix('B') + 'B',
                                        return_int=True)
        if size < 0:
            raise ValueError()
        return int(size)
    except ValueError:
        raise argparse.ArgumentTypeError(
            '%r is not a size; give e.g. 4096, 16M or 1.5G' % text)


def show(size: int) -> str:
    """Return bytes in words, exactly."""
    for unit, shift in (('TiB', 40), ('GiB', 30), ('MiB', 20), ('KiB', 10)):
        if size and size % (1 << shift) == 0:
            return '%d %s' % (size >> shift, unit)
    return '%d bytes' % size
