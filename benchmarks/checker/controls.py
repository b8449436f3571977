"""Hard but right: layers where a checker is tempted to see a bug.

Each table is one temptation: a kink exactly hit, a huge or tiny scale, an empty array, a layout … Its entries name
right layers and say what is done to their inputs; `unusual.py` holds the layers that need code of their own. The
oracle confirms every one.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.checker.case import Case, module_of
from benchmarks.checker.contract import narrow

Change = Callable[[np.ndarray], np.ndarray]


def names(text: str) -> list[str]:
    """The words of a text: ids of layers."""
    return text.split()


def array(*values: Any) -> np.ndarray:
    """Numbers as float64."""
    return np.array(values, float)


FEW = array([-1.5, 0.0, 2.0], [0.75, -0.25, 0.0])
TIE = array([1.0, 3.0, 3.0, -2.0], [0.5, 0.25, -1.0, 0.0])
TIE_OF_THREE = array([2.0, 2.0, 2.0, 1.0], [0.0, 4.0, 5.0, 5.0])
IMAGE_TIE = np.arange(24.0).reshape(1, 1, 4, 6) % 9 // 2
A, B = array([1.0, -2.0, 0.5], [3.0, 0.25, -1.0]), array([1.0, 2.0, -0.5], [3.5, 0.25, -2.0])

KINKS: tuple[tuple[str, tuple[Any, ...], str], ...] = (
    *((f"activations/{name}", (FEW,), "0 exactly: any slope between the two sides is right") for name in (
        "Relu", "ReluByMaximum", "LeakyRelu", "Elu", "Selu", "Relu6", "Softsign")),
    *((f"unusual/{name}", (FEW,), "another slope at 0 is as right") for name in (
        "ReluOneAtZero", "ReluHalfAtZero", "ReluByAbs", "SignedSquare")),
    ("activations/HardSigmoid", (array([-2.5, 2.5, 0.0, -3.0]),), "both ends exactly"),
    ("activations/HardTanh", (array([-1.0, 1.0, 0.0, 4.0]),), "both ends exactly"),
    ("activations/HardSwish", (array([-3.0, 3.0, 0.0, 1.0]),), "both ends exactly"),
    ("activations/Relu6", (array([0.0, 6.0, 3.0, 8.0]),), "both ends exactly"),
    ("activations/SoftShrink", (array([-0.5, 0.5, 0.0, 2.0]),), "the threshold exactly"),
    ("activations/Maxout", (array([1.0, 2.0, 1.0, 0.5]).reshape(1, 4),), "a tie of two channels"),
    ("arithmetic/Abs", (FEW,), "0 has the slope sign(0) = 0"),
    ("arithmetic/Clip", (array([-0.5, 0.8, 0.0, 1.0]),), "both limits exactly"),
    ("arithmetic/Maximum", (A, B), "ties go to x"),
    ("unusual/MaximumShared", (A, B), "ties are shared"),
    ("arithmetic/LogAddExp", (A, B), "the shift has a tie, the function has none"),
    ("arithmetic/Hypot", (array(0.0, 3.0), array(0.0, 4.0)), "0 at the tip of a cone: 0 is a subgradient"),
    *((f"reductions/{name}", (x,), "equal greatest or least elements") for name in (
        "MaxAxis", "MaxShared", "MinAxis", "LogSumExp") for x in (TIE, TIE_OF_THREE)),
    *(("unusual/MaxLast", (x,), "the last of equals") for x in (TIE, TIE_OF_THREE)),
    ("pooling/MaxPooling", (IMAGE_TIE,), "ties in windows: the first takes all"),
    ("pooling/MaxPool1d", (array([1.0, 1.0, 2.0, 3.0, 0.0, 0.0]).reshape(1, 1, 6),), "ties of neighbours"),
    ("pooling/MaxPoolOverlap", (array(*range(25)).reshape(1, 1, 5, 5) % 12,), "a tie between windows that overlap"),
    ("losses/MeanAbsoluteError", (A, B), "some predictions are exact"),
    ("losses/Huber", (array([0.7, 0.0, -0.7]).reshape(1, 3), np.zeros((1, 3))), "delta exactly: smooth there"),
    ("losses/BinaryHinge", (array([1.0, -1.0, 0.5]), array([1.0, -1.0, 1.0])), "the margin exactly"),
    ("losses/MulticlassHinge", (array([2.0, 1.0, 0.5], [0.0, 1.0, 2.5]), np.array([0, 1])), "the margin exactly"),
    *((f"smooth/{name}", (FEW,), "written with |x| or a branch at 0, but smooth there") for name in (
        "Sigmoid", "SigmoidByMask", "Softplus", "LogSigmoid", "Swish", "Mish", "SoftplusBeta")),
    ("unusual/SmoothStep", (array([0.0, 1.0, 0.5, 2.0]),), "both ends exactly, where it is smooth"),
    ("softmaxes/Softmax", (TIE,), "the shift has a tie, softmax has none"),
    ("softmaxes/LogSoftmax", (TIE_OF_THREE,), "the shift has a tie, log softmax has none"),
    ("softmaxes/SoftmaxWithLoss", (TIE_OF_THREE, np.array([0, 3])), "the shift has a tie, the loss has none"),
    ("losses/LogCosh", (A, A * 1), "0 everywhere: written with |d|, smooth"),
)  # fmt: skip

UNUSUAL = {  # layers with code of their own, on ordinary inputs
    "ReluOneAtZero": "", "ReluHalfAtZero": "", "ReluByAbs": "", "MaxLast": "", "MaximumShared": "",
    "Square": "x**2", "SquareByProduct": "x*x", "Constant": "does not depend on x", "Cancels": "x - x",
    "UnusedInput": "a gradient of zeros", "UnusedParameter": "a gradient of zeros", "Identity": "",
    "CacheCleared": "a stale cache is cleared", "OwnBuffer": "writes into its own copies alone",
    "Inherited": "forward and backward of a base class", "Slots": "no __dict__", "TupleOfOne": "(dx,)",
    "ListOfTwo": "[dx, dy]", "Log10": "a rounded constant", "SignedSquare": "",
    "SmoothStep": "", "Rounded": "flat", "InversePower": "", "ZerothPower": "a gradient of zeros",
    "ConvRemainder": "some inputs are never read", "Sort": "", "StoredDropout": "the mask is frozen",
    "BroadcastBias": "a bias of shape (1, D)", "OneGain": "one number of shape (1,)",
}  # fmt: skip
TWO_INPUTS = ("MaximumShared", "UnusedInput", "ListOfTwo")
PARAMETERS: dict[str, dict[str, Any]] = {
    "UnusedParameter": {"W": array([0.5, -1.0], [1.5, 2.0], [0.3, 0.7], [-0.4, 0.9]), "b": array(1.0, 2.0)},
    "StoredDropout": {"mask": np.array([[True, False, True, True]] * 3)},
    "BroadcastBias": {"b": array([0.1, -0.2, 0.3, 0.4])},
    "OneGain": {"g": array(1.7)},
}

SCALED = names("""
    activations/Relu activations/ReluByMaximum activations/LeakyRelu activations/Prelu arithmetic/Abs
    arithmetic/Maximum arithmetic/AddLayer arithmetic/SubLayer arithmetic/ScaleShift smooth/Sigmoid smooth/Tanh
    smooth/Softplus smooth/LogSigmoid reductions/SumAxis reductions/MeanAll reductions/MaxAxis reductions/CumSum
    reductions/LogSumExp softmaxes/Softmax softmaxes/LogSoftmax softmaxes/SoftmaxWithLoss pooling/MaxPooling
    pooling/AveragePooling arranging/Concat arranging/Shift affine/Affine
