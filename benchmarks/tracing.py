"""What tracing costs a node, and that the cost is linear: microseconds beside the plain run, small arrays.

    python benchmarks/tracing.py

Goals: at most 15 µs a node, replay included, at any length; and a layer in a module of a hundred classes is recorded
in at most 1.2 times what it takes alone.
"""

import statistics
import sys
import time
import types
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import dout

REPEATS = 5


def program(x: Any, steps: int) -> Any:
    """Six operations a step, one of them a write in place."""
    for _ in range(steps):
        y = np.exp(-x)
        x = x * 0.5 + y
        x[0] = 1.0
        x = np.where(x > 2.0, x - 1.0, x)
    return x


def microseconds(run: Callable[[], Any]) -> float:
    """Median time of a few runs, after one that is not counted."""
    run()
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e6


LAYER = """
class Layer{number}:
    def __init__(self):
        self.W = np.ones((3, 4))
    def forward(self, x):
        self.x = x
        return x @ self.W
    def backward(self, dout):
        self.dW = self.x.T @ dout
        return dout @ self.W.T
"""


def layer_among(classes: int) -> Any:
    """A layer whose module has so many classes."""
    module = types.ModuleType(f"of_{classes}_classes")
    module.__file__ = __file__
    sys.modules[module.__name__] = module
    exec("import numpy as np\n" + "".join(LAYER.format(number=n) for n in range(classes)), vars(module))
    return module.Layer0()


def main() -> None:
    """Print the tables."""
    x = np.ones((2, 3))
    alone, among = (microseconds(partial(dout.trace, layer_among(classes), x)) for classes in (1, 100))
    print(f"a layer alone {alone:.0f} µs; in a module of 100 classes × {among / alone:.2f}; goal ≤ 1.2\n")
    x = np.linspace(-1.0, 1.0, 8)
    print(f"{'nodes':>8}{'plain':>10}{'traced':>10}{'gradients':>11}   µs a node; goal: traced ≤ 15")
    for steps in (10, 100, 1_000, 10_000):

        def traced(steps: int = steps) -> dout.Trace:
            return dout.trace(program, x.copy(), steps)

        nodes = len(traced().graph.nodes)
        plain = microseconds(lambda steps=steps: program(x.copy(), steps))
        tracing = microseconds(traced)
        both = microseconds(lambda traced=traced: traced().values)
        print(f"{nodes:8}{plain / nodes:10.2f}{tracing / nodes:10.2f}{(both - tracing) / nodes:11.2f}")


if __name__ == "__main__":
    main()
