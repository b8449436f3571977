"""Arrays as steps on single numbers: what the page computes from another number is what NumPy computes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import page_programs
import pytest

import dout
from dout.draw import draw
from dout.draw.page.editable_inputs import OPERATIONS
from dout.draw.page.page_data import page_data

SCRIPTS = ("numbers", "arrays", "rules", "equations", "recompute")
BODY = """const run = makeRun(given.program);
    const value = (n) => { const found = run.value(n); return (found.items || [found]).map(Number); };
    run.set(given.changes);
    return [value(given.out), run.isFresh(given.out)];"""


class Formula:
    """A function of an array; its gradient is not what these tests are about."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function

    def forward(self, x: Any) -> Any:
        self.x = x
        return self.function(x)

    def backward(self, dout: Any) -> Any:
        return np.zeros_like(self.x)


def windows(x: Any) -> Any:
    return np.lib.stride_tricks.sliding_window_view(x, (2, 2)).sum(axis=(2, 3))


def added(x: Any) -> Any:
    out = np.zeros(4)
    np.add.at(out, [0, 2, 0], x[0, :3])
    return out


def largest_twice(x: Any) -> Any:
    out = x.copy()
    out[np.arange(3), x.argmax(axis=1)] *= 2
    return out


FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "sum of all": np.sum,
    "sum of rows and columns": lambda x: np.sum(x.reshape(2, 3, 2), axis=(0, 2)),
    "sum of many": lambda x: np.sum(np.tile(x, (3, 5)) * 0.1),
    "mean, var, std": lambda x: np.mean(x, axis=0) + np.var(x, axis=0, ddof=1) * np.std(x),
    "extremes": lambda x: x.max(axis=1) - x.min() + np.maximum(x, 0.5).prod(axis=1),
    "conditions": lambda x: np.where((x > 0).any(axis=0) & ~(x < -1).all(axis=0), x[1], -x[2]),
    "running": lambda x: np.cumsum(x, axis=1) + np.cumprod(x, axis=0) + np.cumsum(x)[3],
    "products": lambda x: (x @ x.T) @ x + np.dot(x, np.eye(4)) + np.inner(x, x)[:, :1],
    "a batch of products": lambda x: np.matmul(x.reshape(2, 2, 3), x.reshape(2, 3, 2)),
    "products of vectors": lambda x: x[0] @ x[1] + np.dot(x[1], x.T).sum(),
    "einsum": lambda x: np.einsum("ij,kj->ik", x, x) + np.einsum("ij,ij,kj->k", x, x, x),
    "convolve": lambda x: np.convolve(x[0], x[1, :3], "same") + np.convolve(x[2], x[0], "full")[1:5],
    "joined": lambda x: np.concatenate([np.pad(x, ((1, 0), (0, 2))), np.tile(x[:, :2], (1, 3))]),
    "turned": lambda x: np.roll(np.repeat(x, 2, axis=0)[:3, ::-1], 1, 1)[:, [0, 1, 1]],
    "corners": lambda x: np.tril(x[:, :3]) + np.triu(x[:, 1:], 1) + np.diag(x[0, :3]),
    "windows": windows,
    "added": added,
    "largest twice": largest_twice,
    "chosen by a whole number": lambda x: x[np.arange(3), x.argmin(axis=1)] + x[x.argmax(axis=0)[0]][:3],
    "dtypes": lambda x: x.astype(np.float32) * np.float32(1.1) + x.astype(np.int64),
    "functions": lambda x: np.exp(x) + np.log(np.abs(x) + 1) - np.tanh(x) ** 3 + np.clip(x, -0.5, 0.5) + np.sign(x),
    "masked": lambda x: np.sum(x, axis=0, where=np.array([[True], [False], [True]])),
}  # fmt: skip


@pytest.mark.one_in(4)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_another_number_gives_what_numpy_gives(name: str) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, 4)).round(2)
    data = page_data(draw(dout.trace(Formula(FUNCTIONS[name]), x), open="all"))
    (place,) = [given for given in data["inputs"].values() if given.get("shape") == (3, 4)]
    out = next(row[5]["value"] for row in reversed(data["rows"]) if row[5] and "value" in row[5])
    changed = x.copy()
    cells = rng.choice(12, 4, replace=False)
    changed.reshape(-1)[cells] = rng.normal(size=4).round(2)
    changes = [[place["first"] + int(cell), float(changed.reshape(-1)[cell])] for cell in cells]
    found, fresh = page_programs.run(SCRIPTS, BODY, {"program": data["program"], "changes": changes, "out": out})
    wanted = np.asarray(FUNCTIONS[name](changed), dtype=float).reshape(-1)
    assert fresh
    assert np.array(found, dtype=float) == pytest.approx(wanted, rel=1e-13, abs=1e-14)


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (lambda x: np.sort(x, axis=1), "argsort is computed from it, which this page cannot do"),
        (lambda x: np.linalg.inv(x[:, :3] + 5 * np.eye(3)), "inv is computed from it, which this page cannot do"),
        (lambda x: x.astype(np.float16), "a float16 is computed from it, which this page cannot do"),
        (lambda x: np.tile(x, (80, 80)) * 2, f"more than {OPERATIONS:,} operations follow from the inputs"),
    ],
)
def test_what_a_page_cannot_compute_is_named(function: Callable[[Any], Any], why: str) -> None:
    x = np.arange(12.0).reshape(3, 4) ** 2 % 7
    data = page_data(draw(dout.trace(Formula(function), x), open="all"))
    assert why in [given.get("why") for given in data["inputs"].values()]