""")
SCALES = {"1e-300": 1e-300, "1e-8": 1e-8, "1e150": 1e150}
EMPTY = names("""
    activations/Relu activations/ReluByMaximum activations/LeakyRelu activations/Elu activations/HardTanh
    smooth/Sigmoid smooth/SigmoidByMask smooth/Tanh smooth/GeluTanh smooth/Softplus arithmetic/MulLayer
    arithmetic/AddLayer arithmetic/DivLayer arithmetic/Exp arithmetic/ScaleShift arithmetic/Power
    affine/AffineGrads affine/MatMul affine/SquareAffine affine/MatMulLayer reductions/SumAxis
    reductions/LogSumExp softmaxes/Softmax softmaxes/LogSoftmax arranging/Concat arranging/Dropout
    recurrent/Rnn
""")
FLOAT32 = names("""
    activations/LeakyRelu activations/Selu activations/HardSigmoid smooth/GeluErf smooth/GeluTanh smooth/Mish
    smooth/Sigmoid arithmetic/Hypot arithmetic/Sqrt reductions/Std reductions/WeightedMean softmaxes/Softmax
    softmaxes/SoftmaxWithLoss losses/Huber losses/LogCosh losses/CosineLoss normalisation/BatchNormalization
    normalisation/LayerNorm normalisation/InstanceNorm affine/Affine affine/TimeAffine convolution/Convolution
    convolution/Depthwise pooling/MaxPooling arranging/Embedding arranging/Dropout recurrent/TimeRnn
    recurrent/LstmStep attention/ScaledDotProduct attention/CausalAttention
