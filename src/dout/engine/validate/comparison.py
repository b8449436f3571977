"""The comparison of a compiled program with the plain run that it was made from.

They round differently, and may: as far apart as `bounds` says that both can be from the exact value.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np

from dout.engine.runtime.blas_threads import alone
from dout.engine.validate.error_bounds import bound, bounds, pointwise, product_bound
from dout.engine.validate.rounded_step import EXACT, Error
from dout.errors import DifferenceWarning
from dout.graph import CONSTANT, Node, Shape, evaluate, same_kind, topological
from dout.ops import PRIMITIVES, kind_of
from dout.rewrite.identities import is_whole
from dout.trace.model.replay import Data

NEAR = 4  # ulp that need no reason
KEPT = 1 << 28  # bytes of bounds that may be kept
DEPTHS = (1, 4, 16)  # steps before a value whose rounding is looked at first: mostly it explains all
PART = 0.25  # of the cost of all bounds, which is spent on these
STEP = 1 << 13  # elements, the bounds of which take as long as all else that is done for a step
CHUNK = 1 << 16  # elements looked at together, so that large arrays need little memory beside them

Points = tuple[Any, ...]  # index arrays, one an axis


class _Fault:
    """What is wrong with a program, in words."""

    def warning(self, name: str) -> DifferenceWarning:
        """What is to be said of the function `name`, which was compiled."""
        return DifferenceWarning(f"{name}: {self}; it runs plainly from now on. Please report this: it is dout's error")


@dataclass(frozen=True, eq=False)
class Difference(_Fault):
    """Where a program first gave what the plain run did not; `ulps` is how far apart the two numbers are."""

    node: Node
    index: tuple[int, ...]
    expected: Any
    got: Any
    ulps: float

    def __str__(self) -> str:
        name = str(self.node.primitive)
        place = f"{name}[{', '.join(map(str, self.index))}]" if self.index else name
        apart = f", {self.ulps:.3g} ulp apart" if math.isfinite(self.ulps) else ""
        line = f", at {self.node.where}" if self.node.where else ""
        return f"the compiled program gives {self.got} for {place}, plainly it is {self.expected}{apart}{line}"


@dataclass(frozen=True, eq=False)
class ProgramFailure(_Fault):
    """An error in making a program, or in its first run, which the plain run did not have."""

    error: Exception

    def __str__(self) -> str:
        return f"the compiled program failed with {type(self.error).__name__}: {self.error}"


def first_difference(
    nodes: Iterable[Node],
    expected: Mapping[Node, Any],
    got: Mapping[Node, Any],
    others: Mapping[Node, Node] = MappingProxyType({}),
) -> Difference | None:
    """Return the first of `nodes` for which the program `got` what rounding does not explain; None if there is none.

    `nodes` are the recorded ones in their order, `expected` has the values of the plain run, with those of all inputs;
    `got` may have some of them only. A NaN equals a NaN. Where nothing is known of the error, as after an overflow,
    every value is right. Where the program was made from other formulas than the recorded ones, `others` are the nodes
    of these, which round in their own way.
    """
    errors = _Errors(expected, got.keys())
    own = _OtherErrors(expected, others) if others else errors
    compared = alone(_difference)  # with many small products
    found = (compared(node, expected[node], got[node], errors, own) for node in nodes if node in got)
    return next((one for one in found if one is not None), None)


def _difference(node: Node, expected: Any, got: Any, errors: _Errors, own: _Errors) -> Difference | None:
    if np.shape(expected) != np.shape(got) or not same_kind(kind_of(expected), kind_of(got)):
        return Difference(node, (), _described(expected), _described(got), math.inf)
    one, other = np.asarray(expected), np.asarray(got)
    for points in _unlike(one, other):
        far = _apart(one[points], other[points])
        if errors.explains(node, points, far):
            continue
        wrong = _beyond(far, 2 * errors.at(node, points))
        if wrong.any() and own is not errors:
            wrong = _beyond(far, errors.at(node, points) + own.at(node, points))
        if wrong.any():
            first = int(np.argmax(wrong))
            index = tuple(int(i[first]) for i in points)
            return Difference(node, index, one[index], other[index], _ulps(one[index], other[index]))
    return None


def _beyond(far: Any, most: Any) -> Any:
    return (far > most) | np.isnan(far) & np.isfinite(most)


def _unlike(one: Any, other: Any) -> Iterator[Points]:
    """Places where two arrays are not the same within a few ulp, in chunks."""
    flat, flat_other = one.reshape(-1), other.reshape(-1)
    scale = NEAR * float(np.finfo(one.dtype).eps) if one.dtype.kind in "fc" else 0.0
    for start in range(0, flat.size, CHUNK):
        x, y = flat[start : start + CHUNK], flat_other[start : start + CHUNK]
        with np.errstate(all="ignore"):
            unlike = x != y
            if scale and unlike.any():
                unlike &= ~(np.abs(x - y) <= scale * np.minimum(np.abs(x), np.abs(y))) & ~(np.isnan(x) & np.isnan(y))
        if unlike.any():
            yield np.unravel_index(np.flatnonzero(unlike) + start, one.shape or (1,)) if one.ndim else ()


def _apart(one: Any, other: Any) -> Any:
    """The distance of two arrays of unequal numbers; what overflowed counts as the largest number there is."""
    if one.dtype.kind not in "biuf":
        return np.full(np.atleast_1d(one).shape, np.inf)
    if one.dtype.kind == "f":
        largest = np.finfo(one.dtype).max
        one, other = (np.clip(item, -largest, largest) for item in (one, other))
    with np.errstate(all="ignore"):
        return np.atleast_1d(np.abs(np.asarray(one, float) - np.asarray(other, float)))


def _ulps(one: Any, other: Any) -> float:
    if one.dtype.kind != "f":
        return math.inf
    with np.errstate(all="ignore"):
        return float(abs(float(one) - float(other)) / np.spacing(np.maximum(abs(one), abs(other))))


def _described(item: Any) -> str:
    kind = kind_of(item)
    name = kind.__name__ if isinstance(kind, type) else kind.name
    return f"{name} of shape {np.shape(item)}" if np.shape(item) else name


class _Errors:
    """Bounds of the nodes of one run, made when they are asked for."""

    def __init__(self, data: Mapping[Node, Any], ends: Collection[Node] = ()) -> None:
        self.data, self.ends = data, ends
        self.whole: dict[Node, Error] = {}
        self.last: dict[tuple[int, Node], Error] = {}
        self.spent = 0

    @cached_property
    def keeps(self) -> bool:
        """Whether there is memory for the bounds of all nodes: then each is made once."""
        return sum(math.prod(node.shape) for node in self.data) * np.dtype(float).itemsize <= KEPT

    def at(self, node: Node, points: Points) -> Any:
        """The bound of a node at some of its elements. Only there is the pointwise end of its graph looked at."""
        shape = node.shape
        if not shape:
            return np.atleast_1d(self.of(node))
        local = _pointwise_end(node)
        if not local or math.prod(shape) <= CHUNK:  # a long chain is gone through once
            return _picked(self.of(node), shape, points)
        errors: dict[Node, Error] = {}
        around = {i for inner in local for i in inner.inputs} - local
        for step in topological([node], known=around):
            inputs = [_picked(self.data[i], shape, points) for i in step.inputs]
            given = [errors[i] if i in local else _picked(self.of(i), shape, points) for i in step.inputs]
            errors[step] = bound(step, inputs, _picked(self.data[step], shape, points), given)
        return errors[node]

    def explains(self, node: Node, points: Points, far: Any) -> bool:
        """Whether the rounding of the last steps is enough, as if all before them were exact: a lower bound.

        It is looked at as long as that costs a part of what the bounds of all nodes would.
        """
        node = _written(node)
        alone = product_bound(node, [self.data[i] for i in node.inputs], points) if len(node.shape) == 2 else None
        if alone is not None and not _beyond(far, 2 * alone).any():
            return True
        for depth in DEPTHS[alone is not None :]:
            steps = _last_steps(node, depth)
            if (depth, node) not in self.last:
                self.spent += sum(map(_cost, steps))
                if self.spent > PART * self.whole_cost:
                    return False
                around = {i for step in steps for i in step.inputs} - steps
                self.last[depth, node] = bounds(topological([node], known=around), self.data, wanted=[node])[node]
            bound = self.last[depth, node]
            if not _beyond(far, 2 * (_picked(bound, node.shape, points) if node.shape else np.atleast_1d(bound))).any():
                return True
        return False

    @cached_property
    def whole_cost(self) -> int:
        """What the bounds of all nodes cost."""
        return sum(map(_cost, self.data))

    def of(self, node: Node) -> Error:
        """The bound of all of a node."""
        if node not in self.whole:
            ends = [node] if self.keeps else [node, *self.ends]  # those of all results in one go
            nodes = topological(ends, known=self.whole)
            self.whole.update(bounds(nodes, self.data, self.whole, wanted=None if self.keeps else ends))
        return self.whole[node]


class _OtherErrors(_Errors):
    """Bounds of the nodes that stand for others, the values of which are computed when a bound is asked for."""

    def __init__(self, given: Mapping[Node, Any], others: Mapping[Node, Node]) -> None:
        super().__init__(given)
        self.others = others

    def at(self, node: Node, points: Points) -> Any:
        """The bound of what stands for a node."""
        other = self.others.get(node, node)
        if other not in self.data:
            ends = self.others.values()
            numbers = {n: n.static["value"] for n in topological(ends) if n.primitive is CONSTANT}
            with np.errstate(all="ignore"):
                self.data = Data(evaluate(ends, {**numbers, **self.data}))
        return super().at(other, points)


def _written(node: Node) -> Node:
    """The value that was written over all of an array, if the node is that."""
    while node.primitive is PRIMITIVES["setitem"] and len(node.inputs) == 2:
        value = node.inputs[1]
        if value.shape != node.shape or value.dtype != node.dtype or not is_whole(node.static["key"], node.shape):
            break
        node = value
    return node


def _last_steps(node: Node, depth: int) -> set[Node]:
    """The nodes from which so few steps lead to a node that it is among the last `depth`."""
    steps = level = {node}
    for _ in range(depth - 1):
        level = {i for step in level for i in step.inputs} - steps
        steps = steps | level
    return steps


def _cost(node: Node) -> int:
    """What a bound costs, about, in elements that are looked at."""
    return STEP + math.prod(node.shape)


def _pointwise_end(node: Node) -> set[Node]:
    """The nodes from which only pointwise steps of the same shape lead to this one, and itself; none if it is none."""
    local: set[Node] = set()
    waiting = [node]
    while waiting:
        step = waiting.pop()
        if step not in local and step.shape == node.shape and pointwise(step):
            local.add(step)
            waiting.extend(step.inputs)
    return local


def _picked(item: Any, shape: Shape, points: Points) -> Any:
    return EXACT if item is EXACT else np.broadcast_to(np.asarray(item), shape)[points]
