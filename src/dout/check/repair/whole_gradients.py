"""What whole gradients tell: the wrong one is the right one negated, times a number, turned, of another argument …"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from dout.check.repair.test_stand import Stand, near

Words = tuple[str, str]


def word_of(name: str, stands: list[Stand], found: Sequence[Mapping[str, Any]]) -> Words | None:
    """A word and a sentence for what is wrong with the gradient of `name`, the same at every point; None if unclear."""
    rows = [list(_words(name, stand, got)) for stand, got in zip(stands, found, strict=True)]
    for words in rows[0]:
        if all(words in others for others in rows[1:]):
            return words
    return None


def is_left_out(name: str, stand: Stand, gradients: Mapping[str, Any]) -> bool:
    """Whether a gradient is right but in a whole block, which is 0: what should stand there was forgotten."""
    right, got = np.asarray(stand.expected[name], dtype=float), np.asarray(gradients.get(name, np.nan), dtype=float)
    return right.shape == got.shape and any(_left_at_zero(got, _off(got, right, stand.close)))


def _off(got: Any, right: Any, close: float) -> Any:
    return np.abs(got - right) > close * np.max(np.abs(right), initial=0.0)


def _words(name: str, stand: Stand, gradients: Mapping[str, Any]) -> Iterator[Words]:
    right, mine = np.asarray(stand.expected[name], dtype=float), gradients.get(name)
    if mine is None:
        yield "missing", f"backward gives no gradient of {name}"
        return
    got = np.asarray(mine, dtype=float)

    def same(a: Any, b: Any = right) -> bool:
        return near(a, b, stand.close)

    if not np.any(right) and np.any(got):
        yield "missing term", f"forward gives the same whatever {name} is: its gradient is 0"
    if got.shape != right.shape:
        yield from _of_shape(name, got, right, same)
        return
    if same(-got):
        yield "sign", "it has the other sign"
    ratio = _ratio(got, right)
    if ratio is not None:
        yield from _of_ratio(ratio, stand)
    if not np.any(got):
        yield "missing term", "it is 0"
    for other, theirs in stand.expected.items():
        if other != name and same(got, theirs):
            yield "swapped", f"it is the gradient of {other}"
    if got.ndim == 2 and same(got.T):
        yield "transpose", "it is transposed"
    for dout in stand.douts:
        if np.ndim(dout) and np.shape(dout) == got.shape and same(got * dout):
            yield "ignores dout", "it is the local derivative: the factor dout is missing"
    if not same(got):
        off = _off(got, right, stand.close)
        yield from _left_at_zero(got, off)
        if same(np.where(got != 0, right, 0), got) or same(np.where(right != 0, got, 0)):
            yield "mask", "it is let through where it should not be, or the other way round"
        if stand.examination is not None:
            for other, theirs in stand.edges_of(name):
                if same(got + theirs):
                    yield "missing term", f"the part that comes through {other} is missing"
                if same(got - theirs):
                    yield "extra term", f"the part that comes through {other} is counted twice"
        if 0 < 2 * off.sum() <= off.size and np.all(got[off]) and np.all(right[off]):
            yield "missing term", f"it is right but at {off.sum()} of {off.size} places"


def _left_at_zero(got: Any, off: Any) -> Iterator[Words]:
    """Right but in a whole block, which is 0."""
    along = [sorted(set(map(int, places))) for places in np.nonzero(off)]
    size = int(np.prod([len(at) for at in along]))
    if 0 < size < off.size and 4 * off.sum() >= size and not np.any(got[np.ix_(*along)]):
        spans = [_span(at, n) for at, n in zip(along, off.shape, strict=True)]
        yield "missing term", f"[{', '.join(spans)}] of it is left at 0"


def _span(at: list[int], n: int) -> str:
    """Places along an axis, as a slice where they are all of it, or as far from each other."""
    if len(at) == n:
        return ":"
    if len(at) == 1:
        return str(at[0])
    step = at[1] - at[0]
    even = at == list(range(at[0], at[-1] + 1, step))
    return f"{at[0]}:{at[-1] + 1}{f':{step}' if step > 1 else ''}" if even else str(at)


def _of_shape(name: str, got: Any, right: Any, same: Any) -> Iterator[Words]:
    if got.ndim == 2 and same(got.T):
        yield "transpose", "it is transposed"
    for axis in range(got.ndim):
        for keep in (False, True):
            if same(got.sum(axis=axis, keepdims=keep)):
                yield "broadcast", f"it is not summed over axis {axis}, along which {name} was repeated"
    if same(_repeated(got, right)):
        yield "broadcast", f"it is not repeated to the shape of {name}"
    if got.size == right.size:
        yield "broadcast", f"its numbers may be right, its shape is {got.shape}, not {right.shape}"
    yield "broadcast", f"its shape is {got.shape}, not {right.shape}"


def _repeated(got: Any, right: Any) -> Any:
    try:
        return np.broadcast_to(got, right.shape)
    except ValueError:
        return got


def _ratio(got: Any, right: Any) -> float | None:
    """Right over got, where it is one number."""
    known = np.abs(got) > 1e-12 * (np.max(np.abs(got), initial=0.0) + 1e-300)
    if not known.any():
        return None
    ratios = right[known] / got[known]
    ratio = float(np.median(ratios))
    if not 1e-9 < abs(ratio) < 1e9:  # what is right is 0, and left of rounding
        return None
    return ratio if near(ratio * got, right, 1e-6) and abs(ratio - 1) > 1e-6 else None


def _of_ratio(ratio: float, stand: Stand) -> Iterator[Words]:
    if ratio < 0:
        yield from (("sign", f"it has the other sign, and {rest[1]}") for rest in _of_ratio(-ratio, stand))
        return
    lengths = {n: None for i in (*stand.inputs, *stand.douts) for n in np.shape(i) if n > 1}
    for n in lengths:
        if abs(ratio * n - 1) < 1e-6:
            yield "factor", f"it is {n} times too large: is it to be divided by {n}, the length of an axis?"
        elif abs(ratio / n - 1) < 1e-6:
            yield "factor", f"it is 1/{n} of what is right, {n} being the length of an axis"
    known = {2.0: "half of what is right", 0.5: "twice what is right", 4.0: "a quarter of what is right"}
    for number, words in known.items():
        if abs(ratio - number) < 1e-6 * number:
            yield "factor", f"it is {words}"
    yield "factor", f"it is the right one times {1 / ratio:.4g}"
