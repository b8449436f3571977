"""Layers that are wrong on one side of a condition alone, one that the given inputs do not come to.

A checker that calls such a layer right has to say of which side it knows nothing. Each is a right layer of
`right/sided*.py` with one edit; `confirmed` runs both plainly: on the given inputs they agree, on the other side they
do not, and the right one agrees there with differences of its forward.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.checker.case import Case, Mutant, kept_copy, module_of

HERE = Path(__file__).parent
RNG = np.random.default_rng(11)
X, POSITIVE = RNG.normal(size=(3, 4)), RNG.uniform(0.5, 2.0, (3, 4))
LABELS = np.array([0, 2, 1])
W, B = RNG.normal(size=(4, 2)), RNG.normal(size=2)
STEPS = RNG.normal(size=(2, 3, 4))


@dataclass(frozen=True)
class Row:
    """A layer and its edits: `(before, after)` of one line; `says` are texts of which one tells the condition.

    The other side is come to with the inputs `there`, and with the attributes of `state` set.
    """

    edits: tuple[tuple[str, str], ...]
    says: tuple[str, ...]
    inputs: tuple[Any, ...] = (X,)
    there: tuple[Any, ...] | None = None
    init: dict[str, Any] = field(default_factory=dict)
    state: dict[str, Any] = field(default_factory=dict)


def of(*edits: tuple[str, str], says: str | tuple[str, ...], **more: Any) -> Row:
    """A row of the table."""
    return Row(edits, (says,) if isinstance(says, str) else says, **more)


def rows_of(x: Any, number: int) -> Any:
    """So many rows."""
    return np.resize(x, (number, *x.shape[1:])) * np.linspace(0.5, 1.5, number).reshape(-1, *[1] * (x.ndim - 1))


FAR = np.where(np.arange(12).reshape(3, 4) % 3, X, 150.0 + 7 * X)  # a third of the numbers far above
BELOW = -FAR
LONG = np.resize(X, (3, 20))
NARROW = np.where(np.arange(12).reshape(3, 4) % 2, X, 8.0 + POSITIVE / 5)

TABLE: dict[str, tuple[Row, ...]] = {
    "Relu6": (
        of(("(self.x > 0) & (self.x < 6)", "self.x > 0"), says="np.clip(x, 0, 6)", there=(FAR,)),
        of(("(self.x < 6)", "(self.x < 60)"), says=("np.clip(x, 0, 6)", "self.x < 60"), there=(np.abs(X) * 20,)),
    ),
    "WideTanh": (
        of(("* below * above", "* above"), says="np.minimum(x, 20.0)", there=(FAR,)),
        of(("* below * above", "* below"), says="np.maximum(np.minimum(x, 20.0), -20.0)", there=(BELOW,)),
    ),
    "HuberLoss": (
        of(("self.delta * np.sign(self.e))", "np.sign(self.e))"), says="<= self.delta", inputs=(X, X[::-1]),
           there=(FAR, X)),
        of(("self.delta * np.sign(self.e))", "self.delta)"), says="<= self.delta", inputs=(X, X[::-1]),
           there=(BELOW, X)),
        of(("return dout * np.where(small, self.e, self.delta * np.sign(self.e))", "return dout * self.e"),
           says="<= self.delta", inputs=(X, X[::-1]), there=(FAR, X)),
    ),
    "SmoothL1": (
        of(("slope[far] = np.sign(self.x[far])", "slope[far] = 1.0"), says=">= self.beta", there=(BELOW,)),
        of(("slope[far] = np.sign(self.x[far])", "slope[far] = 0.0"), says=">= self.beta", there=(FAR,)),
    ),
    "EluByLoop": (
        of(("else dout[i, j] * np.exp(self.x[i, j])", "else dout[i, j]"), says="x[i, j] > 0", inputs=(POSITIVE,),
           there=(X,)),
        of(("dout[i, j] if self.x[i, j] > 0 else", "2 * dout[i, j] if self.x[i, j] > 0 else"), says="x[i, j] > 0",
           inputs=(-POSITIVE,), there=(X,)),
    ),
    "LinearSoftplus": (
        of(("np.where(self.x > 30, 1.0, slope)", "np.where(self.x > 30, 0.0, slope)"), says="x > 30", there=(FAR,)),
        of(("np.where(self.x > 30, 1.0, slope)", "np.where(self.x > 40, 2.0, slope)"), says="self.x > 40",
           there=(FAR,)),
    ),
    "StableSigmoid": (
        of(("* self.y * (1 - self.y)", "* np.where(self.y > 0.9999, 1.0, self.y * (1 - self.y))"),
           says="self.y > 0.9999", there=(FAR,)),
    ),
    "Square": (
        of(("return dx", "return np.clip(dx, -50, 50)"), says="np.clip(dx, -50, 50)", there=(FAR,)),
        of(("return dx", "return np.clip(dx, None, 50)"), says="np.clip(dx, None, 50)", there=(FAR,)),
        of(("return dx", "return np.minimum(dx, 90.0)"), says="np.minimum(dx, 90.0)", there=(FAR,)),
        of(("return dx", "return np.where(self.x > 50, dout, dx)"), says="self.x > 50", there=(FAR,)),
        of(("return dx", "return np.where(self.x < -50, 0, dx)"), says="self.x < -50", there=(BELOW,)),
        of(("return dx", "return np.where(np.abs(self.x) > 1e7, 0, dx)"), says="> 10000000.0", there=(1e9 * X,)),
        of(("return dx", "return np.where(np.abs(self.x) < 1e-6, dout, dx)"), says="< 1e-06", there=(1e-7 * X,)),
        of(("return dx", "return np.where(self.x == 3, 0, dx)"), says="self.x == 3", there=(np.round(X) * 0 + 3.0,)),
        of(("return dx", "return np.where(self.x.sum() > 400, 2 * dx, dx)"), says="self.x.sum() > 400", there=(FAR,)),
        of(("return dx", "return dx if self.x.max() < 77 else dx * 2"), says="self.x.max() < 77", there=(FAR,)),
        of(("return dx", "return dx if np.linalg.norm(self.x) < 99 else dx * 2"), says="< 99", there=(FAR,)),
        of(("return dx", "return dx * (1 + (np.floor(self.x / 90) > 0))"), says="np.floor(self.x / 90)", there=(FAR,)),
        of(("return dx", "return dx * (1 + np.round(self.x / 500))"), says="np.round(self.x / 500)", there=(9 * FAR,)),
        of(("return dx", "return dx * (1 + (self.x / 64).astype(int))"), says=".astype(int)", there=(FAR,)),
        of(("return dx", "return dx[:64] * 1.0 if len(dx) <= 64 else dx / 64"), says="len(dx) <= 64",
           there=(rows_of(X, 70),)),
        of(("return dx", "return dx if self.x.shape[1] < 16 else -dx"), says="self.x.shape[1] < 16", there=(LONG,)),
        of(("return dx", "return dx if self.x.ndim < 3 else dx.mean(axis=0) + 0 * dx"), says="self.x.ndim < 3",
           there=(STEPS,)),
        of(("return dx", "return dx if self.x.size < 50 and len(dx) else 0 * dx"), says="self.x.size < 50",
           there=(rows_of(X, 40),)),
        of(("return dx", "return dx if not (dx > 1000).any() else dx * 0"), says=("(dx > 1000).any()", "dx > 1000"),
           there=(9 * FAR,)),
        of(("return dx", "return np.where(np.max(self.x, axis=1, keepdims=True) > 66, dout, dx)"), says="> 66",
           there=(FAR,)),
        of(("return dx", "return np.where((self.x > 2.5) & (self.x < 2.6), 0, dx)"), says="self.x < 2.6",
           there=(0 * X + 2.55,)),
        of(("return dx", "return np.where(np.logical_and(self.x > 40, self.x < 41), 0, dx)"),
           says=("np.logical_and", "self.x > 40"), there=(0 * X + 40.5,)),
        of(("return dx", "return dx * 2 if any(v > 60 for v in self.x.ravel()) else dx"),
           says=("v > 60", "any("), there=(FAR,)),
        of(("return dx", "return dx * (1.0 if min(self.x.ravel()) > -60 else 2.0)"), says="min(self.x.ravel()) > -60",
           there=(BELOW,)),
        of(("return dx", "return dx if np.all(self.x < 80) else dx[::-1]"), says=("np.all(self.x < 80)", "self.x < 80"),
           there=(FAR,)),
        of(("return dx", "return dx * (1 + np.heaviside(self.x - 50, 0.5))"), says="np.heaviside(", there=(FAR,)),
        of(("return dx", "return dx * (1 + np.digitize(self.x, [50.0]))"), says="np.digitize(", there=(FAR,)),
        of(("return dx", "return dx * ~np.isclose(self.x, 7.0)"), says="np.isclose(", there=(0 * X + 7.0,)),
        of(("return dx", "return dx * (1 + np.ceil(np.abs(self.x) / 50 - 1))"), says="np.ceil(", there=(FAR,)),
        of(("return dx", "return dx * (1 + np.abs(self.x) // 50)"), says="// 50", there=(FAR,)),
        of(("return dx", "return dx * (64 / max(64, len(dx)))"), says="max(64, len(dx))", there=(rows_of(X, 70),)),
        of(("return dx", "return (dx, dout)[int(self.x.max() > 50)]"), says="self.x.max() > 50", there=(FAR,)),
        of(("return dx", "return np.where(np.median(self.x) > 30, 0, dx)"), says="np.median(self.x) > 30",
           there=(40 + np.abs(X),)),
    ),
    "Scale": (
        of(("return dout * self.g", "return dout * np.minimum(self.g, 25.0)"), says="np.minimum(self.g, 25.0)",
           init={"g": POSITIVE[0]}, there=(X,), state={"g": np.full(4, 30.0)}),
        of(("np.sum(dout * self.x, axis=0)", "np.sum(np.where(dout > 100, 0, dout) * self.x, axis=0)"),
           says="dout > 100", init={"g": POSITIVE[0]}, there=(X,), state={"dout": 300.0}),
        of(("return dout * self.g", "return np.where(np.abs(dout) < 1e-5, 0, dout) * self.g"),
           says="np.abs(dout) < 1e-05", init={"g": POSITIVE[0]}, there=(X,), state={"dout": 1e-6}),
    ),
    "Larger": (
        of(("dout * ~self.first", "0 * dout"), says=("np.maximum(x, y)", "x > y"), inputs=(10 + X, X),
           there=(X, 10 + X)),
        of(("return dout * self.first,", "return 0 * dout,"), says=("np.maximum(x, y)", "x > y"), inputs=(X, 10 + X),
           there=(10 + X, X)),
    ),
    "Smaller": (
        of(("np.where(self.first, 0, dout)", "np.where(self.first, 0, -dout)"), says="x < y", inputs=(X, 10 + X),
           there=(10 + X, X)),
    ),
    "Fraction": (
        of(("dout * 1.0", "dout * (1 + (np.floor(self.x / 100) > 0))"), says="np.floor(", there=(FAR,)),
        of(("dout * 1.0", "dout * np.where(np.floor(self.x / 100) < -1, 2, 1)"), says="np.floor(", there=(2 * BELOW,)),
    ),
    "Remainder": (of(("turns == turns", "turns < 2"), says=("turns < 2",), there=(FAR,)),),
    "Stairs": (
        of(("return dout * self.slope", "return dout * np.minimum(self.slope, 2)"),
           says=("np.minimum(self.slope, 2)", ".astype(int)"), there=(FAR,)),
    ),
    "RoundedGain": (
        of(("return dout * (2 + self.gain)", "return dout * 2"), says="np.round(", there=(FAR,)),
    ),
    "SignedSquare": (
        of(("2 * np.abs(self.x)", "2 * self.x"), says=("np.abs(x)",), inputs=(POSITIVE,), there=(X,)),
    ),
    "SignedRoot": (
        of(("np.sqrt(np.abs(self.x))", "np.sqrt(np.abs(self.x)) * np.sign(self.x)"), says=("np.sign(", "np.abs("),
           inputs=(POSITIVE,), there=(X,)),
    ),
    "RowMax": (
        of(("self.place] = dout", "np.minimum(self.place, 0)] = dout"), says=("np.argmax(x, axis=1)", "np.minimum("),
           inputs=(X * 0.1 + [9, 0, 0, 0],), there=(X,)),
    ),
    "PairPool": (
        of(("dout * (self.place == 1)], axis=2)", "0 * dout], axis=2)"), says=("np.argmax(", "self.place"),
           inputs=(np.sort(X, axis=1)[:, ::-1],), there=(X,)),
    ),
    "Band": (
        of(("np.where(self.inside, 2.0, 1.0)", "1.0"), says=("x < 8.5", "x > 8.0"), there=(NARROW,)),
    ),
    "FourPieces": (
        of(("[3.0, 2.0, 4.0], 5.0)", "[3.0, 2.0, 4.0], 4.0)"), says="x < 100", there=(FAR,)),
        of(("[3.0, 2.0, 4.0], 5.0)", "[2.0, 2.0, 4.0], 5.0)"), says="x < -100", there=(BELOW,)),
    ),
    "TinyIsCut": (
        of(("np.where(np.abs(self.x) < 1e-3, 0.0, dout)", "dout"), says="np.abs(x) < 0.001", there=(1e-4 * X,)),
    ),
    "HugeIsCut": (of(("return dout * self.keep", "return dout"), says="np.abs(x) < 100000000.0", there=(1e10 * X,)),),
    "MaxMargin": (
        of(("self.over * 1.0", "np.ones_like(self.over) * 1.0"), says=("margin > 0", "np.maximum(margin, 0)"),
           inputs=(X, LABELS), there=(50 * X, LABELS)),
    ),
    "IgnoringLoss": (
        of(("= dout * self.kept", "= dout"), says="t == -1", inputs=(X, LABELS), there=(X, np.array([0, -1, 1]))),
    ),
    "MeanSwitch": (
        of(("return 3 * dout", "return dout"), says=("x.mean() > 20", "self.steep"), there=(FAR,)),
        of(("return dout * 1.0", "return 3 * dout"), says=("x.mean() > 20", "self.steep"), inputs=(FAR,), there=(X,)),
    ),
    "ShiftedSoftmax": (
        of(("            return dx - self.y * total", "            return dx"), says="np.max(x) > 100", there=(FAR,)),
    ),
    "Halving": (of(("return dout * self.factor", "return dout"), says="> 64", there=(FAR,)),),
    "Linear": (
        of(("self.db = dout.sum(axis=0)", "self.db = dout.mean(axis=0)[::-1]"), says="self.b is not None",
           init={"W": W}, there=(X,), state={"b": B}),
        of(("return dout @ self.W.T", "return dout @ self.W.T * (1 if self.b is not None else 2)"),
           says="self.b is not None", init={"W": W, "b": B}, there=(X,), state={"b": None}),
    ),
    "AnyLinear": (
        of(('"ntd,nth->dh", self.x, dout', '"ntd,nth->dh", self.x[:, ::-1], dout'), says="self.x.ndim == 3",
           init={"W": W}, there=(STEPS,)),
        of(("self.dW = self.x.T @ dout", "self.dW = self.x.T @ dout[::-1]"), says="self.x.ndim == 3", init={"W": W},
           inputs=(STEPS,), there=(X,)),
    ),
    "Average": (
        of(("dout[None] / self.n", "dout[None] / 64"), says="self.n > 64", there=(rows_of(X, 70),)),
        of(("dout[None] / self.n, self.n, axis=0)", "dout[None], self.n, axis=0)"), says="self.n > 64",
           there=(rows_of(X, 80),)),
    ),
    "Blocks": (
        of(("range(0, len(dout), 100)]", "range(0, len(dout) - 100, 100)] + [0 * dout[-(len(dout) % 100 or 100) :]]"),
           says="len(dout) <= 100", there=(rows_of(X, 120),)),
        of(("[2 * self.x[i : i + 100]", "[self.x[i : i + 100]"), says="len(dout) <= 100", there=(rows_of(X, 120),)),
    ),
    "LongSequence": (
        of(("total = total + dout[:, t]", "total = dout[:, t]"), says="steps < 10", there=(LONG,)),
        of(("for t in reversed(range(steps)):", "for t in range(steps):"), says="steps < 10", there=(LONG,)),
    ),
    "Recurrent": (
        of(("dz * self.w * 1.0", "0.0"), says="t < 12", inputs=(STEPS,), init={"w": W[:, 0]},
           there=(np.resize(STEPS, (2, 15, 4)),)),
    ),
    "OddPool": (
        of(("dx = dx[:, :-1]", "dx = dx[:, 1:]"), says="self.length % 2", there=(X[:, :3],)),
    ),
    "Drop": (
        of(("return dout * 0.5", "return dout"), says="self.training", there=(X,), state={"training": False}),
    ),
    "Norm": (
        of(("return dout / self.past", "return dout * self.past"), says="self.training", there=(X,),
           state={"training": False}),
    ),
    "Reduced": (
        of(("2 * self.x / self.x.size", "2 * self.x"), says="self.reduction == 'sum'", there=(X,),
           state={"reduction": "mean"}),
        of(("            return dout * 2 * self.x", "            return dout * self.x"), says="self.reduction == 'sum'",
           init={"reduction": "mean"}, there=(X,), state={"reduction": "sum"}),
    ),
    "Padded": (
        of(("dx[:, -1] += dout[:, -1]", "dx[:, -1] += dout[:, 0]"), says="self.mode == 'edge'", there=(X,),
           state={"mode": "edge"}),
    ),
    "Matched": (
        of(("            return dout * self.y", "            return dout"), says="tanh", there=(X,)
           , state={"kind": "exp"}),
    ),
    "LastStep": (
        of(("dx[:, -1] = 2 * dout", "dx[:, 0] = 2 * dout"), says="self.all_steps", there=(X,),
           state={"all_steps": False}),
    ),
    "Weighted": (
        of(("return dout * self.factor", "return dout"), says="self.weight", there=(X,), state={"weight": 3.0}),
    ),
    "Strided": (
        of(("dx[:, :: self.stride] = dout", "dx[:, : dout.shape[1]] = dout"), says="self.stride == 1", there=(X,),
           state={"stride": 2}),
    ),
    "Spread": (
        of(("return dout * self.x / (self.std * self.x.shape[1])",
            "return dout * self.x / (np.maximum(self.std, 0.05) * self.x.shape[1])"),
           says="np.maximum(self.std, 0.05)", there=(1e-3 * X,)),
    ),
    "Picked": (
        of(("dx = np.zeros(self.shape)", "dx = np.zeros(self.shape) + (len(self.rows) < self.shape[0])"),
           says=("x[i, 0] < 70", "len(self.rows)"), there=(FAR,)),
    ),
    "Rescaled": (
        of(("return dout * gain", "return dout"), says="np.abs(x).sum() < 1000", there=(3 * FAR,)),
    ),
    "Budget": (
        of(("return self.share * dout", "return dout"), says="len(dout) < 80", there=(rows_of(X, 100),)),
    ),
}  # fmt: skip


def one_sided() -> Iterator[tuple[Mutant, Case, Row]]:
    """Every layer that is wrong on one side, its right twin, and what tells the condition."""
    texts = [path.read_text() for path in (HERE / "right").glob("sided*.py")]
    for cls, rows in TABLE.items():
        source = next(module_of(text, cls) for text in texts if f"class {cls}:" in text)
        for i, row in enumerate(rows):
            right = Case(f"sided/{cls}-{i}", source, cls, row.init, row.inputs, "one-sided")
            for k, (before, after) in enumerate(row.edits):
                if source.count(before) != 1:
                    raise LookupError(f"{cls}: {before!r} stands there {source.count(before)} times")
                edited = source.replace(before, after)
                yield Mutant(f"{right.id}-{k}", edited, cls, row.init, row.inputs, "one-sided", bug="one-sided",
                             before=before, after=after, right=right.id), right, row  # fmt: skip


def confirmed(mutant: Case, right: Case, row: Row) -> bool:
    """Whether both are alike on the given inputs and unlike on the other side, where the right one is right."""
    state = {"dout": 1.0, **row.state}
    size = state.pop("dout")
    here, there = row.inputs, row.inputs if row.there is None else row.there
    alike = _same(_gradients(mutant, here), _gradients(right, here))
    unlike = not _same(_gradients(mutant, there, state, size), _gradients(right, there, state, size))
    return alike and unlike and all(_is_slope(right, inputs, s) for inputs, s in ((here, {}), (there, state)))


def _gradients(
    case: Case, inputs: tuple[Any, ...], state: dict[str, Any] | None = None, size: float = 1.0
) -> list[Any]:
    layer = case.build()
    for name, value in (state or {}).items():
        setattr(layer, name, copy.deepcopy(value))
    out = layer.forward(*map(kept_copy, inputs))
    dout = size * np.random.default_rng(3).uniform(0.5, 1.5, np.shape(out))
    found = layer.backward(dout)
    kept = [getattr(layer, name) for name in ("dW", "db", "dg", "dw") if getattr(layer, name, None) is not None]
    return [*(found if isinstance(found, tuple) else [found]), *kept]


def _same(a: list[Any], b: list[Any]) -> bool:
    with np.errstate(all="ignore"):
        return all(
            np.shape(x) == np.shape(y) and np.allclose(x, y, rtol=1e-9, atol=0) for x, y in zip(a, b, strict=True)
        )


def _is_slope(case: Case, inputs: tuple[Any, ...], state: dict[str, Any]) -> bool:
    """Whether the gradient of the first input is the slope of forward, along one direction."""
    x = inputs[0]
    direction = np.random.default_rng(4).uniform(0.5, 1.5, x.shape) * np.abs(x)

    def loss(moved: Any) -> Any:
        layer = case.build()
        for name, value in state.items():
            setattr(layer, name, copy.deepcopy(value))
        out = layer.forward(moved, *map(kept_copy, inputs[1:]))
        return float(np.sum(out * np.random.default_rng(3).uniform(0.5, 1.5, np.shape(out))))

    step = 1e-6
    slope = (loss(x + step * direction) - loss(x - step * direction)) / (2 * step)
    derived = float(np.sum(_gradients(case, inputs, state)[0] * direction))
    return bool(abs(slope - derived) <= 1e-4 * (abs(slope) + abs(derived)) + 1e-9)


def is_told(errors: Sequence[str], branches: Sequence[str], row: Row) -> bool:
    """Whether a report calls the layer wrong, or lists the condition, with its line, as not covered."""
    return bool(errors) or any(says in line and ".py:" in line for line in branches for says in row.says)
