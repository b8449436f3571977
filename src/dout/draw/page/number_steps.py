"""Nodes → steps on single numbers: every element has a place of its own, and a step computes some places from others.

Elements that only move keep their places: a transposed array is the same places in another order. So a page needs no
arrays, no shapes and no broadcasting, only the rows of the table for single numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dout.draw.page.composed_rows import COMPOSED, NotComputed
from dout.graph import NUMPY_VALUES, DType, Node, dtype_name, topological
from dout.ops import PRIMITIVES, by_primitive, primitives
from dout.ops.operators import Slot, fill_key
from dout.ops.reduce import axes_of
from dout.ops.registry import broadcast

Places = np.ndarray[Any, Any]

_KINDS = frozenset(
    ["bool", "int", "float", "float32", "float64"]
    + [f"{sign}int{size}" for sign in ("", "u") for size in (8, 16, 32, 64)]
)
LEFT_OUT = primitives("left_shift right_shift around")  # of single numbers, and not in rules.js
_MOVING = primitives(
    "reshape ravel flatten transpose broadcast_to concatenate repeat tile pad roll tril triu diag diagonal windows"
    " array"
)
_SAME = primitives("copy asarray item full float astype")
_FOLDING = primitives("prod max min any all argmax argmin")


class NumberSteps:
    """Collects steps. `known` has the numbers of the nodes that do not follow from an input that can be changed."""

    def __init__(self, known: Callable[[Node], Any], follows: Callable[[Node], bool]) -> None:
        self._known = known
        self._follows = follows
        self._places: dict[Node, Places] = {}
        self._constants: dict[str, Places] = {}
        self._count = 0
        self.steps: list[list[Any]] = []
        self.steering: dict[Node, None] = {}  # masks that choose how many elements there are

    def of(self, node: Node) -> Places:
        """The places of a node's elements. Raises NotComputed."""
        if node not in self._places:
            for each in topological([node], known=_Known(self._places, self._follows)):  # type: ignore[arg-type]  # asked "in"
                self._place(each)
            self._place(node)
        return self._places[node]

    def _place(self, node: Node) -> None:
        if node not in self._places:
            made = self._made(node) if node.inputs and self._follows(node) else self._recorded(node)
            self._places[node] = np.reshape(made, node.shape)

    def _made(self, node: Node) -> Places:
        row = node.primitive
        if row in _RULES:
            return _RULES[row](self, node)
        if row in COMPOSED:
            return self.of(COMPOSED[row](node))
        if row in _MOVING:
            return self._moved(node)
        if row in _SAME:
            return np.broadcast_to(self._cast(node.inputs[0], node.dtype), node.shape)
        if row in _FOLDING and len(node.inputs) == 1 and "initial" not in node.static:
            return self._folded(str(row), node.dtype, self.of(node.inputs[0]), node.static.get("axis"))
        static = [name for name, value in node.static.items() if value is not None and row.infer is broadcast]
        if row.infer is not broadcast or row in LEFT_OUT or static:
            raise NotComputed(f"{row}{f' with {static[0]}' if static else ''}".replace("_", " "))
        return self.step(str(row), node.dtype, [self.of(given) for given in node.inputs], node.shape)

    # --- places -------------------------------------------------------------------------------------------------------

    def _recorded(self, node: Node) -> Places:
        data = self._known(node)
        if data is None:
            raise NotComputed("a number that the saved trace does not hold")
        numbers = np.reshape(data, -1).tolist() if isinstance(data, NUMPY_VALUES) else [data]
        if numbers and not self._follows(node) and all(number == numbers[0] for number in numbers):
            return np.broadcast_to(self.constant(numbers[0], node.dtype), node.shape)
        return self._given(numbers, node.dtype)

    def _given(self, numbers: Sequence[Any], dtype: DType) -> Places:
        self.steps.append([None, _kind(dtype), [encoded(number) for number in numbers]])
        return self._new(len(numbers))

    def constant(self, number: Any, dtype: DType) -> Places:
        """The place of a constant number; equal constants share one."""
        key = f"{_kind(dtype)} {number!r}"
        if key not in self._constants:
            self._constants[key] = self._given([number], dtype).reshape(())
        return self._constants[key]

    def _new(self, count: int) -> Places:
        self._count += count
        return np.arange(self._count - count, self._count)

    def step(self, row: str, dtype: DType, operands: Sequence[Places], shape: Sequence[int]) -> Places:
        """New places, computed by a row: an operand has one number for each, or several along one more axis."""
        whole = [each if each.ndim > len(shape) else np.broadcast_to(each, shape) for each in operands]
        self.steps.append([row, _kind(dtype), math.prod(shape), *map(view_of, whole)])
        return self._new(math.prod(shape)).reshape(shape)

    def _cast(self, node: Node, dtype: DType) -> Places:
        """The places of a node's elements in another dtype."""
        found = self.of(node)
        if _kind(node.dtype).removesuffix("64") == _kind(dtype).removesuffix("64"):
            return found
        return self.step("astype", dtype, [found], node.shape)

    # --- moving -------------------------------------------------------------------------------------------------------

    def _moved(self, node: Node) -> Places:
        """The places as the row moves them; what it puts beside them is a constant."""
        static = {name: value for name, value in node.static.items() if name != "dtype"}
        beside = static.pop("value", 0)
        places = [self._cast(given, node.dtype) + 1 for given in node.inputs]  # 0 is what there was no place for
        found: Places = node.primitive.forward(*places, **static) - 1
        return np.where(found < 0, self.constant(beside, node.dtype), found) if (found < 0).any() else found

    def _keys(self, node: Node, index: Sequence[Node], shape: Sequence[int]) -> tuple[list[Any], Places]:
        """The key of an index; for an index that follows from inputs, one key for each possible value.

        And for each element that is chosen the place of the number that chooses it. A mask that follows must go on
        choosing the same elements.
        """
        template = node.static["key"]
        numbers = [each for each in index if self._follows(each) and each.kind in "iu"]
        self.steering |= dict.fromkeys(each for each in index if self._follows(each) and each not in numbers)
        known = [self._known(each) for each in index]
        if not numbers:
            return [fill_key(template, tuple(known))], self.constant(0, int)
        if len(numbers) > 1:
            raise NotComputed("an index by two arrays")
        at = index.index(numbers[0])
        axis = _axis_of(template, at, index)
        keys = []
        for value in range(shape[axis]):
            known[at] = np.full(numbers[0].shape, value)
            keys.append(fill_key(template, tuple(known)))
        count = math.prod(numbers[0].shape)
        known[at] = np.arange(count).reshape(numbers[0].shape)
        apart = np.moveaxis(np.broadcast_to(np.arange(count), (*shape[:axis], *shape[axis + 1 :], count)), -1, axis)
        return keys, self._from_the_front(numbers[0], shape[axis])[apart[fill_key(template, tuple(known))]]

    def _from_the_front(self, index: Node, length: int) -> Places:
        """The elements of an index in a row; one that counts from the end as NumPy reads it."""
        places, count = self.of(index).reshape(-1), (math.prod(index.shape),)
        less = self.step("less", np.dtype(bool), [places, self.constant(0, index.dtype)], count)
        wrapped = self.step("add", index.dtype, [places, self.constant(length, index.dtype)], count)
        return self.step("where", index.dtype, [less, wrapped, places], count)

    def _taken(self, node: Node) -> Places:
        x, *index = node.inputs
        keys, which = self._keys(node, index, x.shape)
        places = self.of(x)
        ways = [np.asarray(places[key]) for key in keys]
        if len(ways) == 1:
            return ways[0]
        return self.step("taken", node.dtype, [which, np.stack(ways, -1)], node.shape)

    def _written(self, node: Node) -> Places:
        x, value, *index = node.inputs
        base, new, key = self._cast(x, node.dtype), self._cast(value, node.dtype), node.static["key"]
        if isinstance(key, Slot) and index[0].kind == "b" and new.size == 1:
            mask = self.of(index[0])
            mask = mask.reshape(mask.shape + (1,) * (base.ndim - mask.ndim))
            return self.step("where", node.dtype, [mask, new.reshape(()), base], node.shape)
        return self._landing(node, "written", base, new, index)

    def _added(self, node: Node) -> Places:
        x, value, *index = node.inputs
        return self._landing(node, "added", self._cast(x, node.dtype), self._cast(value, node.dtype), index)

    def _scattered(self, node: Node) -> Places:
        dout, *index = node.inputs
        return self._landing(node, "added", self._zeros(node), self._cast(dout, node.dtype), index)

    def _zeros(self, node: Node) -> Places:
        return np.broadcast_to(self.constant(0, node.dtype), node.shape)

    def _landing(self, node: Node, row: str, base: Places, new: Places, index: Sequence[Node]) -> Places:
        """Each element with the values that may be written or added there, for each value of the index."""
        places = np.arange(math.prod(node.shape)).reshape(node.shape)
        keys, which = self._keys(node, index, node.shape)
        lands: list[list[tuple[int, int, int]]] = [[] for _ in range(places.size)]
        for value, key in enumerate(keys):
            target = places[key]
            chosen = int(self.constant(value, int))
            sent = np.broadcast_to(new, target.shape), np.broadcast_to(which, target.shape)
            for place, one, index_place in zip(target.flat, *(each.flat for each in sent), strict=True):
                lands[place].append((one, index_place, chosen))
        if len(keys) == 1:  # nothing is decided by a number
            if row == "added":
                return self._sum_of(node, base, [[one for one, _, _ in each] for each in lands])
            last = [each[-1][0] if each else place for each, place in zip(lands, base.flat, strict=True)]
            return np.array(last, int)
        never = (int(base.flat[0]), int(self.constant(0, int)), int(self.constant(1, int)))
        table = _padded(lands, never).reshape(*node.shape, -1, 3)
        return self.step(row, node.dtype, [base[..., None], *np.moveaxis(table, -1, 0)], node.shape)

    def _surviving(self, node: Node) -> Places:
        """True for each write that no later one can meet at its place, whatever the index becomes."""
        places = np.arange(math.prod(node.static["shape"])).reshape(node.static["shape"])
        keys, _ = self._keys(node, node.inputs, node.static["shape"])
        reached = [set(map(int, each)) for each in np.stack([places[key].reshape(-1) for key in keys], axis=-1)]
        if sum(map(len, reached)) > len(set[int]().union(*reached)):
            raise NotComputed("a write that another may overwrite")
        return np.broadcast_to(self.constant(True, bool), node.shape)

    def _sum_of(self, node: Node, base: Places, lands: list[list[int]]) -> Places:
        """Each element with all that is added to it."""
        table = _padded(lands, int(self.constant(0, node.dtype)))
        rows = np.concatenate([base.reshape(-1, 1), table], axis=1)
        return self.step("add", node.dtype, [rows.reshape(*node.shape, -1)], node.shape)

    def _unfolded(self, node: Node) -> Places:
        """The sum over the windows that an element lies in."""
        static = {name: value for name, value in node.static.items() if name != "shape"}
        lands: list[list[int]] = [[] for _ in range(math.prod(node.shape))]
        into = PRIMITIVES["windows"].forward(np.arange(len(lands)).reshape(node.shape), **static)
        for place, one in zip(into.flat, self.of(node.inputs[0]).flat, strict=True):
            lands[place].append(one)
        return self._sum_of(node, self._zeros(node), lands)

    # --- many numbers into one ----------------------------------------------------------------------------------------

    def _folded(self, row: str, dtype: DType, places: Places, axis: Any) -> Places:
        """One number for all along some axes."""
        axes = axes_of(axis, places.ndim)
        kept = [a for a in range(places.ndim) if a not in axes]
        shape = [places.shape[a] for a in kept]
        rows = np.transpose(places, (*kept, *axes)).reshape(*shape, -1)
        return self.step(row, dtype, [rows], shape)

    def _summed(self, node: Node) -> Places:
        """The sum in the order of NumPy: pairwise along axes at the end, then in turn along those before."""
        if "initial" in node.static:
            raise NotComputed("sum with initial")
        x, *chosen = node.inputs
        places = self._cast(x, node.dtype)
        if chosen:
            places = self.step("where", node.dtype, [self.of(chosen[0]), places, self.constant(0, node.dtype)], x.shape)
        axes = set(axes_of(node.static.get("axis"), len(x.shape)))
        last = len(x.shape)
        while last - 1 in axes:
            last -= 1
        if last < len(x.shape):
            places = self._folded("sum", node.dtype, places, tuple(range(last, len(x.shape))))
        before = tuple(axis for axis in axes if axis < last)
        return self._folded("total", node.dtype, places, before) if before else places

    def _running(self, node: Node) -> Places:
        """Sums or products of the elements up to each."""
        axis, given = node.static.get("axis"), self._cast(node.inputs[0], node.dtype)
        line = given.reshape(-1) if axis is None else np.moveaxis(given, axis, -1)
        is_sum = node.primitive is PRIMITIVES["cumsum"]
        nothing = self.constant(0 if is_sum else 1, node.dtype)
        count = line.shape[-1]
        upto = np.where(np.tri(count, dtype=bool), line[..., None, :], nothing)
        found = self.step("add" if is_sum else "prod", node.dtype, [upto], line.shape)
        return found if axis is None else np.moveaxis(found, -1, axis)


