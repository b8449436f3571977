"""The corpus that `dout.check` is measured on: right layers, hard controls, and layers with one bug.

    python -m benchmarks.checker.corpus

prints how many there are of each class, and has the oracle confirm every right layer and every control: its gradients
by exact numbers, its contract by plain runs. `CASES` says for each class of `right/` how it is made and called.
"""

from __future__ import annotations

import hashlib
import pickle
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))  # when run as a file

from benchmarks.checker.case import Case, Mutant, module_of, write

__all__ = ["CASES", "Case", "Mutant", "controls", "mutants", "right", "write"]

HERE = Path(__file__).parent
N, D, H, V, T, C = 3, 4, 5, 6, 4, 2  # batch, features, hidden, classes, steps, channels
Draw = Callable[[np.random.Generator], Any]


def normal(*shape: int) -> Draw:
    """Numbers of either sign."""
    return lambda rng: rng.normal(size=shape)


def positive(*shape: int) -> Draw:
    """Numbers between 0.3 and 2."""
    return lambda rng: rng.uniform(0.3, 2, shape)


def spread(*shape: int) -> Draw:
    """Numbers of either sign up to 4, for activations that bend far out."""
    return lambda rng: rng.uniform(-4, 4, shape)


def share(*shape: int) -> Draw:
    """Probabilities: each row sums to 1."""
    return lambda rng: rng.dirichlet(np.full(shape[-1], 2.0), shape[:-1])


def between(*shape: int) -> Draw:
    """Numbers between 0 and 1."""
    return lambda rng: rng.uniform(0.1, 0.9, shape)


def labels(*shape: int, below: int = V) -> Draw:
    """Class labels."""
    return lambda rng: rng.integers(below, size=shape)


def one_hot(n: int, k: int) -> Draw:
    """One 1 in each row."""
    return lambda rng: np.eye(k)[rng.integers(k, size=n)]


def zero_one(*shape: int) -> Draw:
    """Labels 0 and 1, as numbers."""
    return lambda rng: rng.integers(2, size=shape).astype(float)


def signs(*shape: int) -> Draw:
    """Labels -1 and 1, as numbers."""
    return lambda rng: rng.choice([-1.0, 1.0], size=shape)


@dataclass(frozen=True)
class Row:
    """How a class is made and called: inputs, then constructor arguments; `learned` are paths of parameters."""

    inputs: tuple[Draw, ...]
    init: dict[str, Any] = field(default_factory=dict)
    learned: str = ""
    labels: tuple[int, ...] = ()


def of(*inputs: Draw, learned: str = "", labels: tuple[int, ...] = (), **init: Any) -> Row:
    """A row of the table."""
    return Row(inputs, init, learned, labels)


def affine(d: int = D, h: int = H) -> dict[str, Draw]:
    """W and b."""
    return {"W": normal(d, h), "b": normal(h)}


def gates(k: int) -> dict[str, Draw]:
    """Wx and Wh of k gates."""
    return {"Wx": normal(D, k * H), "Wh": normal(H, k * H)}


def two_layers() -> dict[str, Draw]:
    """W1, b1, W2 and b2."""
    return {"W1": normal(D, H), "b1": normal(H), "W2": normal(H, 2), "b2": normal(2)}


X, WIDE, IMAGE = normal(N, D), spread(N, 7), normal(N, C, 4, 6)
LISTS = "params[0] params[1]"