""")
MOVED = names("""
    activations/Relu smooth/SigmoidByMask affine/Affine convolution/Convolution pooling/MaxPooling
    normalisation/BatchNorm2d normalisation/GroupNorm recurrent/TimeRnn attention/WeightSum arranging/Flatten
    softmaxes/TimeSoftmaxWithLoss
""")
LAYOUTS: dict[str, Change] = {
    "fortran": np.asfortranarray,
    "strided": lambda x: np.repeat(x, 2, axis=-1)[..., ::2],
    "reversed": lambda x: x[..., ::-1].copy()[..., ::-1],
}
ONE_ROW = names("""
    normalisation/BatchNormalization normalisation/LayerNorm normalisation/Standardize affine/Affine
    convolution/Convolution pooling/MaxPooling softmaxes/SoftmaxWithLoss reductions/Variance recurrent/LstmStep
    attention/WeightSum reductions/SumBatch losses/CosineLoss
""")
SATURATED = names("""
    smooth/Sigmoid smooth/SigmoidByMask smooth/Tanh smooth/Softplus smooth/LogSigmoid smooth/Swish
    activations/Elu activations/Selu softmaxes/Softmax softmaxes/LogSoftmax softmaxes/SoftmaxWithLoss
    softmaxes/SmoothedCrossEntropy losses/SigmoidWithLoss losses/LogCosh recurrent/Rnn recurrent/LstmStep
    recurrent/GruStep attention/ScaledDotProduct
""")
FLAT = names("""
    normalisation/BatchNormalization normalisation/LayerNorm normalisation/InstanceNorm normalisation/GroupNorm
    normalisation/Standardize reductions/Std reductions/Variance
""")
ZEROS = names("""
    normalisation/RmsNorm normalisation/L2Normalize normalisation/LayerNorm losses/CosineLoss arithmetic/LogEps
    arithmetic/Sqrt reductions/RowDistance losses/BinaryCrossEntropy
""")
OFFSET = names("""
    normalisation/BatchNormalization normalisation/LayerNorm reductions/Variance reductions/Std
    softmaxes/LogSoftmax reductions/LogSumExp arranging/Shift
