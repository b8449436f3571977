"""The page in a browser: steps, layers, keyboard, screen readers, themes, print, hostile names."""

from __future__ import annotations

from typing import Any

import pytest
from browser import Opener, fruits, said, shown
from draw_traces import HOSTILE, branch, buy_fruits, hostile, one_layer

from dout.draw import draw

Open = Opener

# --- steps ------------------------------------------------------------------------------------------------------------


def test_the_page_opens_with_everything_shown(browser_page: Open) -> None:
    page = browser_page(buy_fruits())
    assert shown(page, "value") == sorted(["100", "2", "150", "3", "1.1", "200", "450", "650", "715"])
    assert "◂ 2.2" in shown(page, "gradient")
    assert page.text_content("#count") == "step 8 / 8"
    assert said(page) == ""


def test_steps_go_forward_and_then_backward(browser_page: Open) -> None:
    page = browser_page(buy_fruits())
    page.click("#first")
    assert shown(page, "value") == sorted(["100", "2", "150", "3", "1.1"])
    assert shown(page, "gradient") == []
    words = []
    for _ in range(8):
        page.click("#onward")
        words.append(said(page))
    assert words[0] == "× forward; 100 × 2 = 200"
    price, tax = "∂L/∂all_price = dout · tax = 1 × 1.1 = 1.1", "∂L/∂tax = dout · all_price = 1 × 650 = 650"
    assert words[4] == f"× backward: swap the inputs; {price}; {tax}"
    assert words == ["; ".join((s.card.title, *s.card.lines)) for s in draw(buy_fruits()).scene.steps()]


def test_each_step_shows_what_has_come_to_be(browser_page: Open) -> None:
    page = browser_page(buy_fruits())
    page.click("#first")
    counts = []
    for _ in range(8):
        page.keyboard.press("ArrowRight")
        counts.append((len(shown(page, "value")), len(shown(page, "gradient"))))
    values, gradients = zip(*counts, strict=True)
    assert values == (6, 7, 8, 9, 9, 9, 9, 9)
    assert list(gradients) == sorted(gradients)
    assert gradients[3] == 0
    assert gradients[-1] == 9
    page.keyboard.press("ArrowLeft")
    assert len(shown(page, "gradient")) == gradients[-2]


def test_the_card_stands_beside_its_item_with_a_ring_in_the_colour_of_its_phase(browser_page: Open) -> None:
    page = browser_page(buy_fruits())
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    assert page.locator("#picture .ring-forward").count() == 1
    assert page.locator("#picture .card-line-forward").all_text_contents() == ["100 × 2 = 200"]
    page.keyboard.press("End")
    assert page.locator("#picture .ring").count() == 1
    card, ring = page.locator("#picture .card").bounding_box(), page.locator("#picture .ring").bounding_box()
    assert card["y"] + card["height"] <= ring["y"] or card["y"] >= ring["y"] + ring["height"]
    assert card["x"] >= 0
    assert card["x"] + card["width"] <= 1200


def test_a_card_is_readable_however_small_the_picture(browser_page: Open) -> None:
    page = browser_page(buy_fruits(), reduced_motion="reduce")
    page.keyboard.press("End")
    for _ in range(9):
        page.keyboard.press("-")
    assert page.evaluate("dout.stage.camera.k") <= 0.5
    assert 12 < page.locator("#picture .card-title").first.bounding_box()["height"] < 22


def test_the_slider_goes_to_any_step(browser_page: Open) -> None:
    page = browser_page(buy_fruits())
    page.fill("#step", "3")
    assert said(page) == "+ forward; 200 + 450 = 650"
    assert page.get_attribute("#step", "aria-valuetext") == "step 3 of 8, forward"


