"""Nothing in a picture overlaps, and arguments keep their order: checked on the display list of random graphs."""

from __future__ import annotations

import random
from itertools import pairwise

import numpy as np
import pytest
from draw_traces import given, made, one_layer, random_trace, trace_of, user
from picture_problems import problems

import dout
from dout.draw import draw
from dout.draw.layout.arrangement import arrange
from dout.draw.layout.coordinates import isotonic
from dout.draw.layout.layout import Block, Link, Spacing, lay_out
from dout.draw.paint.display_list import Path, Rect
from dout.draw.paint.paint import PaintSizes
from dout.draw.paint.scene_drawing import paint
from dout.draw.scene.scene_builder import build_scene
from dout.draw.view_options import Direction, Look, View
from dout.trace.record.record import record
from dout.trace.record.trace import Trace

WAYS = ("right", "down")


@pytest.mark.one_in(2)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("opened", ["none", "all", "auto"])
def test_nothing_overlaps_in_random_graphs(opened: str, way: Direction) -> None:
    for seed in range(0, 50, 2):  # and five hundred with -m long
        trace = random_trace(seed, 4 + seed % 30, reach=4 + seed % 9)
        assert problems(paint(build_scene(trace, View(opened)), Look(direction=way))) == [], seed


@pytest.mark.long
@pytest.mark.one_in(2)
@pytest.mark.parametrize("way", WAYS)
def test_nothing_overlaps_where_edges_carry_arrays(way: Direction) -> None:
    rng = np.random.default_rng(0)
    for seed in range(20):
        trace = with_arrays(random_trace(seed, 8, reach=5), rng)
        for opened in ("none", "all"):
            assert problems(paint(build_scene(trace, View(opened)), Look(direction=way))) == [], seed


@pytest.mark.long
@pytest.mark.parametrize("way", WAYS)
def test_nothing_overlaps_in_five_hundred_random_graphs_with_numbers_and_with_arrays(way: Direction) -> None:
    rng = np.random.default_rng(1)
    for seed in range(500):
        trace = random_trace(seed, 4 + seed % 30, reach=4 + seed % 9)
        for opened in ("none", "all"):
            assert problems(paint(build_scene(trace, View(opened)), Look(direction=way))) == [], seed
        arrays = with_arrays(trace, rng)
        assert problems(paint(build_scene(arrays, View("all" if seed % 2 else "none")), Look(direction=way))) == [], (
            seed
        )


def with_arrays(trace: Trace, rng: np.random.Generator) -> Trace:
    """The same trace, its numbers replaced by arrays of many shapes."""
    shapes = [(2,), (2, 2), (3, 4), (5, 6), (1,), (0, 3)]
    array = lambda: rng.choice([0.0, 1.0, -0.25, 12345.67, np.nan], shapes[rng.integers(len(shapes))])  # noqa: E731
    data = {value.node: array() for value in trace.values if value.made or not value.node.static}
    edges = {
        (use.node, use.argument): user(array(), array() if rng.random() < 0.3 else None)
        for value in trace.values
        for use in value.uses
    }
    return trace_of(
        list(trace.graph.nodes),
        data,
        names=trace.names,
        calls=trace.calls,
        call_of=trace.call_of,
        outputs=trace.graph.outputs,
        gradients={node: user(array()) for node in data},
        edges=edges,
    )


@pytest.mark.one_in(2)
@pytest.mark.parametrize("opened", ["none", "all"])
@pytest.mark.parametrize("count", [50, pytest.param(500, marks=pytest.mark.long)])
def test_arguments_keep_their_order_from_top_to_bottom(opened: str, count: int) -> None:
    for seed in range(count):
        levels = [arrange(build_scene(random_trace(seed, 25), View(opened)).level, PaintSizes())]
        for arranged in levels:
            levels += arranged.inside.values()
            arriving: dict[int, list[tuple[int, float, float]]] = {}
            for link, route in zip(arranged.links, arranged.layout.routes, strict=True):
                arriving.setdefault(link.target, []).append((link.port, route.lines[-2], route.lines[-1]))
            for ends in arriving.values():
                _, before, at = zip(*sorted(ends), strict=True)
                assert list(at) == sorted(at)
                assert list(before) == sorted(before), seed


def test_an_input_stands_next_to_its_use() -> None:
    x, y, tax = given(), given(), given()
    first = made("multiply", x, y)
    second = made("exp", first)
    last = made("multiply", second, tax)
    nodes = [x, y, tax, first, second, last]
    trace = trace_of(nodes, dict.fromkeys(nodes, 1.0), names={tax: "tax"})
    arranged = arrange(build_scene(trace).level, PaintSizes())
    column = {item.text or i: arranged.layout.column[i] for i, item in enumerate(arranged.level.items)}
    assert column["tax"] == column["exp"]


