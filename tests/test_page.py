"""The page in a browser: steps, layers, other numbers, keyboard, screen readers, themes, print, hostile names."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from browser import Opener, browser, browser_page
from draw_traces import HOSTILE, branch, buy_fruits, hostile, one_layer

import dout
from dout.draw import draw
from dout.draw.demo import Fruits, Multiply
from dout.trace.model import Trace

__all__ = ["browser", "browser_page"]  # fixtures
Open = Opener

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
    assert words[4] == "× backward: swap the inputs; ∂L/∂all_price = 1 × 1.1 = 1.1; ∂L/∂tax = 1 × 650 = 650"
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
    page = browser_page(branch())
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


# --- other numbers ----------------------------------------------------------------------------------------------------


def type_into(page: Any, name: str, text: str) -> str:
    """Change an input, and return what the page says about it."""
    page.click(f'#picture .given:has(text:text-is("{name}"))')
    page.fill("#number", text)
    trouble = str(page.text_content("#trouble"))
    page.keyboard.press("Enter")
    return trouble


def expected(trace: Trace) -> tuple[list[str], list[str]]:
    """All values and gradients of a picture whose layers are open."""
    root = draw(trace, open="all").scene.level
    levels = [root, *(item.inside for item in root.everything() if item.inside is not None)]
    labels = [stem.label for level in levels for item in level.items for stem in item.stems]
    labels += [edge.label for level in levels for edge in level.edges]
    values = sorted(label.value.text for label in labels if label.value is not None)
    marks = [label.gradient for label in labels if label.gradient is not None]
    return values, sorted(f"◂ {mark.sums} {mark.shown.text}".replace("  ", " ") for mark in marks)


def test_another_number_gives_what_python_gives(browser_page: Open) -> None:
    page = browser_page(fruits())
    rng = random.Random(3)
    names = ["apple", "apple_num", "orange", "orange_num", "tax"]
    inputs: list[Any] = [100, 2, 150, 3, 1.1]
    for _ in range(12):
        i = rng.randrange(5)
        number = rng.choice([rng.randint(-500, 500), round(rng.uniform(-20, 20), 3), 1e-7, 12345678, 0.1])
        inputs[i] = float(number) if i == 4 else number
        assert type_into(page, names[i], repr(number)) == ""
        values, gradients = expected(dout.trace(Fruits(), *inputs))
        assert shown(page, "value") == values
        assert shown(page, "gradient") == gradients


def test_an_int_stays_an_int_and_a_float_a_float(browser_page: Open) -> None:
    page = browser_page(fruits())
    type_into(page, "apple", "9007199254740993")
    assert "1.801e16" in shown(page, "value")
    assert any("apple = 9007199254740993" in text for text in page.locator("#picture title").all_text_contents())
    type_into(page, "apple", "100.0")
    assert "100" in shown(page, "value")


def test_the_card_the_table_and_the_words_follow(browser_page: Open) -> None:
    page = browser_page(fruits())
    type_into(page, "tax", "2")
    page.fill("#step", "5")
    assert said(page).endswith("∂L/∂tax = 1 × 650 = 650")
    assert "1 × 2 = 2" in said(page)
    names = [item.get_attribute("aria-label") for item in page.locator("#picture [role=img]").all()]
    assert "multiply, inputs 650 and 2, output 1300, gradient 1" in names
    page.click("#as-table")
    rows = page.locator("#table tbody tr").all_text_contents()
    assert any("1300" in row for row in rows)
    page.click("#reset")
    assert not any("1300" in row for row in page.locator("#table tbody tr").all_text_contents())


def test_escape_brings_the_number_back(browser_page: Open) -> None:
    page = browser_page(fruits())
    page.click('#picture .given:has(text:text-is("tax"))')
    page.fill("#number", "3")
    assert "1950" in shown(page, "value")
    page.keyboard.press("Escape")
    assert "715" in shown(page, "value")
    assert not page.is_visible("#editor")


class Careful:
    """A layer that looks at its input, and divides."""

    def forward(self, x: float, y: float) -> float:
        self.x, self.y = x, y
        if x > 1:
            return x / y
        return x * y

    def backward(self, dout: float) -> tuple[float, float]:
        return dout / self.y, -dout * self.x / self.y**2


def test_the_page_says_when_it_cannot_recompute_and_why(browser_page: Open) -> None:
    page = browser_page(dout.trace(Careful(), 3.0, 2.0))
    assert "another way" in type_into(page, "x", "0.5")
    assert "1.5" in shown(page, "value")
    assert "divides by zero" in type_into(page, "y", "0")
    assert "no number" in type_into(page, "y", "two")
    assert type_into(page, "y", "4") == ""
    assert "0.75" in shown(page, "value")


class Scale:
    """One number times an array."""

    def forward(self, x: Any, k: float) -> Any:
        self.x, self.k = x, k
        return x * k

    def backward(self, dout: Any) -> tuple[Any, Any]:
        return dout * self.k, (dout * self.x).sum()


def test_an_array_says_that_it_cannot_be_changed(browser_page: Open) -> None:
    page = browser_page(dout.trace(Scale(), np.arange(6.0).reshape(2, 3), 2.0))
    for name, why in [("x", "only an input that is one number can be changed"), ("k", "arrays follow from it")]:
        page.click(f'#picture .given:has(text:text-is("{name}"))')
        assert why in page.text_content("#trouble")
        assert not page.is_editable("#number")
        page.keyboard.press("Escape")


def test_longer_numbers_get_room(browser_page: Open) -> None:
    page = browser_page(fruits(), view={"open": "all"})
    type_into(page, "apple", "-1.234567e-150")
    type_into(page, "orange", "0")
    page.wait_for_timeout(300)
    boxes = page.evaluate("""[...document.querySelectorAll('#picture text, #picture circle')]
        .filter((shape) => shape.getClientRects().length && !shape.closest('.over'))
        .map((shape) => { const { left, top, right, bottom } = shape.getBoundingClientRect();
            return [left, top + 3, right, bottom - 3, shape.tagName, shape.textContent]; })""")
    pairs = [(a, b) for i, a in enumerate(boxes) for b in boxes[:i] if "circle" in (a[4], b[4])]
    meeting = [(a, b) for a, b in pairs if a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]]
    symbols = {"×", "+"}
    assert [(a, b) for a, b in meeting if a[5] not in symbols and b[5] not in symbols] == []


class Wrong(Multiply):
    """A backward that is right only where both numbers are the same."""

    def backward(self, dout: float) -> tuple[float, float]:
        return dout * self.x, dout * self.y


def test_a_wrong_gradient_shows_when_the_numbers_show_it(browser_page: Open) -> None:
    page = browser_page(dout.trace(Wrong(), 3.0, 3.0))
    assert page.locator("#picture .wrong").count() == 0
    type_into(page, "x", "2")
    assert shown(page, "gradient") == ["◂ 1", "◂ ✗ 2 (right: 3)", "◂ ✗ 3 (right: 2)"]
    page.keyboard.press("End")
    assert "∂L/∂x = 2 ✗ right: 1 × 3 = 3" in said(page)
    assert page.locator("#picture .wrong").count() == 2


def test_derived_gradients_are_computed_again_too(browser_page: Open) -> None:
    page = browser_page(dout.trace(Distance(), 3.0, 4.0), view={"open": "all"})
    for a, b in [(5.0, 12.0), (0.5, 0.25), (-8.0, 15.0), (1e200, 1.0)]:
        type_into(page, "a", repr(a))
        type_into(page, "b", repr(b))
        with np.errstate(all="ignore"):
            values, gradients = expected(dout.trace(Distance(), a, b))
        assert shown(page, "value") == values
        assert shown(page, "gradient") == gradients


class Distance:
    """NumPy's functions on numbers, and two uses of one value."""

    def forward(self, a: float, b: float) -> float:
        self.a, self.b = a, b
        self.out = np.sqrt(a * a + b * b)
        return self.out

    def backward(self, dout: float) -> tuple[float, float]:
        return dout * self.a / self.out, dout * self.b / self.out


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
    page = browser_page(buy_fruits(), color_scheme="dark")
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
    alerts: list[str] = []
    page.on("dialog", lambda dialog: (alerts.append(dialog.message), dialog.dismiss()))
    for key in ("Home", "ArrowRight", "ArrowRight", "t", "t", "?", "Escape"):
        page.keyboard.press(key)
    page.click("#close-all")
    page.fill("#find", "<img src=x onerror=alert(5)>")
    assert alerts == []
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
    assert "Content Security Policy" in browser_page.errors.pop()


def test_a_drawn_backward_runs_again_from_what_it_kept(browser_page: Open) -> None:
    page = browser_page(fruits(), view={"backward": True, "open": "all"})
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    assert page.locator("#picture .ring").count() == 1
    assert page.locator("#timeline .word").all_text_contents() == ["backward"]
    page.keyboard.press("End")
    type_into(page, "tax", "2")
    texts = page.locator("#picture .labels text").all_text_contents()
    assert {"4", "200", "6", "300"} <= set(texts)
    assert "2.2" not in texts
