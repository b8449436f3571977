"""What a notebook shows runs in a frame of its own, whatever page the notebook is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from draw_traces import one_layer


@pytest.fixture
def notebook(browser: Any) -> Iterator[Callable[[str], Any]]:
    """A function that opens a page with this in it. Nothing may be said to be wrong there."""
    page = browser.new_page(viewport={"width": 900, "height": 700}, reduced_motion="reduce")
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)

    def opened(content: str) -> Any:
        page.set_content(content)
        return page

    yield opened
    page.close()
    assert errors == []


def test_the_page_works_in_its_frame_and_touches_nothing_outside(notebook: Callable[[str], Any]) -> None:
    page = notebook(f"<p>before</p>{one_layer()._repr_html_()}<p>after</p>")
    frame = page.frame_locator("iframe")
    frame.locator("#picture .symbol").first.wait_for()
    assert frame.locator("#picture .symbol").all_text_contents() == ["−", "+", "/"]
    frame.locator("#close-all").click()
    frame.get_by_text("Sigmoid ▸").first.wait_for()
    assert frame.locator("#picture .opens .title").all_text_contents() == ["Sigmoid ▸"]
    assert page.locator("iframe").bounding_box()["width"] > 800
    assert page.locator("svg").count() == 0


@pytest.mark.long
def test_a_page_that_a_notebook_hides_at_first_is_drawn_when_it_is_shown(notebook: Callable[[str], Any]) -> None:
    page = notebook(f"<div style='width: 0'>{one_layer()._repr_html_()}</div>")
    frame = page.frame_locator("iframe")
    frame.get_by_role("button", name="Fit").wait_for(state="attached")
    page.evaluate("document.querySelector('div').style.width = '100%'")
    frame.locator("#picture .symbol").first.wait_for()
    assert frame.locator("#picture .symbol").all_text_contents() == ["−", "+", "/"]
    page.evaluate("document.querySelector('div').style.display = 'none'")
    page.evaluate("document.querySelector('div').style.display = 'block'")
    frame.locator("#picture .symbol").first.wait_for()
