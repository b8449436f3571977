"""Opened networks on the page can be read: each step in sight, large enough, its card beside it, its line lit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from recorded_scripts import record_script

from dout.trace.record.trace import Trace

Open = Callable[..., Any]
EXAMPLES = Path(__file__).parents[2] / "examples"
SIZES = {"laptop": {"width": 1280, "height": 800}, "phone": {"width": 390, "height": 844}}

# What a step shows that was not there before, and where the card, the ring and the picture are on screen.
LOOK = """() => {
  const box = (shown) => { const b = shown.getBoundingClientRect(); return [b.left, b.top, b.right, b.bottom]; };
  const seen = [...document.querySelectorAll('#picture .labels [data-label] > g')].filter((g) => !g.matches('.later'));
  const fresh = seen.filter((g) => !window.before || !window.before.has(g));
  window.before = new Set(seen);
  const card = document.querySelector('#picture .card-of-step > rect:last-of-type');
  const ring = document.querySelector('#picture .card-of-step > rect');
  return {
    picture: box(document.getElementById('picture')),
    card: card && box(card), ring: ring && box(ring),
    fresh: fresh.map(box),
    sizes: fresh.flatMap((g) => [...g.querySelectorAll('text')]).map((text) =>
      parseFloat(getComputedStyle(text).fontSize) * text.getScreenCTM().a),
  };
}"""


def program(name: str) -> Trace:
    return record_script(EXAMPLES / f"{name}.py")


def meets(a: list[float], b: list[float]) -> bool:
    return a[0] < b[2] - 1 and b[0] < a[2] - 1 and a[1] < b[3] - 1 and b[1] < a[3] - 1


def holds(outer: list[float], inner: list[float]) -> bool:
    return (
        outer[0] <= inner[0] + 1 and outer[1] <= inner[1] + 1 and inner[2] <= outer[2] + 1 and inner[3] <= outer[3] + 1
    )


def walked(page: Any) -> list[dict[str, Any]]:
    """What is seen at every step, with all layers open."""
    page.click("#open-all")
    page.keyboard.press("Home")
    page.evaluate(LOOK)
    last = page.evaluate("Number(document.getElementById('step').max)")
    looks = []
    for _ in range(last):
        page.keyboard.press("ArrowRight")
        looks.append(page.evaluate(LOOK))
    return looks


@pytest.mark.one_in(3)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ["named_layers", "attention_block", "lstm_step"])
def test_every_step_of_an_opened_network_can_be_read(browser_page: Open, name: str, size: str) -> None:
    page = browser_page(program(name), viewport=SIZES[size], reduced_motion="reduce")
    looks = walked(page)
    assert len(looks) > 20
    for look in looks:
        assert min(look["sizes"], default=9) >= 9
        assert holds(look["picture"], look["ring"])
        assert holds(look["picture"], look["card"])
        assert not meets(look["card"], look["ring"])
        assert not any(meets(look["card"], box) for box in look["fresh"] if meets(box, look["picture"]))


def test_a_scale_that_somebody_chose_stays(browser_page: Open) -> None:
    page = browser_page(program("named_layers"), viewport=SIZES["laptop"], reduced_motion="reduce")
    page.click("#open-all")
    page.keyboard.press("Home")
    for _ in range(2):
        page.keyboard.press("-")
    scale = page.evaluate("dout.stage.camera.k")
    assert 0.42 < scale < 0.8
    page.keyboard.press("ArrowRight")
    assert page.evaluate("dout.stage.camera.k") == pytest.approx(scale)


def test_the_line_of_each_step_is_lit_and_only_that(browser_page: Open) -> None:
    page = browser_page(program("named_layers"), viewport=SIZES["laptop"], reduced_motion="reduce")
    lines = (EXAMPLES / "named_layers.py").read_text().splitlines()
    assert page.locator("#source li").all_text_contents() == lines
    page.click("#open-all")
    page.keyboard.press("Home")
    lit = {}
    for _ in range(page.evaluate("Number(document.getElementById('step').max)")):
        page.keyboard.press("ArrowRight")
        lit.setdefault(str(page.text_content("#said")).split(";")[0], []).append(
            [text.strip() for text in page.locator("#source .lit").all_text_contents()]
        )
    assert lit["exp forward"] == [["e = np.exp(x - np.max(x, axis=1, keepdims=True))"]]
    assert lit["· forward"] == [["out = np.dot(x, self.W) + self.b"]] * 2
    assert (
        lit["· backward: dout times the other matrix, transposed"]
        == [["dx = np.dot(dout, self.W.T)", "self.dW = np.dot(self.x.T, dout)"]] * 2
    )


def test_a_recording_whose_source_is_gone_has_no_source_beside_it(browser_page: Open, tmp_path: Path) -> None:
    script = tmp_path / "gone.py"
    script.write_text((EXAMPLES / "buy_apple.py").read_text())
    trace = record_script(script)
    script.unlink()
    page = browser_page(trace)
    page.keyboard.press("s")
    assert not page.is_visible("#source")
    assert not page.is_visible("#as-source")


def test_escape_closes_everything(browser_page: Open) -> None:
    page = browser_page(program("named_layers"), viewport=SIZES["laptop"])
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("t")
    page.fill("#find", "relu")
    assert page.locator("#picture .card-of-step").count() == 1
    page.keyboard.press("Escape")
    assert page.locator("#picture .card-of-step").count() == 0
    assert page.input_value("#find") == ""
    assert not page.is_visible("#source")
    assert page.get_attribute("#as-table", "aria-expanded") == "false"
    page.keyboard.press("?")
    page.keyboard.press("Escape")
    assert not page.is_visible("#help")


@pytest.mark.long
def test_nothing_of_a_phone_s_page_is_off_screen(browser_page: Open) -> None:
    page = browser_page(program("named_layers"), viewport=SIZES["phone"])
    wide = page.evaluate("""() => [...document.querySelectorAll('header *, #timeline *, #notes')]
        .filter((shown) => shown.checkVisibility()).map((shown) => shown.getBoundingClientRect().right)""")
    assert max(wide) <= 390
