"""Traces built by hand for the tests of the picture: small, random, and large ones, without the tracer."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from dout.graph import CONSTANT, INPUT, Graph, Node, Primitive, Where
from dout.ops import PRIMITIVES
from dout.trace.model.recorded import Event, Gradient, LayerCall, Use, Value
from dout.trace.record.trace import Trace


def given(shape: tuple[int, ...] = (), dtype: Any = float) -> Node:
    return Node(INPUT, (), {}, shape, dtype)


def constant(value: Any) -> Node:
    return Node(CONSTANT, (), {"value": value}, (), type(value))


def made(primitive: str | Primitive, *inputs: Node, shape: tuple[int, ...] = ()) -> Node:
    row = PRIMITIVES[primitive] if isinstance(primitive, str) else primitive
    return Node(row, inputs, {}, shape, float, Where("mine.py", 1))


def trace_of(
    nodes: list[Node],
    data: Mapping[Node, Any],
    *,
    names: Mapping[Node, str] = {},
    calls: tuple[LayerCall, ...] = (),
    call_of: Mapping[Node, LayerCall] = {},
    outputs: Mapping[str, Node] = {},
    gradients: Mapping[Node, Gradient] = {},
    edges: Mapping[tuple[Node, int], Gradient] = {},
    arguments: Mapping[tuple[LayerCall, int], Gradient] = {},
    events: tuple[Event, ...] = (),
) -> Trace:
    """A trace with these values and gradients: of values, on edges into nodes, and on edges into layer calls."""
    inputs = {names.get(n, f"input{i}"): n for i, n in enumerate(nodes) if n.primitive is INPUT}
    graph = Graph(tuple(nodes), inputs, dict(outputs))
    trace = Trace("by_hand", graph, data, names, calls, call_of, events=events)
    uses: dict[Node, list[Use]] = {node: [] for node in nodes}
    for node in nodes:
        for i, used in enumerate(node.inputs):
            uses[used].append(Use(node, call_of.get(node), i, edges.get((node, i))))
    trace.__dict__["values"] = tuple(
        Value(n, {n: data.get(n, n.static.get("value"))}, names.get(n), tuple(uses[n]), gradients.get(n)) for n in nodes
    )
    trace.__dict__["arguments"] = {
        call: tuple(Use(None, call, i, arguments.get((call, i))) for i in range(len(call.inputs))) for call in calls
    }
    return trace


def user(value: Any, expected: Any = None) -> Gradient:
    return Gradient(value, "user", expected)


def derived(value: Any) -> Gradient:
    return Gradient(value, "dout")


def buy_fruits() -> Trace:
    """The slides' apples and oranges: four layers, ten values, ten gradients."""
    names = ["apple", "apple_num", "orange", "orange_num", "tax"]
    apple, apple_num, orange, orange_num, tax = inputs = [given() for _ in names]
    apples, oranges = made("multiply", apple, apple_num), made("multiply", orange, orange_num)
    fruits = made("add", apples, oranges)
    price = made("multiply", fruits, tax)
    numbers = [100, 2, 150, 3, 1.1, 200, 450, 650, 715.0000000000001]
    nodes = [*inputs, apples, oranges, fruits, price]
    layers = [
        ("mul_apple_layer", "MulLayer", apples),
        ("mul_orange_layer", "MulLayer", oranges),
        ("add_apple_orange_layer", "AddLayer", fruits),
        ("mul_tax_layer", "MulLayer", price),
    ]
    calls = tuple(LayerCall(name, cls, node.inputs, (node,)) for name, cls, node in layers)
    found = [2.2, 110.00000000000001, 3.3000000000000003, 165.0, 650, 1.1, 1.1, 1.1, 1]
    gradients = {node: user(g) for node, g in zip(nodes, found, strict=True)}
    arguments = {(call, i): gradients[node] for call in calls for i, node in enumerate(call.inputs)}
    return trace_of(
        nodes,
        dict(zip(nodes, numbers, strict=True)),
        names=dict(
            zip(nodes, [*names, "apple_price", "orange_price", "all_price", "price"], strict=True),
        ),
        calls=calls,
        call_of={node: call for call, (_, _, node) in zip(calls, layers, strict=True)},
        gradients=gradients,
        arguments=arguments,
    )


def one_layer(cls: str = "Sigmoid", name: str = "sigmoid") -> Trace:
    """One layer: y = 1 / (1 + exp(-x))."""
    x, one, other = given(), constant(1), constant(1)
    minus = made("negative", x)
    exp = made("exp", minus)
    total = made("add", one, exp)
    y = made("divide", other, total)
    nodes = [x, one, other, minus, exp, total, y]
    call = LayerCall(name, cls, (x,), (y,))
    data = dict(zip(nodes, [0.0, 1, 1, -0.0, 1.0, 2.0, 0.5], strict=True))
    inner = {minus: derived(-0.25), exp: derived(-0.25), total: derived(-0.25)}
    gradients = {x: user(0.25), y: user(1), **inner}
    edges = {(exp, 0): inner[minus], (total, 1): inner[exp], (y, 1): inner[total], (minus, 0): derived(0.25)}
    return trace_of(
        nodes,
        data,
        names={x: "x", y: "y"},
        calls=(call,),
        call_of=dict.fromkeys([minus, exp, total, y], call),
        outputs={"y": y},
        gradients=gradients,
        edges=edges,
        arguments={(call, 0): gradients[x]},
    )


