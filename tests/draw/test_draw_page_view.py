"""The page in a browser: layers that open in place, pan, zoom, fit and search, and only what can be seen is drawn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import draw_traces as traces
import pytest

Page = Any
Open = Callable[..., Page]


@pytest.fixture
def sigmoid(browser_page: Open) -> Page:
    return browser_page(traces.one_layer(), reduced_motion="reduce")


def texts(page: Page, what: str) -> list[str]:
    return page.locator(f"#picture {what}").all_text_contents()  # type: ignore[no-any-return]


def camera(page: Page) -> dict[str, float]:
    return page.evaluate("dout.stage.camera")  # type: ignore[no-any-return]


def test_a_click_closes_a_layer_and_the_next_one_opens_it(sigmoid: Page) -> None:
    assert texts(sigmoid, ".symbol") == ["−", "+", "/"]
    sigmoid.locator("#picture .opens").click(position={"x": 20, "y": 10})
    assert texts(sigmoid, ".symbol") == []
    assert texts(sigmoid, ".opens .title") == ["Sigmoid ▸"]
    sigmoid.locator("#picture .opens").click()
    assert texts(sigmoid, ".symbol") == ["−", "+", "/"]


def test_buttons_open_and_close_every_layer(browser_page: Open) -> None:
    page = browser_page(traces.random_trace(3, 40), reduced_motion="reduce")
    layers = page.evaluate("dout.data.levels.length") - 1
    page.click("#open-all")
    assert page.evaluate("dout.state.open.size") == layers > 2
    page.click("#close-all")
    assert page.evaluate("dout.state.open.size") == 0


def test_a_layer_that_opens_moves_and_where_motion_is_unwanted_is_there_at_once(browser_page: Open) -> None:
    width = "document.querySelector('#picture .frames rect').getAttribute('width') - dout.stage.size[0]"
    moves = "[...dout.stage.things.values()].some((thing) => thing.now)"
    opened = "dout.toggle(dout.data.levels[0].items.find((item) => item.inside).id)"
    for motion, moving in (("reduce", False), ("no-preference", True)):
        page = browser_page(traces.random_trace(3, 40), reduced_motion=motion)
        assert page.evaluate(f"{opened}, {moves}") is moving  # at once: on a busy machine 200 ms are over soon
        page.evaluate(
            f"new Promise((rest) => {{ const look = () => {moves} ? setTimeout(look, 20) : rest(); look(); }})"
        )
        assert page.evaluate(width) < 0


def test_dragging_pans_and_is_no_click(sigmoid: Page) -> None:
    before = camera(sigmoid)
    box = sigmoid.locator("#picture .opens").bounding_box()
    sigmoid.mouse.move(box["x"] + 30, box["y"] + 10)
    sigmoid.mouse.down()
    sigmoid.mouse.move(box["x"] + 130, box["y"] + 60, steps=5)
    sigmoid.mouse.up()
    sigmoid.wait_for_timeout(50)
    after = camera(sigmoid)
    assert (after["x"] - before["x"], after["y"] - before["y"]) == pytest.approx((100, 50), abs=30)
    assert sigmoid.evaluate("dout.state.open.size") == 1


def test_the_wheel_zooms_to_where_the_pointer_is(sigmoid: Page) -> None:
    box = sigmoid.locator("#picture").bounding_box()
    under = "({x, y, k}) => [(300 - x) / k, (200 - y) / k]"
    before, point = camera(sigmoid), sigmoid.evaluate(f"({under})(dout.stage.camera)")
    sigmoid.mouse.move(box["x"] + 300, box["y"] + 200)
    sigmoid.mouse.wheel(0, -300)
    sigmoid.wait_for_timeout(100)
    assert camera(sigmoid)["k"] > 1.2 * before["k"]
    assert sigmoid.evaluate(f"({under})(dout.stage.camera)") == pytest.approx(point, abs=0.5)


def test_two_fingers_zoom_by_how_far_they_part(sigmoid: Page) -> None:
    before = camera(sigmoid)["k"]
    sigmoid.evaluate("""async () => {
      const send = (name, id, clientX) => document.getElementById('picture').dispatchEvent(
        new PointerEvent(name, {pointerId: id, clientX, clientY: 300, pointerType: 'touch', bubbles: true}));
      send('pointerdown', 1, 500);
      send('pointerdown', 2, 600);
      send('pointermove', 2, 700);
      await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
      send('pointerup', 1, 500);
      send('pointerup', 2, 700);
    }""")
    assert camera(sigmoid)["k"] == pytest.approx(2 * before)


def test_f_brings_all_of_it_into_sight(sigmoid: Page) -> None:
    fitting = camera(sigmoid)
    sigmoid.click("#closer", click_count=3)
    assert camera(sigmoid) != fitting
    sigmoid.keyboard.press("f")
    assert camera(sigmoid) == pytest.approx(fitting)


def test_a_picture_that_could_not_be_read_whole_begins_at_its_start(browser_page: Open) -> None:
    page = browser_page(traces.random_trace(3, 40))
    assert camera(page)["k"] >= 0.6
    assert page.evaluate("dout.stage.size[0] * dout.stage.camera.k > dout.stage.wide")
    assert page.locator("#picture .name").first.is_visible()


def test_what_is_off_screen_or_too_small_to_be_read_is_not_in_the_document(browser_page: Open) -> None:
    page = browser_page(traces.random_trace(3, 300), reduced_motion="reduce")
    shown = "document.querySelectorAll('#picture .edges > path').length"
    labels = "document.querySelectorAll('#picture .labels > g').length"
    close, all_of_it = page.evaluate(shown), page.evaluate("[...dout.stage.things.keys()].length")
    assert page.evaluate(labels) > 0
    assert close < all_of_it / 5
    page.keyboard.press("f")
    assert page.evaluate(shown) > close
    assert page.evaluate(labels) == 0


def test_an_inner_layer_stays_above_the_one_around_it_when_both_come_back_on_screen(browser_page: Open) -> None:
    page = browser_page(traces.random_trace(3, 40), view={"open": "all"}, reduced_motion="reduce")
    page.keyboard.press("f")
    order = "[...document.querySelectorAll('#picture .frames > g')].map((frame) => frame.dataset.item)"
    before = page.evaluate(order)
    inner = page.evaluate("dout.data.levels.slice(1).flatMap((level) => level.items).find((item) => item.inside).id")
    page.locator(f"#picture [data-item='{inner}']").focus()
    away = "(by) => dout.stage.svg.dispatchEvent(new WheelEvent('wheel', {shiftKey: true, deltaX: by}))"
    page.evaluate(away, 50_000)
    page.wait_for_timeout(50)
    assert page.evaluate(order) == [str(inner)]
    page.evaluate(away, -50_000)
    page.wait_for_timeout(50)
    assert page.evaluate(order) == before


def test_search_leads_from_find_to_find_and_opens_what_is_in_the_way(browser_page: Open) -> None:
    page = browser_page(traces.one_layer(), view={"open": "none"}, reduced_motion="reduce")
    page.keyboard.press("/")
    page.keyboard.type("exp")
    assert page.inner_text("#found") == "1 found"
    page.keyboard.press("Enter")
    assert page.evaluate("dout.state.open.size") == 1
    assert texts(page, ".found .word") == ["exp"]
    page.fill("#find", "no such thing")
    assert page.inner_text("#found") == "nothing found"


def test_the_first_wrong_edge_is_one_click_away_and_its_closed_layer_is_marked(browser_page: Open) -> None:
    page = browser_page(traces.random_trace(3, 40), reduced_motion="reduce")
    assert page.locator("#picture .holds-wrong").count() > 0
    page.click("#notes button")
    assert page.locator("#picture .first").is_visible()
    box = page.locator("#picture .first").bounding_box()
    assert 0 < box["x"] < 1200
    assert 0 < box["y"] < 760


def test_on_paper_is_the_whole_picture_in_light_colours(browser_page: Open) -> None:
    page = browser_page(traces.random_trace(3, 40), own=True, color_scheme="dark")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    assert page.evaluate("[...dout.stage.things.values()].every((thing) => thing.shown)")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.locator("#open-all").is_visible()
    page.emulate_media(media="screen")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.evaluate("[...dout.stage.things.values()].some((thing) => !thing.shown)")


def test_what_has_not_come_to_be_is_hidden_at_an_earlier_step(sigmoid: Page) -> None:
    assert sigmoid.locator("#picture .value:visible").count() > 2
    sigmoid.evaluate("dout.update({step: 0})")
    assert [t for t in texts(sigmoid, "g.gradient:not(.later)") if t] == []
    sigmoid.evaluate("dout.update({step: 1})")
    assert sigmoid.locator("#picture g.value:not(.later)").count() == 2


def test_a_picture_of_nothing_says_so(browser_page: Open) -> None:
    page = browser_page(traces.trace_of([], {}))
    assert page.inner_text("#notes") == "nothing to draw: no forward node was recorded"
    page.keyboard.press("f")
    page.click("#open-all")


def test_names_of_any_length_and_direction_are_shown_as_text(browser_page: Open) -> None:
    trace = traces.buy_fruits()
    words = ["x" * 10_000, "תפוח", "りんご", "𝑊", "a\u202eb"]
    names = dict(zip(trace.graph.nodes, words, strict=False))
    page = browser_page(traces.trace_of(list(trace.graph.nodes), {}, names=names))
    shown = texts(page, ".name")
    assert max(map(len, shown)) < 40
    assert {"תפוח", "りんご", "𝑊", "ab"} <= set(shown)


def test_every_change_of_the_state_is_told_with_the_state_before(sigmoid: Page) -> None:
    sigmoid.evaluate("document.addEventListener('dout:change', ({detail}) => { window.told = detail; })")
    sigmoid.evaluate("dout.update({step: 3})")
    assert sigmoid.evaluate("[told.before.step === told.state.step, told.state.step]") == [False, 3]


@pytest.mark.long
def test_the_things_in_a_layer_that_nobody_looks_into_are_not_made(browser_page: Open) -> None:
    page = browser_page(traces.random_trace(3, 600), view={"open": "all"}, reduced_motion="reduce")
    made = page.evaluate("dout.stage.things.size")
    last = page.evaluate("dout.data.levels.at(-1).items.find((item) => item.shapes).id")
    page.evaluate("(id) => dout.centre(id)", last)
    assert page.locator(f"#picture [data-item='{last}']").is_visible()
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate("dout.stage.things.size") > 2 * made
