"""The rows of the table and the goal of each, as data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.speed.reasons import WHY_MISSED

PEERS = ("torch", "torch.compile", "jax", "jax sync")
SAME_CODE = "torch.compile(NumPy)"  # of the plain code as it is
K, M = 1 << 10, 1 << 20

Samples = Mapping[str, Sequence[float]]  # by contender, one a round


@dataclass(frozen=True)
class Goal:
    """At least `bound` times as fast as `than`; where `most`, at most `bound` times as much as `than` or plainly.

    Where `more`, at most `bound` more than `than`, in the row's unit.
    """

    bound: float
    than: str = ""  # a contender, in its faster way; or "peer", the best of them
    most: bool = False
    more: bool = False

    def reached(self, samples: Samples) -> float | None:
        """The ratio, or quantity, that `bound` is about: the median over the rounds. None where one is missing."""
        ours = samples.get("dout", ())
        those = [s for name, s in samples.items() if self.than in (name, name.partition(" ")[0])]
        if self.than == "peer":
            those = [samples[name] for name in (*PEERS, SAME_CODE) if name in samples]
        theirs = min(those, key=median, default=()) if self.than else [1.0] * len(ours)
        if not ours or not theirs:
            return None
        pairs = zip(ours, theirs, strict=True)
        return median(a - b if self.more else a / b if self.most else b / a for a, b in pairs)

    def met(self, reached: float) -> bool:
        """Whether that is enough."""
        return reached <= self.bound if self.most or self.more else reached >= self.bound

    def aim(self, unit: str) -> str:
        """The goal in symbols; `unit` is the row's."""
        if self.more:
            return f"≤ {self.than} + {self.bound:g} {unit}"
        return f"{'≤' if self.most else '≥'} {self.bound:g}{f' × {self.than}' if self.than else f' {unit}'}"


@dataclass(frozen=True)
class Row:
    """A line of the table: `kind` says how its work is made and measured, `shape` on what."""

    number: int  # its group
    task: str
    kind: str  # "two calls", "one step", "training step", "purchase", …
    shape: tuple[int, ...] = ()
    goals: tuple[Goal, ...] = ()
    contenders: tuple[str, ...] = ("plain", *PEERS, "dout")
    unit: str = "µs"
    dtype: str = "float32"

    @property
    def why_missed(self) -> str:
        """Why a goal of this row is missed where it is, as far as we found out, and what would close the gap."""
        if found := WHY_MISSED.get(f"{self.task}, {self.kind}", WHY_MISSED.get(self.task, "")):
            return found
        if self.kind not in ("two calls", "one step") or self.number >= 10:
            return ""
        return WHY_MISSED["16 M" if self.size == "16 M" else "less"]

    @property
    def name(self) -> str:
        """Its group's title."""
        widths = "-".join(map(str, self.shape[:-1])) + " " if self.task == "net" else ""
        return f"{self.number} {self.task} {widths}{self.kind}" + f" {self.dtype}" * (self.dtype != "float32")

    @property
    def size(self) -> str:
        """The shape in words."""
        if self.task == "net":
            return f"batch {self.shape[-1]}"
        return "×".join(map(_short, self.shape))


def _short(n: int) -> str:
    return next((f"{n // unit} {name}" for unit, name in ((M, "M"), (K, "K")) if n >= unit and n % unit == 0), str(n))


PLAIN_AND_TORCH = ("plain", "torch", "torch.compile", SAME_CODE, "dout")


def _convolutional() -> list[Row]:
    net, deep, lenet, block = "convolutional net", "deep convolutional net", "LeNet-5", "residual block"
    torch = (Goal(1.5, "torch"),)
    wide = (Goal(2, "torch"), Goal(5, "plain"), Goal(2.5, "matmuls", most=True))
    return [
        Row(11, "two-layer net", "gradient", (100,), (), PLAIN_AND_TORCH, dtype="float64"),
        Row(11, net, "gradient", (100,), wide, (*PLAIN_AND_TORCH, "matmuls"), dtype="float64"),
        Row(
            11,
            net,
            "gradient",
            (100,),
            (Goal(8, "plain"), Goal(2.5, "torch"), Goal(1.5, "torch.compile")),
            (*PLAIN_AND_TORCH, "matmuls"),
        ),
        *(Row(11, deep, "gradient", (20,), torch, PLAIN_AND_TORCH, dtype=dtype) for dtype in ("float32", "float64")),
        Row(11, lenet, "gradient", (100,), torch, PLAIN_AND_TORCH),
        Row(11, block, "two calls", (16, 16, 16, 16), torch, PLAIN_AND_TORCH),
    ]


def _steps() -> list[Row]:
    goals, everyone = (Goal(3, "plain"), Goal(1.5, "torch")), ("plain", "torch", SAME_CODE, "dout")
    layers = ("recurrent layer", "RNN of cells", "LSTM of cells", "GRU of cells")
    return [Row(12, task, "two calls", (20, steps, 100), goals, everyone) for task in layers for steps in (35, 200)]


def _attention() -> list[Row]:
    goals = (Goal(1.2, "torch"), Goal(3, "plain"))
    return [Row(13, "attention block", "two calls", (8, 128, 256), goals, PLAIN_AND_TORCH)]


