"""What a whole gradient tells without a repair: it is the right one negated, scaled, transposed, of another input."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from dout.check.exact.ratio import ratio_of_floats
from dout.check.repair.test_stand import Stand, near
from dout.graph import topological
from dout.judge.float_judge import in_float64

Words = tuple[str, str]
_DIGITS, _SIDES = 9, 3  # of local derivatives that are compared; most values of a piecewise linear step
_EXACTLY = 1e-6  # of a ratio
_OTHER = "has the other sign"
_MOST_TIED = 64  # elements of an input whose derivative is looked at as a matrix
_FACTORS = {2.0: "half the right gradient", 0.5: "twice the right gradient", 4.0: "a quarter of the right gradient"}


def word_of(name: str, stands: Sequence[Stand], *, sure: bool = False) -> Words | None:
    """A word and a sentence for what is wrong with the gradient of `name`, the same at every stand; None if unclear.

    With `sure` nothing is guessed from how many elements are wrong.
    """
    rows = [[*_words(name, stand), *(() if sure else _few(name, stand))] for stand in stands if not stand.shortened]
    return next((words for words in rows[0] if all(words in others for others in rows[1:])), None) if rows else None


def how_many(name: str, stand: Stand) -> str:
    """How many elements of a gradient are wrong, where nothing else is known."""
    right, got = np.asarray(stand.expected[name], dtype=float), np.asarray(stand.got.get(name, np.nan), dtype=float)
    off = _off(got, right, stand.close) if got.shape == right.shape else np.ones(right.shape, dtype=bool)
    return "all its elements are wrong" if np.all(off) else f"{off.sum()} of its {off.size} elements are wrong"


def is_left_out(name: str, stand: Stand) -> bool:
    """Whether a gradient is right except in a whole block, which is 0: somebody forgot to fill it."""
    right, got = np.asarray(stand.expected[name], dtype=float), np.asarray(stand.got.get(name, np.nan), dtype=float)
    return right.shape == got.shape and any(_left_at_zero(got, _off(got, right, stand.close)))


def is_scaled(name: str, stands: Sequence[Stand], sign: int = 1, samples: bool = False) -> bool:
    """Whether a gradient is the right one, times or divided by the length of an axis, wherever it is wrong.

    With a `sign` of -1, whether it is so with the other sign; with `samples`, whether that axis may be one of samples.
    """
    for stand in (stand for stand in stands if name in stand.wrong(stand.got)):
        right, got = np.asarray(stand.expected[name], dtype=float), np.asarray(stand.got[name], dtype=float)
        ratio = _ratio(got, right) if got.shape == right.shape else None
        if ratio is None or not any(near(max(sign * ratio, sign / ratio), n, 1e-6) for n in _lengths(stand, samples)):
            return False
    return True


def _lengths(stand: Stand, samples: bool = False) -> list[int]:
    """The lengths of the axes of inputs and upstream gradients; with `samples` of their first axes, and of steps."""
    shapes = [np.shape(item) for item in (*stand.inputs, *stand.douts)]
    if samples:
        shapes = [shape[:2] if len(shape) == 3 else shape[:1] for shape in shapes]
    return list({n: None for shape in shapes for n in shape if n > 1})


def _off(got: Any, right: Any, close: float) -> Any:
    return np.abs(got - right) > close * np.max(np.abs(right), initial=0.0)


def _words(name: str, stand: Stand) -> Iterator[Words]:
    """Everything that can be said of the gradient at one stand, the most telling first."""
    right, mine = np.asarray(stand.expected[name], dtype=float), stand.got.get(name)
    if mine is None:  # the gradient of a part stands in the part
        yield from () if "." in name else [("missing", f"backward gives no gradient of {name}")]
        return
    got = np.asarray(mine, dtype=float)

    def same(a: Any, b: Any = right) -> bool:
        return near(a, b, stand.close)

    if not np.any(right) and np.any(got):
        yield "missing term", f"forward gives the same whatever {name} is, so its gradient is 0"
    if got.shape != right.shape:
        yield from _of_shape(name, got, right, stand, same)
        return
    ratio = _ratio(got, right)
    if ratio is not None:
        yield from _of_ratio(ratio, stand)
    if not np.any(got):
        yield "missing term", "it is 0"
    yield from _of_another(name, got, stand, same)
    if got.ndim == 2 and same(got.T):
        yield "transpose", "it is transposed"
    for dout in stand.douts:
        if np.ndim(dout) and np.shape(dout) == got.shape and same(got * dout):
            yield "ignores dout", "it is the local derivative: the factor dout is missing"
    if not same(got):
        yield from _of_diagonal(name, got, stand, same)
        yield from _of_places(name, got, right, stand, same)
    if any(np.ndim(dout) and same(got, dout) for dout in stand.douts):
        yield "passes dout on", "it is dout as it came: the local derivative is missing"


def _of_another(name: str, got: Any, stand: Stand, same: Any) -> Iterator[Words]:
    """Whether it is the gradient of something else."""
    for other, theirs in stand.expected.items():
        if other != name and np.size(theirs) > 1 and same(got, theirs):
            yield "swapped", f"it is the gradient of {other}"


def _of_diagonal(name: str, got: Any, stand: Stand, same: Any) -> Iterator[Words]:
    """Whether it is dout times what each output has of the input at its own place: forward ties elements together."""
    found, derived = stand.examination, {}
    if found is not None and len(stand.douts) == 1 and got.shape == np.shape(stand.douts[0]) and got.size <= _MOST_TIED:
        derived = {j.name: j.derived for j in found.judged if j.derived is not None and not j.parameter}
    if found is None or name not in derived:
        return
    (seed,), nodes = found.seeds.values(), topological([derived[name]])
    local = np.zeros(got.size)
    for place, one in enumerate(np.eye(got.size)):
        values = in_float64(nodes, found.recorded | {seed: one.reshape(got.shape)})
        local[place] = np.ravel(values[derived[name]])[place]
    if same(got, local.reshape(got.shape) * stand.douts[0]):
        yield "missing term", "it is the diagonal of the derivative alone: what comes through other elements is missing"


def _of_places(name: str, got: Any, right: Any, stand: Stand, same: Any) -> Iterator[Words]:
    """What the elements tell that are wrong."""
    off = _off(got, right, stand.close)
    yield from _left_at_zero(got, off)
    if np.any(off) and not np.any(off & (got != 0) & (right != 0)):
        lost, more = bool(np.any(off & (right != 0))), bool(np.any(off & (got != 0)))
        said = {(True, False): "elements are 0 that should not be", (False, True): "elements should be 0 that are not"}
        yield "mask", said.get((lost, more), "elements pass that should be 0, and are 0 that should not be")
    if np.any(off) and any(_of_other_side(got, right, off, dout) for dout in stand.douts):
        yield "mask", "the mask is wrong: elements have the local derivative of the other side"
    for other, share in stand.shares_of(name):
        times = ratio_of_floats(share, got - right, _EXACTLY) if np.any(share) else None  # of this share too many
        if times is None or not np.any(off):
            continue
        part = f"the part that comes through {other}"
        known = {-1.0: ("missing term", "is missing"), 1.0: ("extra term", "is counted twice"), -2.0: ("sign", _OTHER)}
        word, how = known.get(round(times, _DIGITS), ("factor", f"is taken {1 + times:.4g} times"))
        yield word, f"{part} {how}"


def _few(name: str, stand: Stand) -> Iterator[Words]:
    """What the number of wrong elements tells: a guess."""
    right, got = np.asarray(stand.expected[name], dtype=float), np.asarray(stand.got.get(name, np.nan), dtype=float)
    off = _off(got, right, stand.close) if got.shape == right.shape else np.zeros(0, bool)
    if 0 < 2 * off.sum() <= off.size and np.all(got[off]) and np.all(right[off]):
        yield "missing term", f"only {off.sum()} of its {off.size} elements are wrong"


def _of_other_side(got: Any, right: Any, off: Any, dout: Any) -> bool:
    """Whether the local derivative has few values, and each wrong element has that of another element."""
    if np.shape(dout) != got.shape or not np.all(dout):
        return False
    local, wrong = np.unique(np.round(right / dout, _DIGITS)), np.round((got / dout)[off], _DIGITS)
    return 1 < local.size <= _SIDES and bool(np.isin(wrong, local).all())


def _left_at_zero(got: Any, off: Any) -> Iterator[Words]:
    """The block of wrong elements, if they are all 0."""
    along = [sorted(set(map(int, places))) for places in np.nonzero(off)]
    size = int(np.prod([len(at) for at in along]))
    if 0 < size < off.size and 4 * off.sum() >= size and not np.any(got[np.ix_(*along)]):
        spans = [_span(at, n) for at, n in zip(along, off.shape, strict=True)]
        yield "missing term", f"[{', '.join(spans)}] of it is left at 0"


def _span(at: list[int], n: int) -> str:
    """Places along an axis, as a slice if they are evenly spaced."""
    if len(at) == n:
        return ":"
    if len(at) == 1:
        return str(at[0])
    step = at[1] - at[0]
    even = at == list(range(at[0], at[-1] + 1, step))
    return f"{at[0]}:{at[-1] + 1}{f':{step}' if step > 1 else ''}" if even else str(at)


def _of_shape(name: str, got: Any, right: Any, stand: Stand, same: Any) -> Iterator[Words]:
    if got.ndim == 2 and same(got.T):
        yield "transpose", "it is transposed"
    for axis in range(got.ndim):
        if same(got.sum(axis=axis)) or same(got.sum(axis=axis, keepdims=True)):
            yield "broadcast", f"it has to be summed over axis {axis}, along which {name} was broadcast"
    if right.ndim and got.shape == right.shape[1:] and same(got, right[-1]):
        why = ": each turn of a loop overwrites the one before" if stand.has_loop else f", of {len(right)} parts"
        yield "missing term", f"it is the last part of what is right{why}"
    yield from _of_another(name, got, stand, same)
    try:
        if same(np.broadcast_to(got, right.shape)):
            yield "broadcast", f"it has to be repeated to the shape of {name}"
    except ValueError:
        pass
    if got.size == right.size and same(got.reshape(right.shape)):
        yield "broadcast", f"its shape is {got.shape} instead of {right.shape}; its numbers are right"
    yield "broadcast", f"its shape is {got.shape} instead of {right.shape}"


def _ratio(got: Any, right: Any) -> float | None:
    """Right over got, if it is one number other than 1."""
    ratio = ratio_of_floats(got, right, 1e-6)  # beyond the limits what is right is 0, up to rounding
    return ratio if ratio and 1e-9 < abs(ratio) < 1e9 and abs(ratio - 1) > 1e-6 else None


def _of_ratio(ratio: float, stand: Stand) -> Iterator[Words]:
    if abs(ratio + 1) < 1e-6:
        yield "sign", f"it {_OTHER}"
    if ratio < 0:
        yield from (("sign", f"it {_OTHER}, and {rest}") for _, rest in _of_ratio(-ratio, stand))
        return
    for n in _lengths(stand):
        if abs(ratio * n - 1) < 1e-6:
            yield "factor", f"it is {n} times too large: divide it by the length of the axis of {n}"
        elif abs(ratio / n - 1) < 1e-6:
            yield "factor", f"it is 1/{n} of what is right: an axis has the length {n}"
    yield from (("factor", f"it is {words}") for number, words in _FACTORS.items() if abs(ratio / number - 1) < 1e-6)
    yield "factor", f"it is the right gradient times {1 / ratio:.4g}"