def branch(wrong: bool = False) -> Trace:
    """Two uses of x in y = x * 1.1 + exp(x), whose gradients add up, or should."""
    x = given()
    scaled, exp = made("multiply", x, tax := given()), made("exp", x)
    y = made("add", scaled, exp)
    nodes = [x, tax, scaled, exp, y]
    data = dict(zip(nodes, [-0.916, 1.1, -1.008, 0.4, -0.608], strict=True))
    total = user(1.1, expected=1.5) if wrong else user(1.5)
    return trace_of(
        nodes,
        data,
        names={x: "x", tax: "tax", y: "y"},
        outputs={"y": y},
        gradients={x: total, y: user(1), scaled: user(1), exp: user(1), tax: user(-0.916)},
        edges={(scaled, 0): user(1.1), (exp, 0): user(0.4), (scaled, 1): user(-0.916)},
    )


# Text that would do harm where it is taken for markup, for TeX, or for a terminal's commands.
HOSTILE = {
    "script": "</text><script>alert(1)</script>",
    "quote": "\"' onload='x' &amp;",
    "escape": "\x1b[31mred\x1b[0m\x1b]0;title\x07",
    "control": "a\x00b\x08c\x0bd\ud800e\ufffef",
    "direction": "abc\u202edef\u2066ghi",
    "tex": r"\write18{x}\input{y}%$^^5c#&_~}{",
    "dot": r"\N\"]; a -> b [label=<<b>\\",
    "long": "x" * 100_000,
    "emoji": "🍎👩‍👩‍👧" * 20,
    "cjk": "税金の層" * 20,
    "lines": "one\ntwo\r\nthree",
}


def hostile(text: str) -> Trace:
    """A trace in which every text that comes from outside is this one."""
    x = given()
    y, z = made("exp", x), made("exp", x)
    call = LayerCall(text, text, (x,), (y,))
    trace = trace_of(
        [x, y, z],
        {x: text, y: 1.0, z: 1.0},
        names={x: text, y: text},
        calls=(call,),
        call_of={y: call, z: call},
        outputs={text: z},
        gradients={x: user(1, expected=2)},
        events=(Event("write", text),),
    )
    object.__setattr__(trace, "target", text)
    return trace


def random_trace(seed: int, size: int = 20, *, reach: int = 8, layers: bool = True) -> Trace:
    """A random graph of operators with numbers of many lengths, some of it inside layers, some of them nested."""
    rng = random.Random(seed)
    nodes: list[Node] = [given() for _ in range(rng.randint(1, 4))]
    call_of: dict[Node, LayerCall] = {}
    spans = _spans(rng, size) if layers else []
    groups: dict[int, list[Node]] = {}
    for step in range(size):
        if rng.random() < 0.3:
            nodes.append(constant(1) if rng.random() < 0.4 else given())
        name = rng.choice(["add", "multiply", "subtract", "exp", "where", "negative", "divide"])
        count = {"exp": 1, "negative": 1, "where": 3}.get(name, 2)
        node = made(name, *(rng.choice(nodes[-reach:]) for _ in range(count)))
        nodes.append(node)
        for i, (start, end) in enumerate(spans):
            if start <= step < end:
                groups.setdefault(i, []).append(node)
    calls = _calls(nodes, spans, groups, call_of)
    data = {n: rng.choice([1, -2.5, 100, 1e-300, 1e16, 12345.67]) for n in nodes if n.primitive is not CONSTANT}
    number = lambda: user(rng.choice([1, 0.25, -1234.5, 3e-7]), rng.choice([None, None, None, 7]))  # noqa: E731
    edges = {(n, i): number() for n in nodes for i in range(len(n.inputs)) if rng.random() < 0.8}
    return trace_of(
        nodes,
        data,
        names={
            n: rng.choice(["x", "apple_num", "a_rather_long_name_for_a_value"]) for n in nodes if rng.random() < 0.7
        },
        calls=calls,
        call_of=call_of,
        outputs={"out": nodes[-1]},
        gradients={n: number() for n in nodes if rng.random() < 0.8},
        edges=edges,
        arguments={(c, i): number() for c in calls for i in range(len(c.inputs))},
    )


def _spans(rng: random.Random, size: int) -> list[tuple[int, int]]:
    """Stretches of the run that are layers, outer ones first; some hold another."""
    spans, at = [], 0
    while at < size:
        start = at + rng.randint(0, 3)
        end = min(size, start + rng.randint(1, 6))
        if start < end:
            spans.append((start, end))
            if end - start > 3:
                spans.append((start + 1, end - 1))
        at = end
    return spans


def _calls(
    nodes: list[Node], spans: list[tuple[int, int]], groups: dict[int, list[Node]], call_of: dict[Node, LayerCall]
) -> tuple[LayerCall, ...]:
    users: dict[Node, set[Node]] = {n: set() for n in nodes}
    for node in nodes:
        for used in node.inputs:
            users[used].add(node)
    calls: list[LayerCall] = []
    for i, inside in groups.items():
        members = set(inside)
        taken = dict.fromkeys(n for m in inside for n in m.inputs if n not in members and n.primitive is not CONSTANT)
        outputs = tuple(n for n in inside if not users[n] or users[n] - members)
        around = [
            c for c, (start, end) in zip(calls, spans, strict=False) if start <= spans[i][0] and spans[i][1] <= end
        ]
        call = LayerCall(f"layer{i}", "Relu", tuple(taken), outputs, around[-1] if around else None)
        calls.append(call)
        call_of.update(dict.fromkeys(inside, call))
    return tuple(calls)
