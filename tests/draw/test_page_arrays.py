"""The cells of arrays on the page: after a change every number shown is what Python gives for the changed array."""

from __future__ import annotations

import copy
import json
from typing import Any

import numpy as np
import pytest
from browser import Opener, said
from page_cells import Affine, Convolution, Embedding, Maximum, Normalised, Recurrent, SoftmaxLoss, Switch

import dout
from dout.draw import draw
from dout.draw.page.page_data import page_data

Open = Opener
VIEW = {"open": "all"}

NOW = """() => Object.fromEntries(dout.data.levels
    .flatMap((level) => [...level.items.flatMap((item) => item.stems || []), ...level.branches])
    .filter((each) => each.label)
    .map(({ label }) => ({ ...label, ...dout.state.values.get(label.id) }))
    .map(({ id, value, gradient }) => [id, [...value, '|', ...gradient]]))"""
CENTRE = """(name) => dout.centre(dout.data.levels.flatMap((level) => level.items)
    .find((item) => item.kind === 'input' && item.text === name).id)"""
ROWS = """() => [...document.querySelectorAll('#table tbody tr')]
    .map((row) => [...row.cells].slice(1, 3).map((cell) => cell.textContent))"""
SAYS = """() => Object.fromEntries([...document.querySelectorAll('#picture [role=img]')]
    .map((item) => [item.dataset.item, item.getAttribute('aria-label')]))"""


def labels(data: Any) -> dict[str, Any]:
    """The shapes of each label of a page."""
    levels = json.loads(json.dumps(data))["levels"]
    stems = [stem for level in levels for item in level["items"] for stem in item.get("stems", ())]
    found = [each["label"] for each in [*stems, *(b for level in levels for b in level["branches"])] if "label" in each]
    return {str(label["id"]): [*label["value"], "|", *label["gradient"]] for label in found}


def words(shapes: list[Any]) -> list[Any]:
    """The texts of shapes, their styles and ends; of a path only its style, for Python writes its numbers otherwise."""
    return [each[:2] if each[0] == "p" else [part for part in each if isinstance(part, str)] for each in shapes]


def places(shapes: list[Any]) -> list[float]:
    """The coordinates of shapes."""
    return [part for each in shapes for part in each if isinstance(part, int | float)]


def type_cell(page: Any, name: str, cell: int, text: str) -> str:
    """Change one cell with the keyboard; return what the page says about it."""
    page.evaluate(CENTRE, name)
    page.focus(f'#picture .given:has(text:text-is("{name}"))')
    page.keyboard.press("Enter")
    page.locator("#cells input").nth(cell).fill(text)
    trouble = str(page.text_content("#trouble"))
    page.keyboard.press("Enter")
    return trouble


def matches(page: Any, trace: dout.Trace) -> None:
    """Hold every number on the page to those of a trace: labels, table, and the words for a screen reader."""
    wanted = page_data(draw(trace, **VIEW))  # type: ignore[arg-type]
    mine = page.evaluate(NOW)
    for number, shapes in labels(wanted).items():
        assert words(mine[number]) == words(shapes)
        assert places(mine[number]) == pytest.approx(places(shapes), abs=0.02)
    assert page.evaluate(ROWS) == [[row[1], row[2]] for row in wanted["rows"]]
    hovers = {
        str(item["id"]): item.get("hover", "").split("\n")[0] for level in wanted["levels"] for item in level["items"]
    }
    said = page.evaluate(SAYS)
    assert said == {item: hovers[item] or said[item] for item in said}


def random_cell(rng: np.random.Generator, array: Any) -> tuple[int, Any]:
    """A cell, and another number for it."""
    whole = array.dtype.kind == "i"
    number = int(rng.integers(3)) if whole else float(rng.choice([round(rng.normal(), 2), 0.0, -2.0, 5.0]))
    return int(rng.integers(array.size)), number


def numbers(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=shape).round(2)


CASES: dict[str, tuple[Any, dict[str, Any]]] = {
    "affine": (Affine(numbers(3, 4, seed=1)), {"x": numbers(2, 3)}),
    "switch": (Switch(), {"x": numbers(2, 4)}),
    "maximum": (Maximum(), {"x": numbers(1, 1, 4, 4)}),
    "softmax with labels": (SoftmaxLoss(), {"x": numbers(3, 4), "t": np.array([1, 0, 2])}),
    "convolution": (Convolution(numbers(2, 1, 2, 2, seed=1)), {"x": numbers(1, 1, 3, 3)}),
    "normalised": (Normalised(), {"x": numbers(4, 3)}),
    "embedding": (Embedding(numbers(5, 3, seed=1)), {"index": np.array([0, 2, 0, 4])}),
    "recurrent": (Recurrent(numbers(2, 3, seed=1), numbers(3, 3, seed=2)), {"x": numbers(2, 2), "h": numbers(2, 3)}),
    "float32": (Affine(numbers(3, 2, seed=1).astype("f")), {"x": numbers(2, 3).astype("f")}),
}


@pytest.mark.one_in(6)
@pytest.mark.parametrize("name", CASES)
def test_a_changed_cell_gives_what_python_gives(browser_page: Open, name: str) -> None:
    layer, given = copy.deepcopy(CASES[name])
    page = browser_page(dout.trace(copy.deepcopy(layer), *given.values()), view=VIEW, reduced_motion="reduce")
    page.click("#as-table")
    page.click("#as-table")
    rng = np.random.default_rng(7)
    for turn in range(4):
        name = list(given)[turn % len(given)]
        cell, number = random_cell(rng, given[name])
        given[name] = given[name].copy()
        given[name].reshape(-1)[cell] = number
        assert type_cell(page, name, cell, repr(number)) == ""
        matches(page, dout.trace(copy.deepcopy(layer), *given.values()))


