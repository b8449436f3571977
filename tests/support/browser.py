"""A browser for the tests of the page: the system's Chromium, without network."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
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


class Opener:
    """Opens the page of a trace. `errors` is what the pages said that went wrong, `asked` what they loaded."""

    def __init__(self, browser: Any, folder: Path) -> None:
        self._browser, self._folder = browser, folder
        self.contexts: list[Any] = []
        self.asked: list[str] = []
        self.errors: list[str] = []

    def __call__(self, trace: Trace, *, view: Mapping[str, Any] = MappingProxyType({}), **options: Any) -> Any:
        (file,) = draw(trace, **view).save(self._folder / f"page{len(self.contexts)}.html")
        context = self._browser.new_context(**{"viewport": {"width": 1200, "height": 760}, **options})
        self.contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(5000)
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda said: self.errors.append(said.text) if said.type == "error" else None)
        page.goto(file.as_uri())
        return page


@pytest.fixture
def browser_page(browser: Any, tmp_path: Path) -> Iterator[Opener]:
    """A function that opens the page of a trace. No page may ask the network for anything, or raise an error."""
    opener = Opener(browser, tmp_path)
    yield opener
    for context in opener.contexts:
        context.close()
    assert [url for url in opener.asked if not url.startswith("file:")] == []
    assert opener.errors == []


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
