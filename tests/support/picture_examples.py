"""Traces that several tests of pictures draw."""

from __future__ import annotations

import numpy as np
from draw_traces import given, made, trace_of, user

from dout.trace.model.recorded import LayerCall
from dout.trace.record.trace import Trace


def arrays() -> Trace:
    """A mask on a small array, whole, with NaN in it; and a large array, which is summed up."""
    x, w = given((2, 3)), given((40, 3))
    masked = made("multiply", x, given((2, 3), bool), shape=(2, 3))
    mask = masked.inputs[1]
    product = made("matmul", w, masked, shape=(40, 3))
    small = np.array([[1.0, -2.5, 0.0], [np.nan, 4.0, 1e16]])
    large = np.linspace(-3, 5, 120).reshape(40, 3)
    data = {x: small, mask: np.array([[True, False, True], [True, True, False]]), w: large}
    return trace_of(
        [x, mask, w, masked, product],
        data | {masked: small * 2, product: large},
        names={x: "x", mask: "mask", w: "W", product: "out"},
        outputs={"out": product},
        gradients={x: user(np.ones((2, 3)), expected=np.eye(2, 3)), w: user(large / 7), product: user(large * 0 + 1)},
    )


def gates() -> Trace:
    """An open layer with two inputs and two results, one of which is used inside too, and another layer after it."""
    a, b = given(), given()
    total, scaled = made("add", a, b), made("multiply", a, b)
    both = made("subtract", scaled, total)
    after = made("exp", both)
    y = made("divide", after, total)
    call = LayerCall("pair", "Pair", (a, b), (total, both))
    last = LayerCall("last", "Last", (both, total), (y,))
    nodes = [a, b, total, scaled, both, after, y]
    numbers = dict(zip(nodes, [2.0, 3.0, 5.0, 6.0, 1.0, 2.718281828, 0.5436563657], strict=True))
    return trace_of(
        nodes,
        numbers,
        names={a: "a", b: "b", total: "total", y: "y"},
        calls=(call, last),
        call_of={total: call, scaled: call, both: call, after: last, y: last},
        outputs={"y": y},
        gradients={node: user(i / 4) for i, node in enumerate(nodes)},
    )