CASES: dict[str, dict[str, Row]] = {
    "activations": {
        **{name: of(WIDE) for name in ("Relu", "ReluByMaximum", "LeakyRelu", "Elu", "Selu", "HardSigmoid")},
        **{name: of(WIDE) for name in ("HardTanh", "HardSwish", "Softsign", "SoftShrink")},
        "Relu6": of(lambda rng: rng.uniform(-5, 12, (N, 7))),
        "Prelu": of(X, alpha=positive(D), learned="alpha"),
        "Maxout": of(normal(N, 8)),
    },
    "smooth": {
        **{name: of(X) for name in ("Sigmoid", "SigmoidByMask", "Tanh", "ScaledTanh", "Softplus", "SoftplusBeta")},
        **{name: of(X) for name in ("LogSigmoid", "Swish", "Mish", "GeluErf", "GeluTanh", "Gaussian")},
        "SwishBeta": of(X, beta=positive(1), learned="beta"),
        "Glu": of(normal(N, 8)),
    },
    "arithmetic": {
        **{name: of(X, X) for name in ("MulLayer", "AddLayer", "SubLayer", "Maximum", "Hypot", "LogAddExp")},
        **{name: of(X) for name in ("Power", "Exp", "Abs", "Clip")},
        **{name: of(positive(N, D)) for name in ("Log", "LogEps", "Sqrt", "Reciprocal")},
        "DivLayer": of(X, positive(N, D)),
        "BroadcastMul": of(normal(N, 1, D), normal(2, D)),
        "BroadcastAdd": of(normal(N, D), normal(N, 1)),
        "ScaleShift": of(X, gamma=normal(D), beta=normal(D), learned="gamma beta"),
        "Lerp": of(X, X, w=normal(D), learned="w"),
    },
    "reductions": {
        **{name: of(X) for name in ("SumAxis", "SumBatch", "MeanAll", "MeanAxis", "MaxAxis", "MaxShared", "LogSumExp")},
        **{name: of(X) for name in ("Norm", "Variance", "Std", "CumSum", "SquaredSum")},
        "MinAxis": of(normal(2, 3, 4)),
        "WeightedMean": of(X, w=positive(D), learned="params[0]"),
        "RowDistance": of(X, X),
    },
    "softmaxes": {
        **{name: of(X) for name in ("Softmax", "SoftmaxByJacobian", "SoftmaxTemperature", "LogSoftmax")},
        "SoftmaxSpatial": of(normal(2, 3, 4, 5)),
        "SoftmaxWithLoss": of(normal(N, V), labels(N), labels=(1,)),
        "SoftmaxWithLossOneHot": of(normal(N, V), one_hot(N, V), labels=(1,)),
        "SmoothedCrossEntropy": of(normal(N, V), labels(N), labels=(1,)),
        "TimeSoftmaxWithLoss": of(normal(N, T, V), lambda rng: rng.integers(-1, V, (N, T)), labels=(1,)),
    },
    "losses": {
        "SigmoidWithLoss": of(normal(7), zero_one(7), labels=(1,)),
        "BinaryCrossEntropy": of(between(N, D), zero_one(N, D), labels=(1,)),
        "NegativeLogLikelihood": of(share(N, V), labels(N), labels=(1,)),
        "MeanSquaredError": of(X, X, labels=(1,)),
        "MeanAbsoluteError": of(X, X, labels=(1,)),
        "Huber": of(X, X, labels=(1,)),
        "LogCosh": of(X, X, labels=(1,)),
        "SumSquaredError": of(X, X),
        "MulticlassHinge": of(normal(N, V), labels(N), labels=(1,)),
        "BinaryHinge": of(normal(N, D), signs(N, D), labels=(1,)),
        "KullbackLeibler": of(share(N, D), share(N, D)),
        "PoissonLoss": of(X, labels(N, D), labels=(1,)),
        "CosineLoss": of(X, X),
        "FocalLoss": of(X, signs(N, D), labels=(1,)),
        "EmbeddingDotLoss": of(X, X, zero_one(N), labels=(2,)),
    },
    "normalisation": {
        "BatchNormalization": of(normal(5, D), gamma=normal(D), beta=normal(D), learned="gamma beta"),
        "BatchNorm2d": of(IMAGE, gamma=normal(C), beta=normal(C), learned="params['gamma'] params['beta']"),
        "LayerNorm": of(normal(2, 3, D), gamma=normal(D), beta=normal(D), learned="gamma beta"),
        "RmsNorm": of(X, gain=normal(D), learned="gain"),
        "InstanceNorm": of(normal(2, 3, 4, 5)),
        "GroupNorm": of(normal(N, 4, 5)),
        "L2Normalize": of(X),
        "WeightNorm": of(X, v=normal(D, H), g=normal(H), learned="v g"),
        "Standardize": of(X),
    },
    "affine": {
        "Affine": of(normal(N, 2, 3, 2), **affine(12, H), learned="W b"),
        "MatMul": of(X, W=normal(D, H), learned="params[0]"),
        "AffineGrads": of(X, **affine(), learned="params['W'] params['b']"),
        "SquareAffine": of(X, **affine(D, D), learned="W b"),
        "LinearByRows": of(X, weight=normal(H, D), bias=normal(H), learned="weight bias"),
        "TimeAffine": of(normal(N, 2, D), **affine(), learned=LISTS),
        "Bilinear": of(X, normal(N, H), W=normal(D, H), learned="W"),
        "MatMulLayer": of(X, normal(D, H)),
        "TwoLayerNet": of(X, **two_layers(), learned="params['W1'] params['b1'] params['W2'] params['b2']"),
        "AffineSigmoid": of(X, **affine(), learned="W b"),
        "OuterSum": of(normal(N), normal(D)),
    },
    "convolution": {
        "Convolution": of(normal(2, 3, 4, 5), W=normal(4, 3, 3, 2), b=normal(4), stride=1, pad=1, learned="W b"),
        "Depthwise": of(normal(2, 3, 5, 4), W=normal(3, 2, 3), learned="W"),
        "Conv1d": of(normal(2, 3, 6), W=normal(5, 3, 4), b=normal(5), learned="W b"),
        "TransposedConv1d": of(normal(2, 3, 4), W=normal(3, 5, 3), learned="W"),
        "Pointwise": of(normal(2, 3, 4, 5), W=normal(6, 3), b=normal(6), learned="W b"),
        "CausalFilter": of(normal(N, 6), w=normal(4), learned="w"),
    },
    "pooling": {
        "MaxPooling": of(normal(2, 3, 4, 6)),
        "MaxPoolOverlap": of(normal(2, 3, 5, 7)),
        "MaxPool1d": of(normal(2, 3, 8)),
        "AveragePooling": of(normal(2, 3, 4, 6)),
        "GlobalAveragePooling": of(normal(2, 3, 4, 5)),
        "Upsample": of(normal(2, 3, 4, 5)),
        "ZeroPad": of(normal(2, 3, 4, 5)),
        "SubPixel": of(normal(2, 8, 3, 5)),
    },
    "arranging": {
        "Flatten": of(normal(2, 3, 4)),
        "Permute": of(normal(2, 3, 4, 5)),
        "Concat": of(X, normal(N, H)),
        "Stack": of(X, X),
        "Shift": of(X),
        "Reverse": of(X),
        "Embedding": of(labels(5, below=4), W=normal(4, 3), learned="params[0]", labels=(0,)),
        "EmbeddingByLoop": of(labels(5, below=4), W=normal(4, 3), learned="W", labels=(0,)),
        "EmbeddingDot": of(normal(5, 3), labels(5, below=4), W=normal(4, 3), learned="W", labels=(1,)),
        "PositionalBias": of(normal(N, T, D), P=normal(6, D), learned="P"),
        **{name: of(normal(N, 8)) for name in ("Dropout", "InvertedDropout", "MultiplicativeNoise")},
        "SpatialDropout": of(normal(3, 4, 2, 5)),
    },
    "recurrent": {
        "Rnn": of(X, normal(N, H), **gates(1), b=normal(H), learned="params[0] params[1] params[2]"),
        "LstmStep": of(X, normal(N, H), normal(N, H), **gates(4), b=normal(4 * H), learned="Wx Wh b"),
        "GruStep": of(X, normal(N, H), **gates(3), learned="Wx Wh"),
        "TimeRnn": of(normal(N, T, D), **gates(1), b=normal(H), learned="Wx Wh b"),
        "ExponentialAverage": of(normal(N, T)),
        "Highway": of(X, X, W=normal(D, D), b=normal(D), learned="W b"),
    },
    "attention": {
        "WeightSum": of(normal(N, T, H), share(N, T)),
        "AttentionWeight": of(normal(N, T, H), normal(N, H)),
        "ScaledDotProduct": of(normal(2, 3, D), normal(2, 5, D), normal(2, 5, 6)),
        "CausalAttention": of(normal(2, 4, 3), Wq=normal(3, 5), Wk=normal(3, 5), learned="Wq Wk"),
        "AdditiveAttention": of(
            normal(2, 4, 3),
            normal(2, 5),
            **{"W": normal(3, 6), "U": normal(5, 6), "v": normal(6)},
            learned="params['W'] params['U'] params['v']",
        ),
    },
}

