"""What large traces cost: 10,000 and 100,000 nodes traced, differentiated, saved and loaded; deep chains.

    python benchmarks/scale.py

Goals: 100,000 nodes in at most 6 s, at most 12 × the time of 10,000; a topological order of 10**6 nodes; an LSTM of
1,000 steps; a replay that costs no more than the traced run.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from tracing import program

import dout
from dout.graph import INPUT, Node, topological
from dout.ops import PRIMITIVES
from dout.trace.model.replay import first_difference

H = 4


def timed(run: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds and result of one call."""
    start = time.perf_counter()
    result = run()
    return time.perf_counter() - start, result


def lstm(xs: Any, Wx: Any, Wh: Any, b: Any) -> Any:
    """An unrolled LSTM on a batch of sequences, its last hidden state summed."""
    h = c = np.zeros((xs.shape[0], H))
    for t in range(xs.shape[1]):
        a = np.dot(xs[:, t], Wx) + np.dot(h, Wh) + b
        f, g, i, o = (a[:, k * H : (k + 1) * H] for k in range(4))
        f, i, o = (1 / (1 + np.exp(-z)) for z in (f, i, o))
        c = f * c + i * np.tanh(g)
        h = o * np.tanh(c)
    return np.sum(h)


def round_trip(steps: int) -> tuple[float, int]:
    """Seconds for all four, and how many nodes."""
    x = np.linspace(-1.0, 1.0, 8)
    traced, trace = timed(lambda: dout.trace(program, x.copy(), steps))
    nodes = len(trace.graph.nodes)
    replayed, wrong = timed(lambda: first_difference(trace.graph.nodes, trace.data))
    assert wrong is None
    differentiated, _ = timed(lambda: trace.values)
    with tempfile.TemporaryDirectory() as folder:
        saved, _ = timed(lambda: trace.save(Path(folder) / "trace.json"))
        loaded, again = timed(lambda: dout.load(Path(folder) / "trace.json"))
    assert len(again.graph.nodes) == nodes
    total = traced + differentiated + saved + loaded
    print(
        f"{nodes:8}{traced:9.2f}{differentiated:16.2f}{saved:8.2f}{loaded:8.2f}{total:9.2f}"
        f"{replayed / (traced - replayed):22.2f}"
    )
    return total, nodes


def main() -> None:
    """Print the table."""
    print("   nodes  trace s differentiate s  save s  load s  total s   replay / traced run")
    small, large = round_trip(833), round_trip(8_333)
    print(f"ratio {large[0] / small[0]:.1f} for {large[1] / small[1]:.1f} times the nodes; goals: ≤ 6 s, ≤ 12")
    node = Node(INPUT, (), {}, (), float)
    for _ in range(10**6):
        node = Node(PRIMITIVES["negative"], (node,), {}, (), float)
    print(f"topological order of 10**6 nodes: {timed(lambda: topological([node]))[0]:.2f} s")
    rng = np.random.default_rng(0)
    arrays = rng.normal(size=(2, 1_000, 3)), rng.normal(size=(3, 4 * H)), rng.normal(size=(H, 4 * H)), np.zeros(4 * H)
    seconds, trace = timed(lambda: dout.trace(lstm, *arrays))
    derived, _ = timed(lambda: trace["Wx"])
    print(f"LSTM of 1,000 steps: {len(trace.graph.nodes)} nodes in {seconds:.2f} s, every gradient in {derived:.2f} s")


if __name__ == "__main__":
    main()
