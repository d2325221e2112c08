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
administrator chose.  Writes nothing if the entry exists already.  Runs on
the system's Python with nothing but the standard library.
"""

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


def derive(root, release, wanted, ignore):
    """Return (suffix, text) of the entry to add, or None if it is there.

    :param ignore: path of an earlier result, without its suffix
    Raises LookupError if no entry offers the release itself.
    """
    found = None
    sources = sorted(root.glob('sources.list.d/*.sources'))
    lists = [root / 'sources.list',
             *sorted(root.glob('sources.list.d/*.list'))]
    for path in sources:
        if path.with_suffix('') == ignore:
            continue
        for fields in parse_deb822(path.read_text()):
            suites = fields.get('Suites', '').split()
            if ('deb' not in fields.get('Types', '').split() or
                    'main' not in fields.get('Components', '').split()):
                continue
            if wanted in suites and wanted != release:
                return None
            if release in suites and found is None:
                found = '.sources', deb822_entry(fields, wanted)
    for path in lists:
        if path.with_suffix('') == ignore or not path.exists():
            continue
        for match in ONE_LINE.finditer(path.read_text()):
            if ('main' not in match['components'].split() or
                    match['uri'].startswith('cdrom:')):
                continue
            if match['suite'] == wanted != release:
                return None
            if match['suite'] == release and found is None:
                found = '.list', 'deb %s%s %s main\n' % (
                    match['options'] or '', match['uri'], wanted)
    if found is None:
        raise LookupError('no apt entry below %s offers %s main'
                          % (root, release))
    return found


def main(suite, stem):
    """Write the derived entry; print the name of the file, if any."""
    stem = pathlib.Path(stem)
    try:
        entry = derive(pathlib.Path('/etc/apt'), codename(), suite, stem)
    except LookupError as e:
        sys.exit(str(e))
    for suffix in ('.sources', '.list'):
        stem.with_suffix(suffix).unlink(missing_ok=True)
    if entry is None:
        return
    target = stem.with_suffix(entry[0])
    target.write_text('# Derived from the entry of the release itself.\n' +
                      entry[1])
    print(target)


if __name__ == '__main__':
    main(*sys.argv[1:])
