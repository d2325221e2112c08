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

"""The report of an outage as a page, by its elements."""

import re

from lxml import html as lxml_html
import pytest

from nova_temporality.cli.report import html
from nova_temporality.host import recovery_log
from tests.framework import outages


def page(report):
    return lxml_html.fromstring(html.render(report))


def texts(elements):
    return [' '.join(element.text_content().split()) for element in elements]


def hostile():
    outcomes = [outages.outcome(number)
                for number in range(len(outages.HOSTILE))]
    return outages.model_of(outcomes, [
        outages.entry(number, recovery_log.FAILED, 'x', name,
                      display_name=name)
        for number, name in enumerate(outages.HOSTILE)])


def test_form():
    shown = html.render(outages.mixed(3))
    assert shown.startswith('<!DOCTYPE html>')
    root = lxml_html.fromstring(shown)
    assert root.get('lang') == 'en'
    assert root.find('head/meta[@charset="utf-8"]') is not None
    assert root.find('head/title').text == 'Outage %s: %s' % (
        outages.ID, '3 servers: 1 lost, 2 survived')


def test_headings_in_order():
    root = page(outages.mixed(3))
    assert texts(root.iter('h1')) == ['Outage ' + outages.ID]
    assert texts(root.iter('h2')) == [
        'At a glance', 'What to look after', 'What happened when',
        'Pictures', 'Servers']
    levels = [int(element.tag[1]) for element in root.iter('h1', 'h2', 'h3')]
    assert all(later - earlier <= 1
               for earlier, later in zip(levels, levels[1:]))


def test_all_is_well():
    root = page(outages.mixed(1))
    assert 'What to look after' not in texts(root.iter('h2'))


@pytest.mark.parametrize('number', [0, 1, 3, 200])
def test_table_has_all_servers(number):
    root = page(outages.mixed(number))
    *_, table = root.iter('table')
    assert 'Each server' in table.find('caption').text
    rows = table.findall('tbody/tr')
    assert len(rows) == number
    columns = len(table.findall('thead/tr/th'))
    assert all(head.get('scope') == 'col'
               for head in table.findall('thead/tr/th'))
    for row in rows:
        assert len(row) == columns
        assert row[0].tag == 'th'
        assert row[0].get('scope') == 'row'


def test_table_says_what_the_picture_says():
    *_, table = page(outages.mixed(3)).iter('table')
    lost, *others = table.findall('tbody/tr')
    assert texts(lost) == [
        'web-2%s' % outages.name_of(2), 'lost', '0.4', '1.6', '-', '-', '-',
        '-', '-', '-']
    assert lost[1].find('strong') is not None
    assert texts(others[0]) == [
        'web-1%s' % outages.name_of(1), 'survived', '0.3', '1.2', '3.6',
        '4.7', '412', '2.4 s', '2.5 s', '5 min 30 s']


def test_trouble_and_remedy():
    [trouble] = page(outages.mixed(3)).findall('.//div[@class="trouble"]')
    text = ' '.join(texts([trouble]))
    for part in ('Lost: 1 server', 'no valid marker', 'What to do: ',
                 'reboot --hard ' + outages.name_of(2), 'Servers: web-2.'):
        assert part in text


class TestPictures:

    @pytest.mark.parametrize('number,figures', [(0, 1), (1, 1), (3, 1),
                                                (24, 1), (25, 3)])
    def test_few_servers_have_one(self, number, figures):
        assert len(page(outages.mixed(number)).findall('.//figure')) == figures

    def test_many_servers_have_many(self):
        root = page(outages.mixed(200))
        overview, trouble, *others = root.findall('.//figure')
        assert 'a thin line each' in overview.find('figcaption').text
        assert len(overview.findall('.//g')) == 200
        assert trouble.find('figcaption').text == (
            'To look after: 1 to 7 of 7 servers')
        assert len(trouble.findall('.//g')) == 7
        assert sum(len(other.findall('.//g')) for other in others) == 193
        assert all(len(other.findall('.//g')) <= 24 for other in others)

    def test_same_scales(self):
        _overview, *figures = page(outages.mixed(200)).findall('.//figure')
        axes = {tuple(text for text in texts(figure.iter('text'))
                      if re.fullmatch(r'[\d.]+ m?s', text))
                for figure in figures}
        assert len(axes) == 1

    def test_names_of_elements_are_unique(self):
        root = page(outages.mixed(200))
        ids = [element.get('id') for element in root.iter()
               if element.get('id')]
        assert len(ids) == len(set(ids)) == 2 * len(root.findall('.//svg'))

    def test_for_screen_readers(self):
        root = page(outages.mixed(200))
        for svg in root.iter('svg'):
            assert svg.get('role') == 'img'
            for name in svg.get('aria-labelledby').split():
                assert root.get_element_by_id(name).text


@pytest.mark.parametrize('make', [lambda: outages.mixed(200), hostile])
def test_nothing_is_needed_from_elsewhere(make):
    root = page(make())
    for name in ('script', 'link', 'img', 'iframe', 'object', 'base'):
        assert root.find('.//' + name) is None
    for element in root.iter():
        assert not [name for name in element.attrib
                    if name.startswith('on') or name in ('href', 'src')]
    style, = root.iter('style')
    assert 'url(' not in style.text
    assert '@import' not in style.text


def test_names_are_texts():
    root = page(hostile())
    shown = texts(root.iter('bdi'))
    for name in ('<script>alert(1)</script>', ']]>', '--><!--', '&amp;"\'',
                 'line\\nfeed', 'bell\\x07\\x1b[2J', 'rtl\\u202eoverride',
                 '\\ud800', '\\ufffe', '\u05e9\u05dc\u05d5\u05dd'):
        assert name in shown
    # It can be written, too.
    html.render(hostile()).encode()
