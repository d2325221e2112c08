#!/usr/bin/python3
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

"""Derive an apt entry for another suite from the machine's own.

Usage: apt_entry.py SUITE OUTPUT_STEM

Looks for the entry of the release itself in /etc/apt and writes the same
entry, with only the suite and the components changed, to OUTPUT_STEM.sources
or OUTPUT_STEM.list, so that a mirror, its key and its options stay what the
administrator chose.  Writes no entry into /etc/apt that is there already.
Runs on the system's Python with nothing but the standard library.
"""

import functools
import pathlib
import re
import sys


def codename(os_release='/etc/os-release'):
    """The release's code name, such as bookworm."""
    text = pathlib.Path(os_release).read_text()
    return re.search(r'^VERSION_CODENAME="?(\w+)', text, re.M).group(1)


def parse_deb822(text):
    """Yield a dict of field to raw value for each enabled stanza."""
    text = re.sub(r'^#.*\n?', '', text, flags=re.M)
    for stanza in re.split(r'\n\s*\n', text):
        fields = dict(re.findall(r'^([\w-]+):[ \t]*(.*(?:\n[ \t].*)*)',
                                 stanza, re.M))
        if fields and fields.get('Enabled', 'yes').strip() != 'no':
            yield fields


ONE_LINE = re.compile(r'^deb\s+(?P<options>\[[^]]*\]\s+)?(?P<uri>\S+)\s+'
                      r'(?P<suite>\S+)\s+(?P<components>[^#\n]+)', re.M)


def deb822_entry(fields, suite):
    """The stanza that offers another suite of the same archive."""
    fields = dict(fields, Types='deb', Suites=suite, Components='main')
    return ''.join('%s: %s\n' % item if item[1][:1] != '\n' else '%s:%s\n'
                   % item for item in fields.items())


def one_line_entry(match, suite):
    """The line that offers another suite of the same archive."""
    return 'deb %s%s %s main\n' % (match['options'] or '', match['uri'], suite)


def entries(root, ignore):
    """Yield what the entries below a directory offer.

    :param ignore: path of an earlier result, without its suffix
    :returns: (suites, suffix, function of a suite that returns an entry's
        text) for each entry of binary packages with the component main
    """
    lists = [root / 'sources.list',
             *sorted(root.glob('sources.list.d/*.list'))]
    for path in sorted(root.glob('sources.list.d/*.sources')):
        if path.with_suffix('') == ignore:
            continue
        for fields in parse_deb822(path.read_text()):
            if ('deb' in fields.get('Types', '').split() and
                    'main' in fields.get('Components', '').split()):
                yield (fields.get('Suites', '').split(), '.sources',
                       functools.partial(deb822_entry, fields))
    for path in lists:
        if path.with_suffix('') == ignore or not path.exists():
            continue
        for match in ONE_LINE.finditer(path.read_text()):
            if ('main' in match['components'].split() and
                    not match['uri'].startswith('cdrom:')):
                yield ([match['suite']], '.list',
                       functools.partial(one_line_entry, match))


def derive(found, release, wanted):
    """Return (suffix, text) of the entry of another suite.

    :param found: what entries() yields
    Raises LookupError if none of them offers the release itself.
    """
    for suites, suffix, entry in found:
        if release in suites:
            return suffix, entry(wanted)
    raise LookupError('no apt entry offers %s main' % release)


def main(suite, stem):
    """Write the derived entry; print the name of the file, if any."""
    apt = pathlib.Path('/etc/apt')
    stem = pathlib.Path(stem)
    found = list(entries(apt, stem))
    try:
        suffix, text = derive(found, codename(), suite)
    except LookupError as e:
        sys.exit('%s, below %s' % (e, apt))
    for old in ('.sources', '.list'):
        stem.with_suffix(old).unlink(missing_ok=True)
    if apt in stem.parents and any(suite in suites for suites, *_ in found):
        return
    target = stem.with_suffix(suffix)
    target.write_text('# Derived from the entry of the release itself.\n' +
                      text)
    print(target)


if __name__ == '__main__':
    main(*sys.argv[1:])