SQUARE: dict[str, dict[str, Row]] = {  # again, with matrices in which a forgotten transpose still fits
    "affine": {
        "MatMul": of(X, W=normal(D, D), learned="params[0]"),
        "AffineGrads": of(X, **affine(D, D), learned="params['W'] params['b']"),
        "LinearByRows": of(X, weight=normal(D, D), bias=normal(D), learned="weight bias"),
        "TimeAffine": of(normal(N, 2, D), **affine(D, D), learned=LISTS),
        "Bilinear": of(X, X, W=normal(D, D), learned="W"),
        "MatMulLayer": of(X, normal(D, D)),
        "AffineSigmoid": of(X, **affine(D, D), learned="W b"),
    },
    "normalisation": {"WeightNorm": of(X, v=normal(D, D), g=normal(D), learned="v g")},
    "convolution": {"Pointwise": of(normal(2, 4, 3, 3), W=normal(4, 4), b=normal(4), learned="W b")},
    "recurrent": {
        "Rnn": of(X, X, Wx=normal(D, D), Wh=normal(D, D), b=normal(D), learned="params[0] params[1] params[2]"),
        "TimeRnn": of(normal(N, 2, D), Wx=normal(D, D), Wh=normal(D, D), b=normal(D), learned="Wx Wh b"),
    },
    "attention": {
        "ScaledDotProduct": of(normal(2, 4, 4), normal(2, 4, 4), normal(2, 4, 4)),
        "CausalAttention": of(normal(2, 4, 4), Wq=normal(4, 4), Wk=normal(4, 4), learned="Wq Wk"),
        "AttentionWeight": of(normal(N, D, D), X),
    },
}


