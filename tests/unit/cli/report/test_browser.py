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

"""The page as a browser shows it: nothing is cut off, no words overlap."""

import dataclasses
import json
import shutil
import subprocess

from lxml import html as lxml_html
import pytest

from nova_temporality.cli.report import html
from nova_temporality.cli.report import model
from nova_temporality.cli.report import svg
from tests.framework import outages
from tests.unit.cli.report import test_html

_CHROMIUM = shutil.which('chromium')

pytestmark = pytest.mark.skipif(
    not _CHROMIUM, reason='chromium is not there: it takes 300 MB, so it is '
    'not installed with the rest (apt-get install chromium)')

# Runs in the page; what it finds goes into the element "found".
_SCRIPT = """
const found = {overlapping: [], outside: [], small: []};
for (const svg of document.querySelectorAll('svg')) {
  const frame = svg.getBoundingClientRect();
  const texts = [...svg.querySelectorAll('text')].map(
    text => [text.textContent, text.getBoundingClientRect()]);
  texts.forEach(([words, box], number) => {
    if (box.left < frame.left - 1 || box.right > frame.right + 1 ||
        box.top < frame.top - 1 || box.bottom > frame.bottom + 1)
      found.outside.push(words);
    if (box.height < 11) found.small.push(words);
    for (const [others, other] of texts.slice(number + 1))
      if (box.left < other.right - 1 && other.left < box.right - 1 &&
          box.top < other.bottom - 3 && other.top < box.bottom - 3)
        found.overlapping.push([words, others]);
  });
}
found.texts = document.querySelectorAll('svg text').length;
found.wide = document.documentElement.scrollWidth - window.innerWidth;
const place = document.createElement('pre');
place.id = 'found';
place.textContent = JSON.stringify(found);
document.body.append(place);
"""


def run(tmp_path, *options):
    process = subprocess.run(
        [_CHROMIUM, '--headless', '--no-sandbox', '--disable-gpu',
         '--disable-dev-shm-usage', '--hide-scrollbars',
         '--user-data-dir=%s' % (tmp_path / 'profile'),
         '--window-size=1000,1400', *options,
         (tmp_path / 'page.html').as_uri()],
        capture_output=True, timeout=300, check=True)
    return process.stdout.decode()


def called_off():
    ring = [outages.outcome(number) for number in range(3)]
    return outages.model_of(ring, (), outages.report_of(
        *ring, called_off='2026-01-31T23:00:03.500+00:00'))


def ups():
    ring = [outages.outcome(number) for number in range(3)]
    return outages.model_of(ring, [
        outages.entry(0, late=4000 * outages.S), outages.entry(1),
        outages.entry(2)], hold_up_ms=600000)


def everything():
    """Every verdict, so that the heading is as long as can be."""
    report = outages.mixed(200)
    return dataclasses.replace(report, servers=tuple(
        dataclasses.replace(server, verdict=model.VERDICTS[number % 8])
        for number, server in enumerate(report.servers)))


def test_heading_of_a_picture_alone(tmp_path):
    check(tmp_path, '<!DOCTYPE html><html><body>%s</body></html>' %
          svg.picture(everything()))


@pytest.mark.parametrize('make', [
    lambda: outages.mixed(1), lambda: outages.mixed(3),
    lambda: outages.mixed(200), test_html.hostile, called_off, ups],
    ids=['1', '3', '200', 'hostile', 'called off', 'ups'])
def test_words_can_be_read(tmp_path, make):
    page = html.render(make())
    root = check(tmp_path, page)
    # A browser reads the same elements from it.
    assert len(root.findall('.//tr')) == page.count('<tr>')


def check(tmp_path, page):
    (tmp_path / 'page.html').write_text(page.replace(
        '</body>', '<script>%s</script></body>' % _SCRIPT))
    root = lxml_html.fromstring(run(tmp_path, '--dump-dom'))
    found = json.loads(root.get_element_by_id('found').text)
    assert found.pop('texts') > 10
    assert found.pop('wide') <= 0
    assert found == {'overlapping': [], 'outside': [], 'small': []}
    return root


def test_printed_page_is_not_large(tmp_path):
    (tmp_path / 'page.html').write_text(html.render(outages.mixed(200)))
    run(tmp_path, '--print-to-pdf=%s' % (tmp_path / 'page.pdf'))
    assert 10**4 < (tmp_path / 'page.pdf').stat().st_size < 5 * 10**6
