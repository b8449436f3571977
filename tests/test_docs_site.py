"""The documentation site builds without a warning, without network, and holds together."""

import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe

HOME = Path(__file__).resolve().parents[1]
LOOKED_AT = ("index", "tutorials/slides.ja", "checking", "reference/commands", "findings/D201")  # one of a kind
OF_THESE_KINDS = ("tutorials/slides", "tutorials/check", "explaining", "reference/primitives", "architecture")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site, built from a copy of docs/: its reference is written beside the pages."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copytree(HOME / "docs", folder / "docs", ignore=shutil.ignore_patterns("reference", "__pycache__"))
    arguments = ["-m", "sphinx", "-q", "-W", "--keep-going", "-c", "docs/site", "docs", "built"]
    run = subprocess.run([sys.executable, *arguments], cwd=folder, check=False, capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "")
    return folder / "built"


@pytest.fixture(scope="module")
def page(browser):
    """One tab for all pages, without network."""
    return browser.new_context(offline=True).new_page()


class Links(HTMLParser):
    """The links and the anchors of a page."""

    def __init__(self, text):
        super().__init__()
        self.links, self.anchors = set(), set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        told = dict(attributes)
        self.links |= {told[key] for key in ("href", "src") if told.get(key)}
        self.anchors |= {told["id"]} if told.get("id") else set()


def test_no_link_is_dead_and_nothing_is_loaded_from_elsewhere(site):
    texts = {page: page.read_text(encoding="utf-8") for page in site.rglob("*.html") if "_static" not in page.parts}
    pages = {page: Links(text) for page, text in texts.items()}

    def leads_nowhere(page, link):
        parts = urlsplit(link)
        target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
        target = target / "index.html" if target.is_dir() else target
        known = pages[target].anchors if target in pages else {unquote(parts.fragment)}
        return not target.is_file() or (parts.fragment and unquote(parts.fragment) not in known)

    own = [(page, link) for page, found in pages.items() for link in found.links if not urlsplit(link).scheme]
    assert [(page.name, link) for page, link in own if leads_nowhere(page, link)] == []
    elsewhere = re.compile(r'<(?:script|img|link rel="stylesheet")[^>]*(?:src|href)="https?:[^"]*"')
    assert [found for text in texts.values() for found in elsewhere.findall(text)] == []


def test_a_newcomer_finds_how_to_check_a_repository_in_two_clicks(site):
    first = Links((site / "index.html").read_text(encoding="utf-8")).links
    assert "tutorials/check.html" in {urlsplit(link).path for link in first}
    assert "../checking.html" in Links((site / "tutorials" / "check.html").read_text(encoding="utf-8")).links


@pytest.mark.parametrize("name", [*LOOKED_AT, *(pytest.param(one, marks=pytest.mark.long) for one in OF_THESE_KINDS)])
def test_a_page_can_be_read_by_everyone(page, site, name):
    page.goto((site / f"{name}.html").as_uri())
    violations = Axe().run(page).response["violations"]
    assert [(v["id"], [node["html"][:120] for node in v["nodes"]][:3]) for v in violations] == []


def test_the_reference_has_every_command_and_every_verb(site):
    from dout import __all__ as verbs
    from dout.cli import commands

    told = (site / "reference" / "commands.html").read_text(encoding="utf-8")
    assert [name for name in commands.commands if f"dout {name}" not in told] == []
    told = (site / "reference" / "python.html").read_text(encoding="utf-8")
    assert [name for name in verbs if f"dout.{name}" not in told] == []


def test_a_search_finds_pages(page, site):
    page.goto(f"{(site / 'search.html').as_uri()}?q=softmax")
    page.wait_for_selector("#search-results li a:has-text('softmax')")


@pytest.mark.long
def test_the_site_can_be_searched(site):
    index = (site / "searchindex.js").read_text(encoding="utf-8")
    assert "backward" in index
    assert "stabilis" in index
    assert "softmax" in index