_RULES: dict[Any, Callable[[NumberSteps, Node], Places]] = by_primitive({
    "getitem": NumberSteps._taken, "setitem": NumberSteps._written, "add_at": NumberSteps._added,
    "scatter": NumberSteps._scattered, "survives": NumberSteps._surviving,
    "fold": NumberSteps._unfolded, "sum": NumberSteps._summed,
    "cumsum": NumberSteps._running, "cumprod": NumberSteps._running,
})  # fmt: skip


class _Known:
    """A container of the nodes whose steps are known or not needed; traversal stops there."""

    def __init__(self, places: Any, follows: Callable[[Node], bool]) -> None:
        self._places, self._follows = places, follows

    def __contains__(self, node: object) -> bool:
        return node in self._places or not self._follows(node)  # type: ignore[arg-type]


def _kind(dtype: DType) -> str:
    name = dtype_name(dtype)
    if name not in _KINDS:
        raise NotComputed(f"a {name}")
    return name


def _axis_of(key: Any, slot: int, index: Sequence[Node]) -> int:
    """The axis that an index goes along."""
    axis = 0
    for part in key if isinstance(key, tuple) else (key,):
        if isinstance(part, Slot) and part == slot:
            return axis
        if part is Ellipsis or isinstance(part, bool) or (isinstance(part, Slot) and index[part].kind == "b"):
            break
        axis += part is not None
    raise NotComputed("an index beside a mask or dots")


