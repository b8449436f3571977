"""What a notebook shows runs in a frame of its own, whatever page the notebook is."""

from __future__ import annotations

from typing import Any

from browser import browser
from draw_traces import one_layer

__all__ = ["browser"]  # a fixture


def test_the_page_works_in_its_frame_and_touches_nothing_outside(browser: Any) -> None:
    page = browser.new_page(viewport={"width": 900, "height": 700}, reduced_motion="reduce")
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.set_content(f"<p>before</p>{one_layer()._repr_html_()}<p>after</p>")
    frame = page.frame_locator("iframe")
    frame.locator("#picture .symbol").first.wait_for()
    assert frame.locator("#picture .symbol").all_text_contents() == ["−", "+", "/"]
    frame.locator("#close-all").click()
    frame.get_by_text("Sigmoid ▸").first.wait_for()
    assert frame.locator("#picture .opens .title").all_text_contents() == ["Sigmoid ▸"]
    assert page.locator("iframe").bounding_box()["width"] > 800
    assert page.locator("svg").count() == 0
    assert errors == []
    page.close()