STYLES: dict[str, dict[str, Row]] = {  # right layers as some people write them; no mutants are made of these
    "style_memory": {
        **{name: of(X) for name in ("OutArguments", "WhereArgument", "InPlaceOnCopy", "NegativeSlopesInPlace")},
        **{name: of(X) for name in ("PutMask", "CopyTo", "MemoryView", "Preallocated", "AddAt", "SubtractAt")},
        **{name: of(X) for name in ("Rolled", "Flat", "FlatIndexed", "AlongAxis", "SplitAndStack", "PaddedView")},
        **{name: of(X) for name in ("SlidingWindow", "ReversedWrites")},
        "StridedBackward": of(normal(2, D, D)),
        "TransposedWrite": of(X, w=normal(D), learned="w"),
    },
    "style_caches": {
        **{name: of(X) for name in ("StoredLambda", "Closures", "ReducedTape", "NamedTupleCache", "StackCache")},
        **{name: of(X) for name in ("DequeCache", "CacheById", "TryKeyError", "LruConstants", "ChainMapCache")},
        **{name: of(X, X) for name in ("Partial", "TypedTupleCache", "CacheByKey")},
        "DataClass": of(X, **affine(), learned="W b"),
    },
    "style_python": {
        **{name: of(X) for name in ("Walrus", "Enumerated", "Generated", "Polynomial", "WhileLoop", "Recursive")},
        **{name: of(X) for name in ("Accumulated", "Pairwise", "Dispatched", "MathConstants", "ScalarMath")},
        **{name: of(X, X) for name in ("Zipped", "Operators", "Starred")},
        "EarlyReturn": of(X),
    },
    "style_numpy": {
        **{name: of(WIDE) for name in ("Selected", "Piecewise", "Chosen", "WhereChain", "MaskProducts", "MaskAlgebra")},
        **{name: of(WIDE) for name in ("Heaviside", "SignedRoot", "IndexByMask", "NonZero", "ErrorState")},
        **{name: of(X) for name in ("ReduceMethods", "Accumulate", "ReduceAt", "Kronecker", "Tiled", "RolledCopies")},
        **{name: of(X) for name in ("Flipped", "Triangle", "DiagonalMatrices", "Casts", "ZeroDim", "BroadcastTo")},
        **{name: of(normal(N), normal(D)) for name in ("OuterProduct", "OuterDifferences")},
        "EinsumAffine": of(X, **affine(), learned="W b"),
        "EinsumBilinear": of(X, normal(N, H), W=normal(D, H), learned="W"),
        "TensorDot": of(normal(N, 2, D), W=normal(D, H), learned="W"),
        "DotAndTranspose": of(X, W=normal(D, H), learned="W"),
        "ManyMatrices": of(normal(2, 3, D), normal(2, D, 5)),
        "Ellipses": of(normal(2, 3, D), g=normal(D), learned="g"),
    },
    "style_classes": {
        **{name: of(X) for name in ("Slots", "CallForwards", "Properties", "CachedProperty", "FromAbstract")},
        **{name: of(X) for name in ("Superclass", "CallsSuper", "OfMixins", "Cooperative", "StaticMethods")},
        **{name: of(X) for name in ("ClassMethods", "BackwardCallsForward", "DefaultArguments")},
        "KeywordOnly": of(X, X),
        "Mangled": of(X, W=normal(D, H), learned="W"),
    },
    "style_composed": {
        **{name: of(X) for name in ("Doubled", "InAList", "Context", "Decorated", "TwoOutputs", "GetAttr", "Vars")},
        **{name: of(X, X) for name in ("OfLayers", "SharedParts")},
        "LazyWeight": of(X),
        "GradientsInDict": of(X, **affine(), learned="params['W'] params['b']"),
        "GradientsAdded": of(X, W=normal(D, H), learned="W"),
        "BroadcastBias": of(normal(N, C, 5), b=normal(1, C, 1), learned="b"),
    },
}


