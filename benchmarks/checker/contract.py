"""What a layer owes its caller besides the gradient, observed in plain runs.

Each function runs a case in one way and returns what it saw go wrong, as {word: detail}; {} is a layer that keeps its
promise there. A mutant counts as broken only where the right layer shows nothing of the kind.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benchmarks.checker.case import Case, kept_copy
from benchmarks.checker.oracle import TINY, Run, at, collect, plain, returned, truth, upstream, wrong

Seen = dict[str, str]
QUIET = {"invalid value", "overflow", "divide by zero"}


def memory(case: Case) -> Seen:
    """Does it write into what it was given, or hand out memory that is not its own to give?"""
    seen: Seen = {}
    layer = case.build()
    inputs = [kept_copy(x) for x in case.inputs]
    before = [_bytes(x) for x in inputs]
    parameters = {path: np.array(at(layer, path)) for path in case.params}
    with np.errstate(all="ignore"):
        out = layer.forward(*inputs)
        if [_bytes(x) for x in inputs] != before:
            seen["overwrites input"] = "in forward"
        if any(_share(out, x) for x in inputs):
            seen["alias"] = "out and an input"
        dout = upstream(case, out)
        arriving = kept_copy(dout)
        parts = returned(case, layer.backward(arriving))
    if [_bytes(x) for x in inputs] != before:
        seen.setdefault("overwrites input", "in backward")
    if _bytes(arriving) != _bytes(dout):
        seen["overwrites dout"] = ""
    left = [at(layer, path) for path in case.params.values()]
    for i, part in enumerate([*parts, *left]):
        if _share(part, arriving):
            seen["alias"] = "a gradient and dout"
        if any(_share(part, x) for x in inputs):
            seen["alias"] = "a gradient and an input"
        if any(_share(part, at(layer, path)) for path in case.params):
            seen["alias"] = "a gradient and a parameter"
        if any(_share(part, other) for other in [*parts, *left][:i]):
            seen["alias"] = "two gradients"
    if any(_bytes(at(layer, path)) != _bytes(was) for path, was in parameters.items()):
        seen["overwrites parameter"] = ""
    if "alias" not in seen and "overwrites dout" not in seen and _cache_is_out(case):
        seen["alias"] = "out or a gradient, and a residual"
    return seen


def _cache_is_out(case: Case) -> bool:
    """Whether writing into what forward or backward returned changes the next gradient."""
    want = plain(case).gradients
    layer = case.build()
    out = layer.forward(*(kept_copy(x) for x in case.inputs))
    dout = upstream(case, out)
    if isinstance(out, np.ndarray) and out.flags.writeable and out.dtype.kind == "f":
        out += 1
    parts = layer.backward(kept_copy(dout))
    if not same_values(collect(case, layer, parts), want):
        return True
    for part in returned(case, parts):
        if isinstance(part, np.ndarray) and part.flags.writeable and part.dtype.kind == "f":
            part += 1
    return not same_values(collect(case, layer, layer.backward(kept_copy(dout))), want)


def state(case: Case) -> Seen:
    """Does a call depend on calls before it, or on another instance?"""
    seen: Seen = {}
    other = _other_inputs(case)
    first = plain(case)
    again = collect(case, first.layer, first.layer.backward(kept_copy(first.dout)))
    if not same_values(again, first.gradients):
        seen["stale"] = "a second backward differs"
    for with_backward in (False, True):
        layer = other.build()
        dout = upstream(other, layer.forward(*map(kept_copy, other.inputs)))
        if with_backward:
            layer.backward(kept_copy(dout))
        _rewind(case, layer)
        later = plain(case, layer)
        if not (same_values(later.gradients, first.gradients) and same(later.out, first.out)):
            seen.setdefault("stale", f"a second forward{' after a backward' * with_backward} is not like the first")
    names = case.namespace()
    one, two = case.build(names), other.build(names)
    out = one.forward(*map(kept_copy, case.inputs))
    two.forward(*map(kept_copy, other.inputs))
    beside = collect(case, one, one.backward(kept_copy(first.dout)))
    if not (same_values(beside, first.gradients) and same(out, first.out)):
        seen["shared"] = "another instance changes it"
    return seen


def _other_inputs(case: Case) -> Case:
    drawn = case.draw(np.random.default_rng(99))[1] if case.draw else case.inputs
    return dataclasses.replace(case, inputs=drawn)


def _rewind(case: Case, layer: Any) -> None:
    """A generator draws on from where it is; for a comparison it is put back."""
    if hasattr(layer, "rng"):
        layer.rng = case.build().rng


def dtype(case: Case) -> Seen:
    """Does float32 in come out as float32, and are the numbers still right?"""
    run = plain(narrow(case))
    every = {"out": run.out, **run.gradients}
    wide = [name for name, value in every.items() if np.asarray(value).dtype != np.float32]
    return {"dtype": f"not float32: {', '.join(wide)}"} if wide else {}


def narrow(case: Case) -> Case:
    """The same in float32."""

    def to32(value: Any) -> Any:
        return value.astype(np.float32) if isinstance(value, np.ndarray) and value.dtype == np.float64 else value

    init = {name: to32(value) for name, value in case.init.items()}
    return dataclasses.replace(case, init=init, inputs=tuple(map(to32, case.inputs)))


def layouts(case: Case) -> Iterator[tuple[str, str, Case]]:
    """The same inputs in other memory layouts, and other batch sizes: (word, what, case)."""
    moved = {
        "Fortran order": lambda x: np.asfortranarray(x),
        "every second": lambda x: np.repeat(x, 2, axis=-1)[..., ::2],
        "reversed": lambda x: x[..., ::-1].copy()[..., ::-1],
    }
    for name, move in moved.items():
        yield "layout", name, _mapped(case, move)
    length = len(case.inputs[0])
    for name, rows in (("batch of one", slice(0, 1)), ("a row more", [*range(length), 0])):
        yield "batch", name, _mapped(case, lambda x, rows=rows: x[rows] if len(x) == length else x)


def _mapped(case: Case, move: Callable[[np.ndarray], np.ndarray]) -> Case:
    inputs = tuple(move(x) if isinstance(x, np.ndarray) and x.ndim else x for x in case.inputs)
    return dataclasses.replace(case, inputs=inputs)


def layout(case: Case, right: Case | None = None) -> Seen:
    """Is the result the same in every memory layout, and right for other batch sizes?

    `right` is what to compare with; without it the layer itself in C order, and the exact derivative.
    """
    seen: Seen = {}
    for (word, name, moved), (_, _, model) in zip(layouts(case), layouts(right or case), strict=True):
        for turned in (False, True):
            try:
                want = plain(model if word == "batch" else right or case)
                dout = np.asfortranarray(want.dout) if turned and np.ndim(want.dout) else want.dout
                got = plain(moved, dout=dout)
            except Exception as error:
                seen.setdefault(word, f"{name}: {type(error).__name__}")
                continue
            fine = same(got.out, want.out) and same_values(got.gradients, want.gradients)
            if fine and word == "batch" and right is None:
                fine = not wrong(got, truth(moved))
            if not fine:
                seen.setdefault(word, name)
    return seen


def determinism(case: Case) -> Seen:
    """Do two instances made alike, with the generators of NumPy and Python put back, do the same?"""
    kept, names = [], case.namespace()  # kept, so that no two stand at one address
    runs = []
    for _ in range(3):
        np.random.seed(0)  # noqa: NPY002 - the layer may use the global generator
        layer = case.build(names)
        kept.append(layer)
        run = plain(case, layer)
        runs.append(run)
    again = collect(case, run.layer, run.layer.backward(kept_copy(run.dout)))
    one, *others = runs
    if any(not (exactly(r.out, one.out) and exactly(r.gradients, one.gradients)) for r in others):
        return {"random": "two runs differ"}
    return {} if exactly(again, one.gradients) else {"random": "a second backward differs"}


def stresses(case: Case) -> Iterator[tuple[str, Case]]:
    """The same inputs large, small, far from 0, all alike, and 0."""
    changes: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "× 1e-3": lambda x: x * 1e-3,
        "× 1e3": lambda x: x * 1e3,
        "× 1e-10": lambda x: x * 1e-10,
        "× 1e160": lambda x: x * 1e160,
        "+ 33": lambda x: x + 33,
        "+ 1e6": lambda x: x + 1e6,
        "− 1e3": lambda x: x - 1e3,
        "alike": lambda x: np.full_like(x, 0.75),
        "zeros": np.zeros_like,
        "ones": np.ones_like,
    }
    for name, change in changes.items():
        inputs = tuple(
            change(x) if i not in case.labels and isinstance(x, np.ndarray) else x for i, x in enumerate(case.inputs)
        )
        yield name, dataclasses.replace(case, inputs=inputs)


def numerics(case: Case, only: set[str] | None = None) -> dict[str, str]:
    """Where the numbers are not those of the exact forward and its derivative: {stress: what}.

    The exact forward is the case's own, so that two formulas for one function are told apart by their numbers alone.
    """
    seen: dict[str, str] = {}
    for name, stressed in stresses(case):
        if only is not None and name not in only:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            run = plain(stressed)
            true = truth(stressed, kinks=24)
        values = [true.out, *true.gradients.values()]
        representable = all(np.isfinite(v).all() for v in values)
        if not representable:
            seen[name] = "none"  # no float64 holds the answer
        elif not _close(run.out, true.out) or wrong(run, true, 0.0 if name.startswith("× 1e-") else TINY):
            lost = [run.out, *run.gradients.values()]
            seen[name] = "cancellation" if all(np.isfinite(v).all() for v in lost) else "overflow"
        elif run.warned & QUIET:
            seen[name] = "overflow"
    return seen


def _close(got: Any, want: Any) -> bool:
    got, want = np.asarray(got, float), np.asarray(want, float)
    with np.errstate(all="ignore"):
        return got.shape == want.shape and bool(np.all(np.abs(got - want) <= 1e-7 * np.abs(want).max(initial=0)))


def broken(case: Case, checks: tuple[Callable[[Case], Seen], ...] = ()) -> list[str]:
    """Every promise a layer breaks, of all or of those asked for, numerics aside."""
    checks = checks or (memory, state, dtype, layout, determinism)
    return [f"{word} {detail}" for check in checks for word, detail in check(case).items()]


def same(one: Any, two: Any) -> bool:
    """Equal up to the order of summation, NaN equal to NaN."""
    if np.shape(one) != np.shape(two):
        return False
    a, b = np.asarray(one), np.asarray(two)
    if a.dtype == object or b.dtype == object:
        return one is two
    return bool(np.allclose(a, b, rtol=1e-9, atol=1e-12 * np.abs(b).max(initial=0), equal_nan=True))


def same_values(one: dict[str, Any], two: dict[str, Any]) -> bool:
    """The same names with the same values."""
    return one.keys() == two.keys() and all(same(one[name], two[name]) for name in two)


def exactly(one: Any, two: Any) -> bool:
    """Equal to the bit."""
    if isinstance(one, dict):
        return one.keys() == two.keys() and all(exactly(one[name], two[name]) for name in one)
    return _bytes(one) == _bytes(two)


def _bytes(x: Any) -> tuple[Any, ...]:
    a = np.asarray(x)
    return a.shape, a.dtype.str, a.tobytes()


def _share(one: Any, two: Any) -> bool:
    return isinstance(one, np.ndarray) and isinstance(two, np.ndarray) and np.may_share_memory(one, two)


__all__ = ["Run", "broken", "determinism", "dtype", "layout", "memory", "numerics", "state", "stresses"]
