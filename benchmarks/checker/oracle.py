"""Is a backward the derivative of its forward? Decided by exact numbers and a plain run, never by hand.

`truth` runs the case's own forward on exact numbers and sweeps back; `plain` runs forward and backward as a user would.
`wrong` compares the two. Where a comparison met equal numbers the derivative is not unique: then the whole gradient
must lie in the joint hull of the derivatives next to the point.
"""

from __future__ import annotations

import copy
import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.optimize import linprog

from benchmarks.checker.case import Case, kept_copy
from benchmarks.checker.exact import Kinks, Number, exact_namespace, leaves, lift, slopes

# For each dtype, how far a gradient may be from the exact one, and the least share of the greatest that counts as size.
FAR = {np.dtype(np.float16): (3e-2, 0.1), np.dtype(np.float32): (2e-4, 1e-2), np.dtype(np.float64): (1e-7, 1e-6)}
TINY = 1e-13


@dataclass
class Run:
    """What one forward and one backward left behind."""

    out: Any
    gradients: dict[str, Any]
    warned: frozenset[str] = frozenset()
    layer: Any = None
    inputs: tuple[Any, ...] = ()
    dout: Any = None


@dataclass
class Truth:
    """The exact gradient as float64, and others that are as good where the point is a kink."""

    out: np.ndarray
    gradients: dict[str, np.ndarray]
    others: list[dict[str, np.ndarray]] = field(default_factory=list)


def at(layer: Any, path: str) -> Any:
    """What a path as `W` or `params[0]` holds in an instance."""
    return eval(f"layer.{path}", {"layer": layer})  # the path is ours


def put(layer: Any, path: str, value: Any) -> None:
    """Put a value where a path leads."""
    exec(f"layer.{path} = value", {"layer": layer, "value": value})


def learned(case: Case) -> dict[str, str]:
    """The path of each parameter, by the name it has in the constructor."""
    layer, names = None, {}
    for path in case.params:
        layer = layer or case.build()
        arrays = {name: value for name, value in case.init.items() if isinstance(value, np.ndarray)}
        same = [name for name, value in arrays.items() if name not in names and np.array_equal(value, at(layer, path))]
        names[same[0] if same else path] = path
    return names


def upstream(case: Case, out: Any) -> Any:
    """The gradient that arrives: the case's own, or numbers of no special size, the same for the same shape."""
    if case.dout is not None:
        return kept_copy(case.dout)
    rng = np.random.default_rng([7, *np.shape(out)])
    drawn = rng.uniform(0.5, 1.5, np.shape(out)) * rng.choice([-1, 1], np.shape(out))
    if np.ndim(out) == 0 and not isinstance(out, np.ndarray):
        python = isinstance(out, float | int) and not isinstance(out, np.generic)
        return abs(float(drawn)) if python else np.asarray(out).dtype.type(abs(float(drawn)))
    kind = np.asarray(out).dtype
    return drawn.astype(kind if kind.kind == "f" else float)


def returned(case: Case, result: Any) -> list[Any]:
    """The gradients that backward returned, one for each input that needs one; [] for None."""
    wanted = [i for i in range(len(case.inputs)) if i not in case.labels]
    parts = [] if result is None else list(result) if isinstance(result, tuple | list) else [result]
    if len(parts) == len(case.inputs) != len(wanted):
        parts = [parts[i] for i in wanted]
    return parts


def plain(case: Case, layer: Any = None, dout: Any = None) -> Run:
    """Run forward and backward as they are, on copies of the inputs."""
    layer = case.build() if layer is None else layer
    inputs = tuple(kept_copy(x) for x in case.inputs)
    with warnings.catch_warnings(record=True) as caught, np.errstate(all="warn", under="ignore"):
        warnings.simplefilter("always")
        out = layer.forward(*inputs)
        dout = upstream(case, out) if dout is None else dout
        arriving = kept_copy(dout)
        kept = copy.deepcopy(out)
        gradients = collect(case, layer, layer.backward(arriving))
    said = frozenset(str(w.message).split(" encountered")[0] for w in caught if w.category is RuntimeWarning)
    return Run(kept, gradients, said, layer, inputs, dout)


def collect(case: Case, layer: Any, result: Any) -> dict[str, Any]:
    """Copies of the gradients of the inputs and parameters, by name."""
    names = [name for i, name in enumerate(case.names) if i not in case.labels]
    parts = returned(case, result)
    found = dict(zip(names, copy.deepcopy(parts), strict=False))
    for name, path in learned(case).items():
        found[name] = copy.deepcopy(at(layer, case.params[path]))
    return found


