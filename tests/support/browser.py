"""Fixtures for the tests of pages: the system's Chromium, without network."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import mkdtemp
from types import MappingProxyType
from typing import Any

import pytest
from fruit_layers import Fruits

import dout
from dout.draw import draw
from dout.trace.record.trace import Trace

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def chromium() -> str:
    """The path of a Chromium. Where there is none the test is skipped; in CI it fails."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        why = "no Chromium is installed (Debian's package chromium has one)"
        pytest.fail(why) if os.environ.get("CI") else pytest.skip(why)
    return found


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """One browser for all tests of a file."""
    path = chromium()
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as running:
        started = running.chromium.launch(executable_path=path, args=FLAGS)
        yield started
        started.close()


class Tabs:
    """The tabs of one browser, which the tests of a file share: a new one costs more than all that is done in it.

    `errors` is what the pages said that went wrong, `asked` what they loaded that is no file.
    """

    def __init__(self, browser: Any) -> None:
        self._browser = browser
        self._waiting: dict[str, list[Any]] = {}
        self._taken: list[tuple[list[Any] | None, Any]] = []
        self.asked: list[str] = []
        self.errors: list[str] = []

    def open(self, address: str, *, own: bool = False, **options: Any) -> Any:
        """A tab at an address; `own` for a test that changes the tab itself: its clock, its medium."""
        waiting = self._waiting.setdefault(repr(sorted(options.items())), [])
        page = waiting.pop() if waiting and not own else self._opened(options)
        self._taken.append((None if own else waiting, page))
        page.mouse.move(0, 0)
        page.goto(address)
        return page

    def _opened(self, options: Mapping[str, Any]) -> Any:
        page = self._browser.new_context(**options).new_page()
        page.set_default_timeout(5000)
        page.on("request", lambda asked: asked.url.startswith("file:") or self.asked.append(asked.url))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda said: self.errors.append(said.text))
        page.on("dialog", lambda dialog: (self.errors.append(dialog.message), dialog.dismiss()))
        return page

    def give_back(self) -> None:
        """The test has ended: another one may have its tabs."""
        for waiting, page in self._taken:
            page.context.close() if waiting is None else waiting.append(page)
        self._taken.clear()
        asked, errors = self.asked[:], self.errors[:]
        self.asked.clear()
        self.errors.clear()
        assert asked == []
        assert errors == []


@pytest.fixture(scope="module")
def tabs_of_file(browser: Any) -> Tabs:
    return Tabs(browser)


@pytest.fixture
def tabs(tabs_of_file: Tabs) -> Iterator[Tabs]:
    """Tabs for a test. No page may ask the network for anything, raise an error or open a dialog."""
    yield tabs_of_file
    tabs_of_file.give_back()


class Opener:
    """Opens the page of a trace."""

    def __init__(self, tabs: Tabs, folder: Path) -> None:
        self.tabs, self._folder = tabs, folder

    def __call__(self, trace: Trace, *, view: Mapping[str, Any] = MappingProxyType({}), **options: Any) -> Any:
        (file,) = draw(trace, **view).save(Path(mkdtemp(dir=self._folder)) / "page.html")
        return self.tabs.open(file.as_uri(), **{"viewport": {"width": 1200, "height": 760}, **options})


@pytest.fixture
def browser_page(tabs: Tabs, tmp_path: Path) -> Opener:
    """A function that opens the page of a trace."""
    return Opener(tabs, tmp_path)


TEXTS = """(kind) => [...document.querySelectorAll(`#picture .labels .${kind} text`)]
    .filter((text) => !text.closest('.later')).map((text) => text.textContent)"""


def shown(page: Any, kind: str) -> list[str]:
    """The values or gradients on screen."""
    found: list[str] = page.evaluate(TEXTS, kind)
    return sorted(found)


def said(page: Any) -> str:
    return str(page.text_content("#said"))


def fruits() -> Trace:
    return dout.trace(Fruits(), 100, 2, 150, 3, 1.1)


def type_into(page: Any, name: str, text: str) -> str:
    """Change an input, and return what the page says about it."""
    page.click(f'#picture .given:has(text:text-is("{name}"))')
    page.fill("#cells input", text)
    trouble = str(page.text_content("#trouble"))
    page.keyboard.press("Enter")
    return trouble