def _first_calls() -> list[Row]:
    """First calls of networks and loops, how they grow with the number of steps, and calls of another size."""
    cold_and_warm = (("convolutional net", (100,)), ("LSTM of cells", (20, 200, 100)))
    growing = Goal(1.5, "10 steps", most=True)
    return [
        *(
            Row(14, task, f"first call, {how}", shape, (Goal(bound, most=True),), ("dout",), "s")
            for task, shape in (*cold_and_warm, ("recurrent layer", (20, 35, 100)))
            for how, bound in (("cold", 5), ("warm", 0.8))
        ),
        *(
            Row(14, task, "first call, cold, less a plain one", (20, 1000, 100), (growing,), ("10 steps", "dout"), "s")
            for task in ("recurrent layer", "LSTM of cells")
        ),
        *(
            Row(14, task, "first two calls, cold", (M,), (Goal(2, "plain", more=True),), ("plain", "dout"), "s")
            for task in ("loop over numbers", "loop of calls")
        ),
        *(
            Row(15, task, "another batch size", (100,), (Goal(1.2, "plain", most=True),), ("plain", "dout"), "ms")
            for task in ("two-layer net", "convolutional net")
        ),
    ]


def _elementwise(
    number: int, task: str, kind: str, small: tuple[Goal, ...], large: tuple[Goal, ...], largest: tuple[Goal, ...]
) -> list[Row]:
    goals = {K: small, 64 * K: large, M: large, 16 * M: largest}
    everyone = ("plain", *PEERS, *(SAME_CODE,) * (kind == "two calls"), "dout")
    return [Row(number, task, kind, (n,), goals[n], everyone + ("copy",) * (n == 16 * M)) for n in goals]


def _activations() -> list[Row]:
    rows = []
    memory = Goal(0.8, "copy")
    for task in ("chain", "gelu tanh", "gelu erf", "silu", "softplus", "tanh"):
        for kind, goal in (("two calls", Goal(2, "peer")), ("one step", Goal(3, "peer"))):
            rows += _elementwise(2, task, kind, (goal,), (goal,), (goal, memory))
    return rows


def _first() -> list[Row]:
    return [
        Row(8, task, kind, shape, (Goal(bound, most=True),), ("torch.compile", "jax", "dout"), "s")
        for task, shape, bounds in (("sigmoid", (M,), (1.5, 0.25)), ("net", (784, 50, 10, 100), (4, 0.5)))
        for kind, bound in zip(("first call, cold", "first call, warm"), bounds, strict=True)
    ]


def _memory() -> list[Row]:
    alone = ("plain", "dout")
    new = (Goal(8, most=True),)  # Python's own objects: no array of the sizes below fits
    return [
        Row(7, "sigmoid", "new memory a call", (M,), new, alone, "KB"),
        Row(7, "chain", "new memory a step", (M,), new, alone, "KB"),
        Row(7, "net", "new memory a step", (784, 50, 10, 100), new, alone, "KB"),
        Row(7, "chain", "peak memory of a step", (16 * M,), (Goal(0.5, "plain", most=True),), alone, "MB"),
    ]


def _net(number: int, widths: tuple[int, ...], size: int, goals: tuple[Goal, ...]) -> Row:
    return Row(number, "net", "training step", (*widths, size), goals, ("plain", *PEERS, SAME_CODE, "dout", "matmuls"))


def _loops() -> list[Row]:
    convolution, pooling, shape = "naive convolution", "naive max pooling", (4, 3, 32, 32)
    naive = (Goal(200, "plain"), Goal(0.5, "torch"))
    return [
        Row(10, convolution, "two calls", shape, naive, ("plain", "torch", "dout")),
        *(Row(10, pooling, "two calls", (4, n, 32, 32), naive, ("plain", "torch", "dout")) for n in (3, 16)),
        *(
            Row(10, task, f"first call, {how}", shape, (Goal(bound, most=True),), ("dout",), "s")
            for task in (convolution, pooling)
            for how, bound in (("cold", 3), ("warm", 0.5))
        ),
        *(Row(10, task, "two calls", (M,), (), ("plain", "dout")) for task in ("loop over numbers", "loop of calls")),
    ]


ROWS = [
    *(
        row
        for task in ("sigmoid", "relu")
        for row in _elementwise(
            1,
            task,
            "two calls",
            (Goal(2, "plain"), Goal(3, "peer")),
            (Goal(3, "plain"), Goal(2, "peer")),
            (Goal(3, "plain"), Goal(5, "peer")),
        )
    ),
    *_activations(),
    *(
        Row(3, task, "two calls", shape, (Goal(2, "peer"),), ("plain", *PEERS, SAME_CODE, "dout"))
        for task in ("softmax cross-entropy", "layer norm", "batch norm")
        for shape in ((64, K), (4 * K, K))
    ),
    _net(4, (784, 50, 10), 100, (Goal(1.25, "matmuls", most=True), Goal(2.5, "torch"), Goal(2, "jax"))),
    _net(5, (784, 512, 512, 10), 100, (Goal(1.1, "matmuls", most=True), Goal(1.2, "peer"))),
    _net(5, (784, 512, 512, 10), K, (Goal(1.1, "matmuls", most=True), Goal(1, "peer"))),
    Row(6, "buy-fruits", "purchase", (), (Goal(1.5, most=True), Goal(6, "micrograd")), ("plain", "micrograd", "dout")),
    *_memory(),
    *_first(),
    *_loops(),
    *_convolutional(),
    *_steps(),
    *_attention(),
    *_first_calls(),
    Row(9, "ten norms", "ten small kernels", (8,), (Goal(10, most=True),), ("plain", "dout")),
]