def truth(case: Case, kinks: int = 48) -> Truth:
    """The exact derivative of the forward along dout, also next to the point where it is a kink."""
    first, met = _exact(case, None)
    if met:
        rng = np.random.default_rng(5)
        first.others = [_exact(case, rng)[0].gradients for _ in range(kinks)]
    return first


def _exact(case: Case, shake: np.random.Generator | None) -> tuple[Truth, int]:
    names = case.namespace()
    exact_namespace(names)
    made = case.build(names)
    numbers: dict[str, Any] = {}
    for name, path in learned(case).items():
        numbers[name] = leaves(np.array(at(made, path)), shake)
        put(made, path, numbers[name])
    inputs = list(case.inputs)
    for i, name in enumerate(case.names):
        if i not in case.labels:
            numbers[name] = inputs[i] = leaves(kept_copy(inputs[i]), shake)
    Kinks.met = 0
    with np.errstate(all="ignore"):
        out = made.forward(*map(_unshared, inputs))
    met = Kinks.met
    elements = [lift(v) for v in np.asarray(out, object).ravel()]
    dout = upstream(case, _floats(out))
    weights = np.broadcast_to(np.asarray(dout, float), np.shape(out)).ravel()
    flat = [n for value in numbers.values() for n in np.asarray(value, object).ravel()]
    found = [float(g.mid()) for g in slopes(elements, weights, flat)]
    gradients, start = {}, 0
    for name, value in numbers.items():
        size = np.size(value)
        gradients[name] = np.array(found[start : start + size]).reshape(np.shape(value))
        start += size
    return Truth(_floats(out), gradients), met


def _unshared(x: Any) -> Any:
    """An array of the same numbers that may be written into."""
    return x.copy() if isinstance(x, np.ndarray) else x


def _floats(out: Any) -> Any:
    values = [float(lift(v).value.mid()) for v in np.asarray(out, object).ravel()]
    made = np.array(values, float).reshape(np.shape(out))
    return made if isinstance(out, np.ndarray) else made[()] if not isinstance(out, Number) else float(made)


def far(got: Any, want: np.ndarray, tiny: float = TINY) -> Any:
    """True where a gradient differs from the exact one: every index, or "shape" where not even that is right.

    A place is right within a few digits of its dtype of its own size, or of a share of the greatest, or within
    `tiny` whatever the size.
    """
    if got is None or np.shape(got) != np.shape(want) or np.asarray(got).dtype.kind not in "fiub":
        return "shape"
    got = np.asarray(got)
    near, least = FAR.get(got.dtype, (1e-7, 1e-6))
    finite = np.abs(want[np.isfinite(want)])
    allowed = near * np.maximum(np.abs(want), least * finite.max(initial=0))
    with np.errstate(all="ignore"):
        return ~((np.abs(got.astype(float) - want) <= np.maximum(allowed, tiny)) | (got == want))


def wrong(run: Run, true: Truth, tiny: float = TINY) -> dict[str, Any]:
    """The gradients that are wrong, by name: the places, or "shape"; {} when the backward is right."""
    found = {}
    for name, want in true.gradients.items():
        places = far(run.gradients.get(name), want, tiny)
        if isinstance(places, str) or places.any():
            found[name] = places
    return {} if found and _in_hull(run, true) else found


def _in_hull(run: Run, true: Truth) -> bool:
    """Whether the whole gradient is a mean of the derivatives next to the point, with weights not negative."""
    if not true.others:
        return False
    try:
        got = np.concatenate([np.asarray(run.gradients[name], float).ravel() for name in true.gradients])
        corners = np.array([np.concatenate([g[name].ravel() for name in true.gradients]) for g in true.others])
    except (KeyError, TypeError, ValueError):
        return False
    if got.shape != corners.shape[1:] or not np.isfinite(got).all():
        return False
    corners = np.unique(corners, axis=0)
    scale = max(np.abs(corners).max(), 1e-300)
    slack = 1e-6
    above = np.vstack([corners.T, -corners.T]) / scale
    limit = np.concatenate([got, -got]) / scale + slack
    answer = linprog(np.zeros(len(corners)), above, limit, np.ones((1, len(corners))), [1.0], method="highs")
    return bool(answer.status == 0)
