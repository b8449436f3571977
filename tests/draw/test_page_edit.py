"""Other numbers on the page: what a changed input gives is what Python gives, or the page says why not."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from browser import Opener, fruits, said, shown, type_into
from fruit_layers import Fruits, Multiply

import dout
from dout.draw import draw
from dout.trace.record.trace import Trace

Open = Opener


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
    assert said(page).endswith("∂L/∂tax = dout · fruits = 1 × 650 = 650")
    assert "1 × 2 = 2" in said(page)
    names = [item.get_attribute("aria-label") for item in page.locator("#picture [role=img]").all()]
    assert "multiply taxed, inputs 650 and 2, output 1300, gradient 1" in names
    page.click("#as-table")
    rows = page.locator("#table tbody tr").all_text_contents()
    assert any("1300" in row for row in rows)
    page.click("#reset")
    assert not any("1300" in row for row in page.locator("#table tbody tr").all_text_contents())


def test_escape_brings_the_number_back(browser_page: Open) -> None:
    page = browser_page(fruits())
    page.click('#picture .given:has(text:text-is("tax"))')
    page.fill("#cells input", "3")
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
    assert "another branch" in type_into(page, "x", "0.5")
    assert "1.5" in shown(page, "value")
    assert "divides by zero" in type_into(page, "y", "0")
    assert "not a number" in type_into(page, "y", "two")
    assert type_into(page, "y", "4") == ""
    assert "0.75" in shown(page, "value")


class Scale:
    """One number times an array."""

    def forward(self, x: Any, k: float) -> Any:
        self.x, self.k = x, k
        return x * k

    def backward(self, dout: Any) -> tuple[Any, Any]:
        return dout * self.k, (dout * self.x).sum()


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
    assert "∂L/∂x = 2 ✗ right: dout · y = 1 × 3 = 3" in said(page)
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


def test_a_drawn_backward_runs_again_from_what_it_kept(browser_page: Open) -> None:
    page = browser_page(fruits(), view={"backward": True, "open": "all"})
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    assert page.locator("#picture .ring").count() == 1
    assert page.locator("#timeline .word").all_text_contents() == ["backward"]
    page.keyboard.press("End")
    page.keyboard.press("f")
    type_into(page, "tax", "2")
    texts = page.locator("#picture .labels text").all_text_contents()
    assert {"4", "200", "6", "300"} <= set(texts)
    assert "2.2" not in texts


@pytest.mark.long
def test_notes_say_that_they_are_about_the_recorded_numbers(browser_page: Open) -> None:
    page = browser_page(dout.trace(Wrong(), 3.0, 2.0))
    notes = page.locator("#notes li")
    assert not notes.first.is_visible()
    type_into(page, "x", "2")
    assert notes.first.is_visible()
    assert page.locator("#picture .wrong").count() == 0
    page.click("#reset")
    assert not notes.first.is_visible()
