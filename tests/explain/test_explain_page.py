"""The page of an explanation in a browser: what lights up, nothing that goes wrong, nothing that keeps people out."""

import subprocess
import sys
from pathlib import Path

import pytest
from draw_traces import buy_fruits
from explanations import affine, mixed, sigmoid

from dout.draw import draw
from dout.explain.formats import html_page


@pytest.fixture
def opened(tabs, tmp_path):
    """Open a page, or one of an explanation, without a network."""

    def open_page(explanation, **how):
        options = {key: how.pop(key) for key in ("color_scheme",) if key in how}
        file = explanation
        if not isinstance(explanation, Path):
            file = tmp_path / "page.html"
            file.write_text(html_page.to_page(explanation, **how), encoding="utf-8")
        return tabs.open(file.as_uri(), offline=True, viewport={"width": 1200, "height": 900}, **options)

    return open_page


def lit(page):
    return set(page.eval_on_selector_all("[data-name].lit:not(tr)", "found => found.map(one => one.dataset.name)"))


def test_the_focus_lights_up_the_step_and_its_symbols(opened):
    page = opened(sigmoid(), numbers=True)
    assert lit(page) == set()
    page.focus("tr[data-name=b][data-step]")
    assert lit(page) == {"b", "∂L/∂b"}
    assert page.locator("tr.lit").count() == 1
    page.keyboard.press("Tab")
    assert lit(page) == {"a", "∂L/∂a"}


def test_the_pointer_lights_up_all_rows_of_a_step_and_your_lines_that_are_it(opened):
    page = opened(affine())
    page.hover("tr[data-name=x][data-step='2']")
    assert lit(page) == {"x", "dx"}
    assert page.locator(".backward tr.lit").count() == 3
    assert page.locator(".beside tr.lit").all_inner_texts() == [
        "self.dW = self.x.T @ dout\t✓ step 2", "return dout @ self.W.T\t✓ step 2",
    ]  # fmt: skip
    page.mouse.move(1, 1)
    assert lit(page) == set()


def test_a_row_of_forward_lights_up_where_its_value_is_used(opened):
    page = opened(sigmoid())
    page.focus(".forward tr[data-name=c]")
    assert lit(page) == {"c", "∂L/∂c"}


LAYER = """import numpy as np


class Sigmoid:
    def forward(self, x):
        return 1 / (1 + np.exp(-x))
"""


@pytest.mark.long
def test_formula_and_edge_light_up_together(opened, tmp_path):
    (tmp_path / "layer.py").write_text(LAYER)
    command = [sys.executable, "-m", "dout", "explain", f"{tmp_path}/layer.py:Sigmoid", "-o", f"{tmp_path}/page.html"]
    subprocess.run(command, check=True, capture_output=True)
    page = opened(tmp_path / "page.html")
    assert page.locator("svg .lit").count() == 0
    page.focus("tr[data-name=b][data-step]")
    marked = page.eval_on_selector_all("svg .lit", "found => found.map(one => [one.tagName, one.dataset.name])")
    assert {name for _, name in marked} == {"b"}
    assert {"path", "text"} <= {tag for tag, _ in marked}


def test_the_styles_of_the_picture_are_applied(opened):
    page = opened(sigmoid(), picture=draw(buy_fruits()).svg())
    assert page.eval_on_selector("svg text.value", "one => getComputedStyle(one).fontWeight") == "600"


@pytest.mark.one_in(3)
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("explanation", [sigmoid(), affine(), mixed()], ids=lambda e: e.name)
def test_axe_finds_nothing(opened, explanation, theme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = opened(explanation, numbers=True, color_scheme=theme)
    found = axe.run(page).response["violations"]
    assert [(one["id"], [node["html"] for node in one["nodes"]][:3]) for one in found] == []
