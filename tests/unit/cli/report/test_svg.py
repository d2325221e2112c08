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

"""The picture of an outage."""

import dataclasses

from lxml import etree
import pytest

from nova_temporality.cli.report import svg
from nova_temporality.host import recovery_log
from tests.framework import outages

SVG = '{http://www.w3.org/2000/svg}'


def drawn(report):
    return etree.fromstring(svg.picture(report))


def words(root):
    return [element.text for element in root.iter(SVG + 'text')]


def rows(root):
    """The servers' rows, by the phases that are drawn."""
    return [[bar.get('class') for bar in group.iter(SVG + 'rect')]
            for group in root.iter(SVG + 'g')]


@pytest.mark.parametrize('number', [0, 1, 3, 200])
def test_row_for_each_server(number):
    root = drawn(outages.mixed(number))
    assert len(rows(root)) == number
    assert words(root)[:2] == [
        'Outage %s: power failed' % outages.ID, outages.mixed(number).counts()]


def test_phases():
    phases = ['wait', 'stop', 'save', 'mark', 'queue', 'start', 'load', 'run']
    root = drawn(outages.mixed(3))
    assert rows(root) == [['wait', 'stop'], phases, phases]
    for bars in root.iter(SVG + 'g'):
        ends = [float(bar.get('x')) + float(bar.get('width'))
                for bar in bars.iter(SVG + 'rect')]
        assert ends == sorted(ends)


def test_verdicts_are_words():
    assert {'! lost', 'survived'} <= set(words(drawn(outages.mixed(3))))


def test_both_axes_and_what_is_between():
    found = words(drawn(outages.mixed(3)))
    assert {'10 ms', '2 s', 'dark', '4 min 57 s', 'host starts',
            '31.0 s', 'power lasts 10.0 ms'} <= set(found)


def test_host_that_was_not_booted():
    entry = dataclasses.replace(
        outages.entry(1), host_started_ns=outages.BEGAN - outages.S)
    found = words(drawn(outages.model_of([outages.outcome(1)], [entry])))
    assert {'dark', '30.0 s'} <= set(found)
    assert 'host starts' not in found


def test_without_a_recovery():
    found = words(drawn(outages.model_of([outages.outcome(1)])))
    assert 'Recovery' not in found
    assert 'dark' not in found


def test_budget_of_a_ups():
    found = words(drawn(outages.model_of([outages.outcome(1)],
                                         hold_up_ms=60000)))
    assert 'power lasts 1 min \u00bb' in found


def test_what_goes_beyond_an_axis_is_told():
    late = dataclasses.replace(outages.outcome(0),
                               fixated_ns=outages.S + 812 * outages.MS)
    outcomes = [late, outages.outcome(1), outages.outcome(2)]
    entries = [outages.entry(0, late=4000 * outages.S), outages.entry(1),
               outages.entry(2)]
    found = words(drawn(outages.model_of(outcomes, entries)))
    assert {'\u00bb 812 ms ', '\u00bb 1 h 6 min '} <= set(found)


def test_not_fixated_or_resumed_is_marked():
    root = drawn(outages.mixed(3))
    [lost, *others] = root.iter(SVG + 'g')
    assert words(lost).count('\u00d7') == 2
    assert not any('\u00d7' in words(other) for other in others)


def test_for_screen_readers():
    root = drawn(outages.mixed(3))
    assert root.get('role') == 'img'
    title, description = (
        root.find('*[@id="%s"]' % name)
        for name in root.get('aria-labelledby').split())
    assert (title.tag, description.tag) == (SVG + 'title', SVG + 'desc')
    assert '1 lost' in title.text
    assert 'web-2: lost' in description.text
    assert 'used 4.7 ms' in description.text


def test_nothing_is_needed_from_elsewhere():
    shown = svg.picture(outages.mixed(3))
    assert 'href' not in shown
    assert 'url(' not in shown


def test_printed_pages_stay_small():
    """Patterns took 172 MB for 200 servers, in Chromium."""
    assert drawn(outages.mixed(3)).find('.//%spattern' % SVG) is None


def test_names_are_texts():
    outcomes = [outages.outcome(number)
                for number in range(len(outages.HOSTILE))]
    entries = [outages.entry(number, recovery_log.FAILED, 'x', name,
                             display_name=name)
               for number, name in enumerate(outages.HOSTILE)]
    root = drawn(outages.model_of(outcomes, entries))
    assert root.find('.//%sscript' % SVG) is None
    assert '<script>alert(1)</script>' in words(root)
    assert any('\\x07' in text for text in words(root))