def test_a_relu_is_seen_to_switch(browser_page: Open) -> None:
    page = browser_page(dout.trace(Switch(), np.array([[1.0, -2.0], [3.0, 4.0]])), view=VIEW)
    before = page.locator("#picture .hatch").count()
    type_cell(page, "x", 0, "-1")
    assert page.locator("#picture .hatch").count() == 2 * before > 0
    matches(page, dout.trace(Switch(), np.array([[-1.0, -2.0], [3.0, 4.0]])))


def test_nan_shouts_and_goes_on(browser_page: Open) -> None:
    x = numbers(2, 3)
    layer = Affine(numbers(3, 4, seed=1))
    page = browser_page(dout.trace(layer, x), view=VIEW)
    x[0, 1] = np.nan
    assert type_cell(page, "x", 1, "nan") == ""
    matches(page, dout.trace(layer, x))
    assert page.locator('#picture text.wrong-cell:text-is("NaN")').count() >= 4


def test_parameters_have_cells_too_and_escape_brings_them_back(browser_page: Open) -> None:
    W, x = numbers(3, 4, seed=1), numbers(2, 3)
    page = browser_page(dout.trace(Affine(W), x), view=VIEW)
    before = page.evaluate(NOW)
    page.focus('#picture .given:has(text:text-is("W"))')
    page.keyboard.press("Enter")
    page.locator("#cells input").nth(5).fill("9")
    W[1, 1] = 9
    assert page.evaluate(NOW) != before
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Value of W[2, 1]"
    page.keyboard.press("Escape")
    assert page.evaluate(NOW) == before
    assert not page.is_visible("#editor")


def test_the_cards_follow(browser_page: Open) -> None:
    x = np.array([[1.0, -2.0], [3.0, 4.0]])
    page = browser_page(dout.trace(Switch(), x), view=VIEW)
    type_cell(page, "x", 3, "-4")
    x[1, 1] = -4
    wanted = page_data(draw(dout.trace(Switch(), x), **VIEW))["cards"]  # type: ignore[arg-type]
    lines = [
        [line if isinstance(line, str) else line["text"] for line in card["lines"]]
        for c in wanted.values()
        for card in c
    ]
    told = [
        "; ".join([card["title"], *line])
        for card, line in zip((c for cs in wanted.values() for c in cs), lines, strict=True)
    ]
    page.keyboard.press("Home")
    for _ in told:
        page.keyboard.press("ArrowRight")
        assert said(page) in told


@pytest.mark.parametrize(
    ("x", "why"),
    [(np.zeros((9, 9)), "it has 81 numbers, and arrays of up to 64 can be changed"),
     (np.array([True, False]), "only whole numbers and floats can be changed")],
)  # fmt: skip
def test_an_input_says_why_it_cannot_be_changed(browser_page: Open, x: Any, why: str) -> None:
    page = browser_page(dout.trace(Switch(), x) if x.dtype != bool else dout.trace(Choice(), x, 2.0))
    page.click('#picture .given:has(text:text-is("x"))')
    assert page.text_content("#trouble") == f"Cannot be changed: {why}."
    assert not page.is_editable("#cells input")


class Choice:
    """A number where a condition holds."""

    def forward(self, x: Any, k: float) -> Any:
        self.x = x
        return np.where(x, k, 0.0)

    def backward(self, dout: Any) -> tuple[None, Any]:
        return None, np.sum(dout * self.x)


def test_cells_fit_a_phone_and_have_names(browser_page: Open) -> None:
    page = browser_page(
        dout.trace(Affine(numbers(8, 8, seed=1)), numbers(2, 8)), view=VIEW, viewport={"width": 360, "height": 640}
    )
    page.focus('#picture .given:has(text:text-is("x"))')
    page.keyboard.press("Enter")
    box = page.locator("#editor").bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 360
    names = [cell.get_attribute("aria-label") for cell in page.locator("#cells input").all()]
    assert names[:2] == ["Value of x[0, 0]", "Value of x[0, 1]"]
    assert len(set(names)) == 16


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_in_open_cells(browser_page: Open, theme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    trace = dout.trace(Affine(numbers(3, 4, seed=1)), numbers(2, 3))
    page = browser_page(trace, view=VIEW, bypass_csp=True, color_scheme=theme, reduced_motion="reduce")
    page.focus('#picture .given:has(text:text-is("W"))')
    page.keyboard.press("Enter")
    page.locator("#cells input").nth(2).fill("two")
    results = axe.run(page).response["violations"]
    assert [(v["id"], [n["html"][:200] for n in v["nodes"]]) for v in results] == []


def test_mean_and_range_are_as_light_on_the_page_as_elsewhere(browser_page: Open) -> None:
    page = browser_page(dout.trace(Switch(), numbers(5, 5)), view=VIEW)
    weights = page.evaluate("""['head', 'line', 'gradient-line'].map((style) =>
        getComputedStyle(document.querySelector(`#picture text.${style}`)).fontWeight)""")
    assert weights == ["600", "400", "400"]


def test_the_source_opens_where_the_run_begins(browser_page: Open) -> None:
    page = browser_page(dout.trace(Switch(), numbers(2, 2)), view=VIEW, viewport={"width": 1200, "height": 500})
    (line,) = [
        i for i, text in enumerate(page.locator("#source li").all_text_contents()) if "self.off = x <= 0" in text
    ]
    panel, row = page.locator("#source").bounding_box(), page.locator("#source li").nth(line).bounding_box()
    assert panel["y"] <= row["y"] <= panel["y"] + panel["height"]
    assert page.evaluate("document.getElementById('source').scrollTop") > 0