class Three:
    """A layer of three results."""

    def forward(self, x: np.ndarray) -> tuple[np.ndarray, ...]:
        return x + 1, x * x, np.exp(x)

    def backward(self, *douts: np.ndarray) -> np.ndarray:
        return douts[0]


@pytest.mark.parametrize("way", WAYS)
def test_every_edge_leaves_a_layer_from_its_border(way: Direction) -> None:
    drawing = dout.trace(Three(), np.ones((5, 5))).draw(open="none", direction=way).drawing
    (box,) = [shape.box for shape in drawing.shapes if isinstance(shape, Rect) and shape.style == "layer"]
    starts = [shape.commands[0][1] for shape in drawing.shapes if isinstance(shape, Path) and shape.style == "thick"]
    leaving = [(x, y) for x, y in starts if (y == box[3] if way == "down" else x == box[2])]
    assert len(leaving) == 3
    low, high = (box[0], box[2]) if way == "down" else (box[1], box[3])
    assert all(low < (x if way == "down" else y) < high for x, y in leaving)


def test_a_caption_beside_an_operator_stands_below_the_bends_above_it() -> None:
    for seed in range(20):
        shapes = draw(random_trace(seed, 20), open="none", direction="down").drawing.shapes
        nodes = [shape.box for shape in shapes if shape.style in ("operator", "layer")]
        for caption in (shape.box for shape in shapes if shape.style == "caption"):
            beside = [box for box in nodes if box[1] <= caption[3] <= box[3] and box[2] <= caption[0]]
            assert max(beside, key=lambda box: box[2])[1] < caption[1]


def test_every_edge_leaves_a_layer_from_its_border_in_a_terminal() -> None:
    lines = dout.trace(Three(), np.ones((5, 5))).draw(open="none").text(120).splitlines()
    leaving = [line for line in lines if "╟──" in line]
    assert len(leaving) == 3
    assert all(line[: line.index("╟──")].rstrip().endswith(("║", "▸")) for line in leaving)


def test_a_chain_is_drawn_on_one_straight_line() -> None:
    arranged = arrange(build_scene(one_layer()).level, PaintSizes())
    inside = next(iter(arranged.inside.values()))
    assert len({round(y, 6) for y in inside.layout.y}) == 1


def test_same_trace_same_picture() -> None:
    assert draw(random_trace(3, 30)).svg() == draw(random_trace(3, 30)).svg()


def test_isotonic_regression_is_sorted_and_no_further_from_the_wishes_than_any_other() -> None:
    rng = random.Random(0)
    for _ in range(200):
        wishes = [rng.uniform(-5, 5) for _ in range(rng.randint(1, 8))]
        weights = [rng.uniform(0.1, 3) for _ in wishes]
        found = isotonic(wishes, weights)
        assert found == sorted(found)
        cost = sum(w * (a - b) ** 2 for a, b, w in zip(found, wishes, weights, strict=True))
        for _ in range(50):
            other = sorted(f + rng.gauss(0, 0.3) for f in found)
            assert cost <= sum(w * (a - b) ** 2 for a, b, w in zip(other, wishes, weights, strict=True)) + 1e-9


def test_whole_units_keep_their_distance() -> None:
    blocks = [Block(1, 3, 1, 1, (), (0,), pull=True) for _ in range(5)] + [Block(3, 2, 2, 2, (-2, -1, 0, 1, 2), (0,))]
    placed = lay_out(blocks, [Link(i, 0, 5, i) for i in range(5)], Spacing(between=1, whole=True))
    rows = sorted(placed.y[:5])
    assert all(y == int(y) for y in placed.y)
    assert all(b - a >= 3 for a, b in pairwise(rows))


@pytest.mark.long
def test_two_thousand_nodes_become_a_picture() -> None:
    picture = draw(random_trace(1, 2000, layers=False)).svg()
    assert picture.count("<circle") >= 2000


class Penalised:
    def __init__(self):
        self.W = np.array([[0.5, -1.0], [2.0, 0.25]])

    def forward(self, x):
        return self.W.T @ x + (self.W**2).sum()

    def backward(self, dout):
        self.dW = np.zeros((2, 2))
        return self.W @ dout


def test_edges_beside_each_other_never_look_like_one():
    drawing = draw(record(Penalised(), np.arange(6.0).reshape(2, 3))).drawing
    level = []
    for shape in drawing.shapes:
        if isinstance(shape, Path) and shape.style.endswith(("edge", "thick")):
            (_, (x, y)), *rest = shape.commands
            for _, points in rest:
                if points[-1] == y and len(points) == 2:
                    level.append((min(x, points[0]), max(x, points[0]), y))
                x, y = points[-2:]
    pairs = [(a, b) for i, a in enumerate(level) for b in level[:i] if min(a[1], b[1]) - max(a[0], b[0]) > 20]
    assert min(abs(a[2] - b[2]) for a, b in pairs if a[2] != b[2]) >= 8