def gradient_of(path: str) -> str:
    """Where backward leaves the gradient of a parameter."""
    return path.replace("params", "grads") if path.startswith("params") else "d" + path


def right() -> list[Case]:
    """Every right layer, on inputs of no special kind."""
    cases: list[Case] = []
    tables = [(module, rows, "") for module, rows in CASES.items()]
    tables += [(module, rows, "-square") for module, rows in SQUARE.items()]
    tables += [(module, rows, "") for module, rows in STYLES.items()]
    for module, rows, mark in tables:
        text = (HERE / "right" / f"{module}.py").read_text()
        for cls, row in rows.items():

            def draw(rng: np.random.Generator, row: Row = row) -> tuple[dict[str, Any], tuple[Any, ...]]:
                init = {name: value(rng) if callable(value) else value for name, value in row.init.items()}
                return init, tuple(make(rng) for make in row.inputs)

            init, inputs = draw(np.random.default_rng([1, len(cases)]))
            params = {path: gradient_of(path) for path in row.learned.split()}
            source = module_of(text, cls)
            cases.append(
                Case(
                    f"{module}/{cls}{mark}", source, cls, init, inputs, module, frozenset(row.labels), params, draw=draw
                )
            )
    return cases


def controls() -> list[Case]:
    """Right layers where a checker is tempted to see a bug."""
    from benchmarks.checker.controls import generate

    return generate(right())


def mutants() -> list[Mutant]:
    """Layers with one bug, each confirmed by the oracle; kept beside the bytecode until a source here changes."""
    from benchmarks.checker.mutants import generate

    text = b"".join(path.read_bytes() for path in sorted(HERE.rglob("*.py")))
    kept = HERE / "__pycache__" / f"mutants-{hashlib.sha256(text).hexdigest()[:16]}.pickle"
    if kept.exists():
        return pickle.loads(kept.read_bytes())
    made = generate([case for case in right() if case.kind not in STYLES])
    kept.parent.mkdir(exist_ok=True)
    for old in kept.parent.glob("mutants-*.pickle"):
        old.unlink()
    kept.write_bytes(pickle.dumps(made))
    return made


def main() -> int:
    """Verify and count; the exit status is 1 if a right layer is not right."""
    from benchmarks.checker.contract import broken, determinism, dtype, memory, state
    from benchmarks.checker.oracle import plain, truth, wrong

    began, bad = time.perf_counter(), 0
    for what, cases in (("right", right()), ("control", controls())):
        for case in cases:
            faults: list[Any] = [*wrong(plain(case), truth(case))]
            faults += broken(case) if what == "right" else broken(case, (memory, state, determinism))
            faults += dtype(case) if case.kind == "float32" else {}
            if faults:
                bad += 1
                print(f"NOT RIGHT  {what}  {case.id}: {faults}")
        print(f"{len(cases):6} {what}, confirmed by {time.perf_counter() - began:.0f} s")
    made = mutants()
    for bug, count in sorted(Counter(m.bug for m in made).items()):
        words = Counter(m.cause for m in made if m.bug == bug)
        print(f"{count:6} {bug:14}{', '.join(f'{word} {n}' for word, n in words.most_common())}")
    print(f"{len(made):6} mutants in {time.perf_counter() - began:.0f} s")
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
