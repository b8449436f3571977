"""Pictures of much: equal layers are one box, a large level is divided, and there is a limit that says what to do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from draw_traces import constant, given, made, random_trace, trace_of, user
from layers_in_a_row import InARow
from picture_problems import problems

import dout
from dout.draw import draw
from dout.draw.paint.scene_drawing import paint
from dout.draw.scene.parts import LIMIT
from dout.draw.scene.scene import Item
from dout.draw.scene.scene_builder import build_scene
from dout.draw.view_options import View
from dout.draw.words.safe_text import text_width
from dout.errors import DoutError
from dout.graph import Node
from dout.trace.model.recorded import LayerCall
from dout.trace.record.trace import Trace


def shown(trace: Trace, open: str | tuple[str, ...] = "auto") -> list[str]:
    """What stands on a picture, its texts in the order of the run; what is in open layers too."""
    items = [i for i in build_scene(trace, View(open)).level.everything() if i.kind not in ("entry", "exit")]
    return [item.text for item in items]


class Net:
    """A trace of layers, made by hand."""

    def __init__(self) -> None:
        self.x = given()
        self.nodes = [self.x]
        self.calls: list[LayerCall] = []
        self.call_of: dict[Node, LayerCall] = {}

    def add(self, primitive: str, *inputs: Node) -> Node:
        self.nodes.append(made(primitive, *inputs))
        return self.nodes[-1]

    def block(self, x: Node, *, power: float = 2, mask: Node | None = None) -> Node:
        """A layer y = x - exp(x) ** power, with a number of its own added to it, or what it is given beside x."""
        own = mask or given()
        number = constant(power)
        self.nodes += [number] if mask else [own, number]
        start = len(self.nodes)
        y = self.add("subtract", x, self.add("add", self.add("power", self.add("exp", x), number), own))
        call = LayerCall(f"block{len(self.calls)}", "Block", (x, mask) if mask else (x,), (y,))
        self.calls.append(call)
        self.call_of |= dict.fromkeys(self.nodes[start:], call)
        return y

    def trace(self, wrong: Node | None = None) -> Trace:
        return trace_of(
            self.nodes,
            {n: float(i) for i, n in enumerate(self.nodes)},
            calls=tuple(self.calls),
            call_of=self.call_of,
            outputs={"out": self.nodes[-1]},
            gradients={n: user(1.0, 2.0 if n is wrong else None) for n in self.nodes},
        )


def chain(count: int, **options: float) -> Net:
    net = Net()
    y = net.x
    for i in range(count):
        y = net.block(y, power=options.get(f"power{i}", 2))
    return net


def test_twelve_equal_layers_in_a_row_are_one_box_with_the_values_at_both_ends() -> None:
    level = build_scene(chain(12).trace()).level
    stack = next(item for item in level.items if item.kind == "layer")
    assert (stack.text, stack.caption, stack.ports, len(stack.stems)) == ("Block ×12", "block0 … block11", 1, 1)
    assert stack.stems[0].label.value is not None
    assert len(level.items) == 2


def test_a_stack_opens_to_its_first_layer_and_the_rest() -> None:
    assert shown(chain(12).trace(), "block0 … block11") == ["Block ×12", "Block", "Block ×11", ""]


def test_a_layer_opened_by_name_leaves_the_stack() -> None:
    assert sorted(t for t in shown(chain(7).trace(), "block3") if "×" in t) == ["Block ×3", "Block ×3"]
    assert not any("×" in text for text in shown(chain(7).trace(), "Block"))


class Rectified:
    """A layer whose mask selects as many values as it happens to."""

    def forward(self, x: np.ndarray) -> np.ndarray:
        self.mask = x <= 0
        out = x.copy()
        out[self.mask] = 0
        return out - 1

    def backward(self, dout: np.ndarray) -> np.ndarray:
        dx = dout.copy()
        dx[self.mask] = 0
        return dx


def test_how_many_values_a_mask_selects_makes_no_difference() -> None:
    trace = dout.trace(InARow(*(Rectified() for _ in range(5))), np.array([[1.5, 2.5], [-0.5, 9.5]]))
    assert "Rectified ×5" in shown(trace)
    assert "Rectified ×5" in [i.text for i in trace.draw(backward=True).scene.level.everything()]


def test_layers_that_are_not_alike_are_not_stacked() -> None:
    assert [t for t in shown(chain(5, power2=3).trace()) if t] == ["Block"] * 5
    assert [t for t in shown(chain(2).trace()) if t] == ["Block"] * 2


def test_layers_are_not_stacked_where_something_else_uses_a_value_between_them() -> None:
    net = Net()
    between = net.block(net.block(net.block(net.x)))
    net.add("add", net.block(net.block(between)), between)
    assert [t for t in shown(net.trace()) if "Block" in t] == ["Block ×3", "Block", "Block"]


def test_a_wrong_gradient_between_layers_stays_seen() -> None:
    net = chain(5)
    trace = net.trace(wrong=net.calls[2].outputs[0])
    assert not any("×" in text for text in shown(trace))
    assert build_scene(trace).wrong


def test_equal_layers_that_share_what_they_take_are_stacked() -> None:
    net = Net()
    mask = given()
    net.nodes.append(mask)
    y = net.x
    for _ in range(4):
        y = net.block(y, mask=mask)
    (box,) = [item for item in build_scene(net.trace()).level.items if item.kind == "layer"]
    assert (box.text, box.ports) == ("Block ×4", 2)


def test_equal_layers_beside_each_other_are_stacked_with_all_that_they_give() -> None:
    net = Net()
    heads = [net.block(net.x) for _ in range(3)]
    net.add("add", net.add("add", heads[0], heads[1]), heads[2])
    (box,) = [item for item in build_scene(net.trace()).level.items if item.kind == "layer"]
    assert (box.text, box.ports, len(box.stems)) == ("Block ×3", 1, 3)


def test_a_large_graph_without_layers_is_divided_into_parts_that_open_by_name() -> None:
    trace = random_trace(1, 5000, layers=False)
    closed = build_scene(trace).level
    parts = [item for item in closed.items if item.kind == "layer"]
    assert len(closed.items) < 200
    assert sum(int(item.text.split()[0].replace(",", "")) for item in parts) == 5000
    assert "part3" in {item.caption for item in parts}
    opened = build_scene(trace, View("part3")).level
    (inside,) = [item.inside for item in opened.items if item.inside is not None]
    assert 20 < sum(item.kind == "operator" for item in inside.items) < 200


@pytest.fixture(scope="module")
def huge() -> Trace:
    """A trace of more operators than a picture may have."""
    return random_trace(1, 21_000, layers=False)


@pytest.mark.long
def test_parts_have_parts_where_they_are_large(huge: Trace) -> None:
    names = {item.caption for item in build_scene(huge, View(("part2", "part2.4"))).level.everything()}
    assert {"part1", "part2", "part2.4", "part2.5"} <= names


def test_what_fits_on_one_level_is_not_divided() -> None:
    trace = random_trace(1, LIMIT, layers=False)
    assert all(item.kind != "layer" for item in build_scene(trace).level.items)


@pytest.mark.long
def test_everything_open_is_everything() -> None:
    trace = random_trace(1, 3000, layers=False)
    items: list[Item] = list(build_scene(trace, View("all")).level.everything())
    assert sum(item.kind == "operator" for item in items) == 3000


def test_a_million_nodes_are_refused_in_one_line_that_says_what_to_do() -> None:
    trace = random_trace(1, 10)
    graph = replace(trace.graph, nodes=trace.graph.nodes[:1] * 10**6)
    with pytest.raises(
        DoutError, match=r"more than 200,000 nodes.*record fewer steps, or draw one of its layers$"
    ) as error:
        draw(replace(trace, graph=graph)).svg()
    assert "\n" not in str(error.value)


def test_more_open_than_can_be_drawn_is_refused_in_one_line(huge: Trace) -> None:
    with pytest.raises(DoutError, match=r"21,000 operators.*open fewer layers$"):
        draw(huge, open="all").svg()


NAMES = [
    "n" * 10**4,
    "Щука" * 6,
    "שלום עולם",
    "مرحبا بالعالم",
    "重み行列" * 5,
    "가중치",
    "𝑊₁·𝑥",
    "🦀🦀🦀",
    "é" * 24,
    "a\u0301" * 30,
]


@pytest.mark.long
def test_names_of_any_length_and_script_stay_within_their_room() -> None:
    for seed, name in enumerate(NAMES):
        trace = random_trace(seed, 12)
        renamed = replace(trace, names=dict.fromkeys(trace.graph.nodes, name))
        renamed.__dict__["values"] = tuple(replace(v, name=name) for v in trace.values)
        renamed.__dict__["arguments"] = trace.arguments
        for opened in ("none", "all"):
            assert problems(paint(build_scene(renamed, View(opened)))) == [], name[:20]


def test_a_wide_character_is_given_its_room() -> None:
    assert text_width("Щ", 100, bold=True) >= 133  # in DejaVu Sans Bold
    assert text_width("س", 100) >= 138
    assert text_width("漢", 100) == 100
    assert text_width("e\u0301", 100) == text_width("e", 100)
