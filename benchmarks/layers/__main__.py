"""Ready-made layers beside PyTorch's of the same name: outputs and gradients in float64, over random options.

    PYTHONPATH=src python -m benchmarks.layers [--cases 200] [--seed 0] [NAME …]

PyTorch has to be there. A line a layer: how many cases, and the largest difference of an output and of a gradient, each
relative to the size of the numbers or 1. It ends with 1 if one is above 1e-12, but for layers in which PyTorch itself
rounds a constant to float32: those are held against mpmath in tests/layers.
"""

import argparse
import sys
import zlib
from operator import attrgetter

import numpy as np
import torch

from benchmarks.layers.rows import ROWS, Case

LIMIT = 1e-12
ROUNDED = {"Hardsigmoid": "PyTorch's 1/6 is a float32", "Celu": "PyTorch's 1/a is a float32"}


def difference(got: np.ndarray, right: torch.Tensor) -> float:
    """Return the largest difference, relative to the size of the numbers or 1; infinite where shapes differ."""
    other = right.detach().numpy()
    if np.shape(got) != other.shape:
        return float("inf")
    return float(np.max(np.abs(got - other) / np.maximum(np.abs(other), 1), initial=0.0))


def beside(case: Case) -> tuple[float, float]:
    """Return the differences of the output and of the gradients in one case."""
    inputs = [torch.tensor(x, requires_grad=np.asarray(x).dtype.kind == "f") for x in case.inputs]
    right = case.torch(*inputs)
    out = case.layer.forward(*case.inputs, *(() if case.target is None else (case.target,)))
    dout = np.random.default_rng(1).normal(size=right.shape)
    right.backward(torch.tensor(dout))
    gradients = case.layer.backward(dout if dout.ndim else float(dout))
    gradients = gradients if isinstance(gradients, tuple) else (gradients,) if gradients is not None else ()
    wanted = [x.grad for x in inputs if x.requires_grad and x.grad is not None]
    pairs = list(zip(gradients, wanted, strict=False))
    pairs += [(attrgetter(mine)(case.layer), of(theirs.grad)) for mine, theirs, of in case.parameters]
    return difference(out, right), max((difference(mine, theirs) for mine, theirs in pairs), default=0.0)


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("names", nargs="*")
    asked = parser.parse_args()
    worst = 0.0
    print(f"{'layer':24}{'cases':>7}{'output':>10}{'gradient':>10}   PyTorch {torch.__version__}")
    for name, make in ROWS.items():
        if asked.names and name not in asked.names:
            continue
        generator = np.random.default_rng([asked.seed, zlib.crc32(name.encode())])
        found = [beside(make(generator)) for _ in range(asked.cases)]
        out, gradient = (max(pair[i] for pair in found) for i in (0, 1))
        remark = ROUNDED.get(name, "") or ("beyond" if max(out, gradient) > LIMIT else "")
        worst = max(worst, 0.0 if name in ROUNDED else max(out, gradient))
        print(f"{name:24}{asked.cases:7}{out:10.1e}{gradient:10.1e}   {remark}".rstrip())
    return int(worst > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
