"""Sums of products of elements in; their sums, and products of them along axes, out."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Sequence
from typing import Any

from dout.engine.loop_source.contraction_terms import ProductTerm, broadcast
from dout.engine.loop_source.loop_refusal import LoopRefusal, cannot

Sum = tuple[ProductTerm, ...]


def times(value: Sum, number: Any) -> Sum:
    """The sum, each term of it times a number."""
    return tuple(one.scaled(number) for one in value)


def product(left: Sum, right: Sum) -> Sum:
    """The product of two sums, element by element."""
    return tuple(broadcast([one.times(other) for one in left for other in right]))


def matrices(left: Sum, right: Sum) -> Sum:
    """Products of vectors and matrices."""
    terms = []
    for one, other in itertools.product(left, right):
        if not 1 <= len(one.free) <= 2 or not 1 <= len(other.free) <= 2:
            raise LoopRefusal("it multiplies stacks of matrices")
        terms.append(one.dot(other, [(len(one.free) - 1, max(0, len(other.free) - 2))]))
    return tuple(broadcast(terms))


def added(left: Sum, right: Sum) -> Sum:
    """The terms of both."""
    return tuple(broadcast([*left, *right]))


def summed_axes(call: ast.Call, given: Sequence[ast.expr]) -> Any:
    """The axes of `np.tensordot`, which have to stand there as numbers."""
    several = [*given, *(one.value for one in call.keywords if one.arg == "axes")]
    if len(several) != 1 or len(given) + len(call.keywords) != 1:
        raise cannot(call)
    try:
        return ast.literal_eval(several[0])
    except ValueError:
        raise cannot(call) from None


def along(left: Sum, right: Sum, axes: Any) -> Sum:
    """Products that are added up along pairs of axes, or along so many of the last axes and of the first."""
    terms = []
    for one, other in itertools.product(left, right):
        many, more = len(one.free), len(other.free)
        if isinstance(axes, int):
            pairs = [(many - axes + i, i) for i in range(axes)]
        else:
            ours, theirs = ([i] if isinstance(i, int) else list(i) for i in axes)
            pairs = [(i % many, k % more) for i, k in zip(ours, theirs, strict=True) if i < many and k < more]
            if len(pairs) < len(ours):
                raise LoopRefusal("it multiplies along axes that are not there")
        if any(len(set(side)) < len(pairs) for side in zip(*pairs, strict=True)):
            raise LoopRefusal("it multiplies along an axis twice")
        terms.append(one.dot(other, pairs))
    return tuple(broadcast(terms))
