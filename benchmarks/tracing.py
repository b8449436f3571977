"""What tracing costs a node, and that the cost is linear: microseconds beside the plain run, small arrays.

    python benchmarks/tracing.py

Goal: at most 15 µs a node, replay included, at any length.
"""

import statistics
import time

import numpy as np

import dout

REPEATS = 5


def program(x: np.ndarray, steps: int) -> np.ndarray:
    for _ in range(steps):
        y = np.exp(-x)
        x = x * 0.5 + y
        x[0] = 1.0
        x = np.where(x > 2.0, x - 1.0, x)
    return x


def seconds(run) -> float:  # noqa: ANN001
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


print(f"{'nodes':>8}{'plain µs':>10}{'traced µs':>11}{'gradient µs':>13}  a node; goal: traced ≤ 15")
for steps in (10, 100, 1_000, 10_000):
    x = np.linspace(-1.0, 1.0, 8)
    trace = dout.trace(program, x.copy(), steps)
    nodes = len(trace.graph.nodes)
    plain = seconds(lambda: program(x.copy(), steps)) / nodes * 1e6
    traced = seconds(lambda: dout.trace(program, x.copy(), steps)) / nodes * 1e6
    start = time.perf_counter()
    trace.values  # noqa: B018
    gradient = (time.perf_counter() - start) / nodes * 1e6
    print(f"{nodes:8}{plain:10.2f}{traced:11.2f}{gradient:13.2f}")