def test_play_runs_to_the_end_and_can_be_stopped(browser_page: Open) -> None:
    page = browser_page(branch(), own=True)
    page.clock.install()
    page.keyboard.press(" ")
    assert page.get_attribute("#play", "aria-label") == "Pause"
    page.clock.run_for(2500)
    assert page.text_content("#count") == "step 2 / 6"
    page.keyboard.press(" ")
    page.clock.run_for(2500)
    assert page.text_content("#count") == "step 2 / 6"
    page.click("#play")
    page.clock.run_for(9000)
    assert page.text_content("#count") == "step 6 / 6"
    assert page.get_attribute("#play", "aria-label") == "Play"


def test_a_branch_says_its_sum_when_its_last_use_has_handed_back(browser_page: Open) -> None:
    page = browser_page(branch())
    page.keyboard.press("End")
    assert said(page).endswith("∂L/∂x = 1.1 + 0.4 = 1.5")
    assert "◂ 1.1 + 0.4 = 1.5" in shown(page, "gradient")
    page.keyboard.press("ArrowLeft")
    assert "◂ 1.1 + 0.4 = 1.5" not in shown(page, "gradient")


# --- layers -----------------------------------------------------------------------------------------------------------


def test_a_closed_layer_is_one_step_and_open_each_of_its_operators(browser_page: Open) -> None:
    page = browser_page(one_layer())
    assert page.text_content("#count") == "step 8 / 8"
    page.click("#picture .opens .title")
    assert page.text_content("#count") == "step 2 / 2"
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    assert said(page) == "Sigmoid forward; Sigmoid(0) → 0.5"
    assert page.locator("#picture .ring-forward").count() == 1


def test_steps_hold_when_a_layer_opens(browser_page: Open) -> None:
    page = browser_page(one_layer())
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert page.text_content("#count") == "step 2 / 8"
    page.click("#close-all")
    assert page.text_content("#count") == "step 0 / 2"
    page.click("#open-all")
    assert page.text_content("#count") == "step 2 / 8"


# --- keyboard and screen reader ---------------------------------------------------------------------------------------


def focused(page: Any) -> str:
    return str(page.evaluate("document.activeElement.getAttribute('aria-label') || document.activeElement.id"))


def test_everything_can_be_done_by_keyboard(browser_page: Open) -> None:
    page = browser_page(one_layer())
    for _ in range(40):
        page.keyboard.press("Tab")
        if focused(page).startswith("layer Sigmoid"):
            break
    assert page.evaluate("document.activeElement.getAttribute('aria-expanded')") == "true"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.getAttribute('aria-expanded')") == "false"
    page.keyboard.press("Home")
    assert page.text_content("#count") == "step 0 / 2"
    page.keyboard.press("ArrowRight")
    assert said(page).startswith("Sigmoid forward")
    page.keyboard.press("/")
    assert focused(page) == "Search the picture"
    page.keyboard.type("sig")
    assert "1 found" in page.text_content("#found")
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    assert page.is_visible("#help")
    page.keyboard.press("Escape")
    page.keyboard.press("t")
    assert page.is_visible("#table table")
    page.keyboard.press("t")


def test_an_input_is_changed_by_keyboard(browser_page: Open) -> None:
    page = browser_page(fruits())
    for _ in range(60):
        page.keyboard.press("Tab")
        if focused(page).startswith("apple = 100"):
            break
    assert focused(page) == "apple = 100, gradient 2.2, change it"
    page.keyboard.press("Enter")
    page.keyboard.type("50")
    page.keyboard.press("Enter")
    assert "605" in shown(page, "value")
    assert focused(page) == "apple = 50, gradient 2.2, change it"


def test_every_item_has_a_name_for_a_screen_reader(browser_page: Open) -> None:
    page = browser_page(buy_fruits())
    items = page.locator("#picture [role=img]").all()
    names = [item.get_attribute("aria-label") for item in items]
    assert "multiply mul_tax_layer, inputs 650 and 1.1, output 715, gradient 1" in names
    assert page.get_attribute("#said", "aria-live") == "polite"