""")


def generate(right: list[Case]) -> list[Case]:
    """Every control, with ids that say the temptation and the layer."""
    known = {case.id: case for case in right} | {case.id: case for case in _unusual()}
    found: dict[str, Case] = {}
    for group, case in _all(known):
        first = name = f"{group}/{case.cls if group == 'unusual' else case.id}"
        for number in itertools.count(2):
            if name not in found:
                break
            name = f"{first}-{number}"
        found[name] = dataclasses.replace(case, id=name, kind=group, draw=None)
    return list(found.values())


def _unusual() -> Iterator[Case]:
    text = (Path(__file__).parent / "right" / "unusual.py").read_text()
    rng = np.random.default_rng(17)
    for cls, note in UNUSUAL.items():
        positive = cls in ("Log10", "InversePower")
        inputs = tuple(rng.uniform(0.4, 2, (3, 4)) if positive else rng.normal(size=(3, 4)) for _ in range(2))
        count = 2 if cls in TWO_INPUTS else 1
        init = PARAMETERS.get(cls, {})
        params = {name: "d" + name for name, value in init.items() if value.dtype == float}
        yield Case(f"unusual/{cls}", module_of(text, cls), cls, init, inputs[:count], "unusual", params=params,
                   note=note or "another way to write it, or another slope at a kink")  # fmt: skip
    for cls, values in (("Scalar", (2.5,)), ("PlainDiv", (3, 4))):
        yield Case(f"unusual/{cls}", module_of(text, cls), cls, {}, values, "unusual", note="plain Python numbers")


def _all(known: dict[str, Case]) -> Iterator[tuple[str, Case]]:
    for name, inputs, note in KINKS:
        yield "kink", dataclasses.replace(known[name], inputs=inputs, note=note)
    for case in known.values():
        if case.id.startswith("unusual/"):
            yield "unusual", case
    tables: tuple[tuple[str, list[str], Change, str], ...] = (
        *((f"scale-{n}", SCALED, lambda x, s=s: x * s, f"inputs of size {n}") for n, s in SCALES.items()),
        ("empty", EMPTY, lambda x: x[:0], "an empty batch has an empty gradient"),
        *((n, MOVED, move, f"{n} memory holds the same numbers") for n, move in LAYOUTS.items()),
        ("saturated", SATURATED, lambda x: x * 60, "slopes are 0 in float64"),
        ("alike", FLAT, lambda x: np.full_like(x, 0.75), "the variance is 0: eps decides"),
        ("zeros", ZEROS, np.zeros_like, "the length is 0: the stabiliser decides"),
        ("offset", OFFSET, lambda x: x + 1e6, "large numbers that differ little"),
    )
    for group, layers, change, note in tables:
        for name in layers:
            yield group, _changed(known[name], change, note, numbers=group not in ("empty", *LAYOUTS))
    for name in FLOAT32:
        note = "float32 has seven digits, and float32 comes out"
        yield "float32", dataclasses.replace(narrow(known[name]), note=note)
    for name in ONE_ROW:
        yield "one-row", _changed(known[name], lambda x: x[:1], "a batch of one", numbers=False)
    yield from (("number", case) for case in _numbers(known))
    yield from (("labels", case) for case in _labels(known))
    yield from (("draws", case) for case in _draws(known))


def _changed(case: Case, change: Change, note: str, numbers: bool) -> Case:
    """Every array changed: its numbers, which leaves labels alone, or its length or memory if it has the batch."""
    length = len(case.inputs[0])

    def new(i: int, x: np.ndarray) -> np.ndarray:
        return change(x) if (i not in case.labels if numbers else len(x) == length) else x

    return dataclasses.replace(case, inputs=tuple(new(i, x) for i, x in enumerate(case.inputs)), note=note)


def _numbers(known: dict[str, Case]) -> Iterator[Case]:
    """Python numbers, 0-d arrays, NumPy scalars, integers."""
    two = ("arithmetic/MulLayer", "arithmetic/AddLayer", "unusual/PlainDiv")
    kinds = {
        "Python ints": (100, 2), "Python floats": (0.5, -1.25), "an int and a float": (3, 0.5),
        "0-d arrays": (np.array(1.5), np.array(-0.5)), "NumPy scalars": (np.float64(1.5), np.float64(2.5)),
        "float32 scalars": (np.float32(1.5), np.float32(2.5)),
        "integer arrays": (np.array([1, 2, 3]), np.array([4, 5, 6])),
    }  # fmt: skip
    for name in two:
        for note, values in kinds.items():
            yield dataclasses.replace(known[name], inputs=values, note=note)
    for name in ("smooth/Tanh", "smooth/GeluTanh", "arithmetic/Log", "arithmetic/Sqrt", "arithmetic/Exp",
                 "arithmetic/Power", "activations/LeakyRelu", "smooth/Sigmoid"):  # fmt: skip
        yield dataclasses.replace(known[name], inputs=(np.array(0.75),), note="a 0-d array")


def _labels(known: dict[str, Case]) -> Iterator[Case]:
    """Labels of every integer dtype: they have no gradient."""
    for name in ("softmaxes/SoftmaxWithLoss", "softmaxes/SmoothedCrossEntropy", "losses/NegativeLogLikelihood",
                 "losses/MulticlassHinge"):  # fmt: skip
        case = known[name]
        for kind in (np.int32, np.uint8, np.int8):
            labels = case.inputs[1].astype(kind)
            yield dataclasses.replace(case, inputs=(case.inputs[0], labels), note=f"labels of {kind.__name__}")
    whole = known["losses/SigmoidWithLoss"]
    yield dataclasses.replace(whole, inputs=(whole.inputs[0], whole.inputs[1].astype(bool)), note="labels of bool")
    for name in ("arranging/Embedding", "arranging/EmbeddingByLoop"):
        same = np.array([2, 2, 2, 0, 2])
        yield dataclasses.replace(known[name], inputs=(same,), note="one row used four times, others never")
        yield dataclasses.replace(known[name], inputs=(same.astype(np.int32),), note="int32 numbers of rows")
    table = known["arranging/Embedding"]
    yield dataclasses.replace(table, inputs=(np.array([[1, 3, 1], [0, 1, 2]]),), note="a table of numbers")


def _draws(known: dict[str, Case]) -> Iterator[Case]:
    """Frozen draws, and draws that leave all or nothing."""
    for name, init in (("Dropout", {"ratio": 0.0}), ("Dropout", {"ratio": 1.0}), ("InvertedDropout", {"keep": 1.0}),
                       ("InvertedDropout", {"keep": 0.01}), ("MultiplicativeNoise", {"sigma": 0.0}),
                       ("SpatialDropout", {"ratio": 0.0})):  # fmt: skip
        said = ", ".join(f"{key} = {value}" for key, value in init.items())
        yield dataclasses.replace(known[f"arranging/{name}"], init=init, note=f"a draw that is kept, {said}")
