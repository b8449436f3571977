"""The page's arithmetic is Python's: the same levels get the same coordinates, whichever layers are open."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import draw_traces as traces
import page_programs
import pytest

from dout.draw import draw
from dout.draw.layout import layout as python
from dout.draw.layout.arrangement import Arranged, arrange
from dout.draw.page.page_data import page_data, whole_scene
from dout.draw.paint.display_list import Path
from dout.draw.paint.paint import Painter, PaintSizes
from dout.draw.scene.scene import Level

SEEDS = range(40)
NEAR = 0.01

LAYOUTS = """
return given.map(({data, open}) => {
  const plain = (arranged) => ({
    ...arranged.layout, inside: Object.fromEntries([...arranged.inside].map(([i, one]) => [i, plain(one)])),
  });
  return plain(arranger(data)(0, new Set(open)));
});
"""
THINGS = """
const all = (things) => things.flatMap(({within, ...thing}) => [thing, ...(within ? all(within()) : [])]);
return given.map(({data, open}) => all(placeThings(arranger(data)(0, new Set(open)), 0, 0, 0, data.sizes)));
"""
AGAIN = """
return given.map(({data, open}) => {
  const arrange = arranger(data);
  const fresh = JSON.stringify(arranger(data)(0, new Set(open)).layout);
  for (const some of [data.open, [], open, [], open]) arrange(0, new Set(some));
  return JSON.stringify(arrange(0, new Set(open)).layout) === fresh;
});
"""


class Case:
    """A trace with some of its layers open: as the page's data, and as a level for Python."""

    def __init__(self, seed: int) -> None:
        picture = draw(traces.random_trace(seed, 30), open="all")
        rng = random.Random(seed)
        self.data = page_data(picture)
        self.open = [number for number in self.data["open"] if rng.random() < 0.7]
        self.level = self._partly(whole_scene(picture)[2].level, 0)

    def _partly(self, level: Level, number: int) -> Level:
        items = []
        for item, said in zip(level.items, self.data["levels"][number]["items"], strict=True):
            if item.inside is None:
                items.append(item)
            elif said["id"] in self.open:
                items.append(replace(item, inside=self._partly(item.inside, said["inside"])))
            else:
                items.append(replace(item, kind="layer", inside=None))
        return Level(tuple(items), level.edges)

    @cached_property
    def arranged(self) -> Arranged:
        return arrange(self.level, PaintSizes())

    @property
    def given(self) -> dict[str, Any]:
        return {"data": self.data, "open": self.open}


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    return [Case(seed) for seed in SEEDS]


def answers(cases: list[Case], body: str) -> list[Any]:
    return page_programs.run(("layout", "draw"), body, [case.given for case in cases])  # type: ignore[no-any-return]


def numbers(arranged: Arranged) -> Iterator[float]:
    """Every coordinate of a layout, and of those inside it."""
    layout = arranged.layout
    yield from (*layout.x, *layout.y, *(at for run in layout.run for at in run), layout.width, layout.height)
    yield from (*(end for column in layout.columns for end in column), *(y for r in layout.routes for y in r.lines))
    for i in sorted(arranged.inside):
        yield from numbers(arranged.inside[i])


def numbers_in_the_page(layout: Any) -> Iterator[float]:
    yield from (*layout["x"], *layout["y"], *(at for run in layout["run"] for at in run))
    yield from (layout["width"], layout["height"], *(end for column in layout["columns"] for end in column))
    yield from (y for route in layout["routes"] for y in route["lines"])
    for i in sorted(layout["inside"], key=int):
        yield from numbers_in_the_page(layout["inside"][i])


@pytest.mark.long
def test_page_and_python_give_every_level_the_same_coordinates(cases: list[Case]) -> None:
    assert sum(len(case.open) for case in cases) > len(cases)
    for case, layout in zip(cases, answers(cases, LAYOUTS), strict=True):
        assert list(numbers_in_the_page(layout)) == pytest.approx([*numbers(case.arranged)], abs=NEAR)


def test_gaps_have_one_home(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, size in (("GAP", 50.0), ("CLIMB", 0.5), ("WIDER", 90.0)):
        monkeypatch.setattr(python, name, size)
    case = Case(3)
    (there,) = answers([case], LAYOUTS)
    assert list(numbers_in_the_page(there)) == pytest.approx([*numbers(case.arranged)], abs=NEAR)


@pytest.mark.long
def test_page_and_python_draw_the_same_edges(cases: list[Case]) -> None:
    for case, things in zip(cases, answers(cases, THINGS), strict=True):
        shapes = Painter(PaintSizes()).level(case.arranged, 0, 0, 0)
        drawn = [s for s in shapes if isinstance(s, Path) and s.style in ("edge", "thick")]
        ours = sorted((t["source"]["style"], *_outline(t["at"], t["box"])) for t in things if t["kind"] == "edge")
        theirs = sorted((path.style, *_outline([n for _, p in path.commands for n in p], path.box)) for path in drawn)
        assert [one[0] for one in ours] == [one[0] for one in theirs]
        assert [n for one in ours for n in one[1:]] == pytest.approx([n for one in theirs for n in one[1:]], abs=0.11)


def test_layers_opened_in_any_order_end_in_the_same_picture(cases: list[Case]) -> None:
    assert all(answers(cases, AGAIN))


def test_opening_a_layer_never_changes_the_order_of_what_is_around_it(cases: list[Case]) -> None:
    everything = [{**case.given, "open": case.data["open"]} for case in cases]
    nothing = [{**case.given, "open": []} for case in cases]
    opened = page_programs.run(("layout", "draw"), LAYOUTS, everything)
    for case, one, other in zip(cases, opened, page_programs.run(("layout", "draw"), LAYOUTS, nothing), strict=True):
        for column in case.data["levels"][0]["columns"]:
            real = [block for block in column if block < len(one["y"])]
            assert sorted(real, key=one["y"].__getitem__) == sorted(real, key=other["y"].__getitem__)


def _outline(points: Sequence[float], box: Sequence[float]) -> list[float]:
    """Where an edge starts and ends, and what it lies in."""
    return [round(n, 1) for n in (*points[:2], *points[-2:], *box)]
