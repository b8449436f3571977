"""A written module, tried: its methods against the user's, call by call, at several sizes.

Kernels run as Python here, on functions of NumPy's: so nothing has to be compiled to see whether the text is right.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import count
from types import ModuleType
from typing import Any

import numba
import numpy as np

from dout.engine.bench.bench_subject import upstream
from dout.engine.export.sample_runs import SampleSize, Specimen, Way
from dout.engine.math import accumulate, vector_math
from dout.run import copied, douts_taken, fresh, places, quiet, seed_global

_CALLS = 2  # forward and backward, so often: attributes of the first are there in the second
_numbers = count()
_CONTAINERS = (list, tuple, dict)
_COMPARED = (np.dtype, np.ndarray, np.generic, int, float, str, type(None), *_CONTAINERS)

_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "decay": np.exp,
    "minus": np.subtract,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "softplus": lambda x: np.logaddexp(x, type(x)(0)),
    "log_sigmoid": lambda x: -np.logaddexp(-x, type(x)(0)),
    "erf": lambda x: type(x)(math.erf(x)),
    "pow": np.power,
    "plus": lambda total, x: total + x,
    "indices": range,
    "add_exactly": accumulate.add_exactly.py_func,
    "settled": accumulate.settled.py_func,
}


def loaded(text: str, calls: Mapping[str, str], user: ModuleType) -> ModuleType:
    """A module of this text, which ends before what kernels call: `calls` says which functions, by the names there.

    Raises what running it raises.
    """
    name = f"_dout_standalone_{next(_numbers)}"
    module = ModuleType(name)
    module.__file__, module.__package__ = user.__file__, user.__package__
    vars(module).update({name: _function(call) for name, call in calls.items()})
    vars(module)["njit"] = lambda **options: lambda function: function
    lines = [line for line in text.split("\n") if not line.startswith(("from numba", "import numba", "from llvmlite"))]
    sys.modules[name] = module
    try:
        exec(compile("\n".join(lines), f"<{name}>", "exec", dont_inherit=True), vars(module))
    finally:
        del sys.modules[name]
    return module


@cache
def _function(call: str) -> Callable[..., Any]:
    """A function that gives what one of the kernels' gives: NumPy's where there is one, else itself, compiled."""
    stem = re.sub(r"_f(?:32|64)$", "", call)
    if stem in _FUNCTIONS or hasattr(np, stem):
        return _FUNCTIONS.get(stem) or getattr(np, stem)
    own = getattr(accumulate, call, None) or getattr(vector_math, call)
    run = numba.njit(error_model="numpy")(lambda *given: own(*given))

    def function(*given: Any) -> Any:
        result = run(*given)
        return type(given[0])(result) if isinstance(result, float) else result

    return function


def first_fault(cls: type, specimen: Specimen, sizes: Iterable[SampleSize]) -> str | None:
    """The method of a written class that does not give what the user's gives: forward or backward, or None."""
    with quiet():
        for way in specimen.ways():
            for size in sizes:
                fault = _fault(cls, specimen, way, size)
                if fault is not None:
                    return fault
    return None


def _fault(cls: type, specimen: Specimen, way: Way, size: SampleSize) -> str | None:
    init = specimen.init_of(way.dtype, size)

    def run(kind: type) -> Iterator[tuple[str, dict[str, Any]]]:
        return _steps(kind, init, specimen, way, size)

    try:
        expected = list(run(specimen.cls))
    except Exception:  # not a way in which it is used
        return None
    fault = _difference(expected, run(cls), ())
    if fault is None:
        return None
    again = list(run(specimen.cls))  # a class may number its instances
    unsteady = {path for (_, one), (_, two) in zip(expected, again, strict=True) for path in _unlike(one, two)}
    return _difference(expected, run(cls), unsteady)


def _difference(
    expected: Sequence[tuple[str, dict[str, Any]]], written: Iterator[tuple[str, dict[str, Any]]], but: Collection[str]
) -> str | None:
    """The first method whose results are others, `but` for those at these paths."""
    for kind, results in expected:
        try:
            _, others = next(written)
        except Exception:
            return kind
        if results.keys() != others.keys() or not _unlike(results, others) <= {*but}:
            return kind
    return None


def _unlike(one: Mapping[str, Any], other: Mapping[str, Any]) -> set[str]:
    """The paths at which two runs have other results."""
    return {path for path, item in one.items() if path not in other or not _same(item, other[path])}


def _steps(
    cls: type, init: dict[str, Any], specimen: Specimen, way: Way, size: SampleSize
) -> Iterator[tuple[str, dict[str, Any]]]:
    """What calls give and leave behind, one after the other."""
    seed_global()
    layer = fresh(cls, init)
    for call in range(_CALLS + 1):
        flags = {name: specimen.inputs[name] for name in way.arguments} if call == 0 else {}
        inputs = specimen.given(way, size) | flags
        out = layer.forward(**inputs)
        yield "forward", _seen([out, inputs, layer])
        for seed in (1.0, 1) if np.ndim(out) == 0 and not isinstance(out, tuple | list) else (None,):
            douts = list(douts_taken(layer.backward, upstream(out) if seed is None else seed))
            gradients = layer.backward(*douts)
            yield "backward", _seen([gradients, douts, layer])
        if call == 0:
            vars(layer).update(way.attributes)


def _seen(items: list[Any]) -> dict[str, Any]:
    """The numbers, texts and arrays in items, and of what kind the containers in them are, by path."""
    found = {place.path: place.item for place in places(items) if isinstance(place.item, _COMPARED)}
    return {path: type(item) if isinstance(item, _CONTAINERS) else copied(item) for path, item in found.items()}


def _same(one: Any, other: Any) -> bool:
    if type(one) is not type(other):
        return False
    if not isinstance(one, np.ndarray | np.generic | float):
        return bool(one == other)
    a, b = np.asarray(one), np.asarray(other)
    if (a.shape, a.dtype) != (b.shape, b.dtype):
        return False
    if np.array_equal(a, b):
        return True
    if a.dtype.kind not in "fc":
        return False
    scale = max(1.0, float(np.max(np.abs(a), initial=0, where=np.isfinite(a))))
    return bool(np.allclose(a, b, rtol=0, atol=scale * _digits(a.dtype), equal_nan=True))


def _digits(dtype: np.dtype[Any]) -> float:
    """Half of the digits; those of a float32, as what is float64 may come from one."""
    return float(np.sqrt(np.finfo(np.float32 if dtype.itemsize > 2 else dtype).eps))