def _padded(rows: list[list[Any]], item: Any) -> Places:
    """Rows of equal length, filled up with an item."""
    most = max(map(len, rows), default=0)
    return np.array([[*row, *[item] * (most - len(row))] for row in rows], int).reshape(
        len(rows), most, *np.shape(item)
    )


def encoded(number: Any) -> Any:
    """A number as JSON: a whole one is a text, so that it keeps every digit, and so are NaN and infinities."""
    if isinstance(number, bool) or (isinstance(number, float) and math.isfinite(number)):
        return number
    if isinstance(number, int) and abs(number) >= 10**4000:
        raise NotComputed("a whole number of thousands of digits")
    return repr(number)


def view_of(places: Places) -> Any:
    """Places as JSON: one number, or the first with length and step along each axis, or a list of them in a list.

    >>> view_of(np.arange(6).reshape(2, 3).T), view_of(np.array([4, 0, 5]))
    ([0, 3, 1, 2, 3], [[4, 0, 5]])
    """
    if not places.size:
        return [[]]
    first = int(places.flat[0])
    axes = [(n, int(np.take(places, 1, axis).flat[0]) - first) for axis, n in enumerate(places.shape) if n > 1]
    steps = [
        np.arange(n) * (int(np.take(places, 1, a).flat[0]) - first if n > 1 else 0) for a, n in enumerate(places.shape)
    ]
    regular = first + sum((np.ix_(*steps)), start=np.zeros((), int)) if places.ndim else first
    if not np.array_equal(regular, places):
        return [places.reshape(-1).tolist()]
    return [first, *(number for axis in axes for number in axis)] if axes else first