def test_the_table_says_what_the_picture_shows(browser_page: Open) -> None:
    page = browser_page(buy_fruits())
    page.wait_for_selector("#table tbody tr", state="attached")
    rows = [row.split("|") for row in page.evaluate(
        "[...document.querySelectorAll('#table tr')].map((r) => [...r.cells].map((c) => c.textContent).join('|'))"
    )]  # fmt: skip
    assert rows[0] == ["name", "value", "gradient", "made by", "used by"]
    assert ["tax", "1.1", "650", "input", "× mul_tax_layer"] in rows
    assert len(rows) == 10


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(browser_page: Open, theme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = browser_page(fruits(), bypass_csp=True, color_scheme=theme, reduced_motion="reduce")
    page.keyboard.press("Home")
    for _ in range(6):
        page.keyboard.press("ArrowRight")
    for does in (lambda: None, lambda: page.keyboard.press("t"), lambda: page.keyboard.press("?")):
        does()
        results = axe.run(page).response["violations"]
        assert [(v["id"], [n["html"][:200] for n in v["nodes"]]) for v in results] == []


# --- themes, print, motion, hostile names -----------------------------------------------------------------------------


def test_d_turns_dark_and_back(browser_page: Open) -> None:
    page = browser_page(buy_fruits(), color_scheme="light")
    paper = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(paper) == "rgb(255, 255, 255)"
    page.keyboard.press("d")
    assert page.evaluate(paper) == "rgb(15, 20, 26)"
    page.keyboard.press("d")
    assert page.evaluate(paper) == "rgb(255, 255, 255)"


def test_a_reader_who_prefers_dark_gets_dark(browser_page: Open) -> None:
    page = browser_page(buy_fruits(), color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(15, 20, 26)"


def test_print_shows_the_picture_and_no_buttons(browser_page: Open) -> None:
    page = browser_page(buy_fruits(), own=True, color_scheme="dark")
    page.keyboard.press("t")
    page.emulate_media(media="print")
    for part in (".tools", "#timeline", "#table"):
        assert not page.locator(part).first.is_visible()
    assert page.is_visible("#picture")
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(26, 26, 26)"
    assert len(page.pdf()) > 5000


def test_nothing_moves_for_who_wants_no_motion(browser_page: Open) -> None:
    page = browser_page(one_layer(), reduced_motion="reduce")
    page.click("#picture .opens .title")
    place = page.evaluate("document.querySelector('#picture .opens').getAttribute('transform')")
    page.wait_for_timeout(300)
    assert page.evaluate("document.querySelector('#picture .opens').getAttribute('transform')") == place


MARKUP = {
    **{name: HOSTILE[name] for name in ("script", "quote", "control", "direction", "long")},
    "image": "</script><img src=x onerror=alert(1)><script>alert(2)</script>",
    "comment": "<!--<script>${alert(3)}`\\u003c",
}


@pytest.mark.parametrize("name", MARKUP)
def test_names_and_values_cannot_become_markup(browser_page: Open, name: str) -> None:
    page = browser_page(hostile(MARKUP[name]))
    for key in ("Home", "ArrowRight", "ArrowRight", "t", "t", "?", "Escape"):
        page.keyboard.press(key)
    page.click("#close-all")
    page.fill("#find", "<img src=x onerror=alert(5)>")
    assert browser_page.tabs.errors == []  # of an alert, too
    assert page.locator("img, iframe, [onclick], [onload], [onerror]").count() == 0
    assert page.locator("script").count() == 2  # the page's own data and script


def test_the_page_may_do_nothing_but_run_its_own_script(browser_page: Open) -> None:
    page = browser_page(buy_fruits())
    policy = page.get_attribute("meta[http-equiv=Content-Security-Policy]", "content")
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    page.evaluate(
        "document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.evil = 1'}))"
    )
    assert page.evaluate("window.evil") is None
    assert "Content Security Policy" in browser_page.tabs.errors.pop()
