"""Products of patches, in the one form in which they are read where the image lies: then patches are not written.

That form are rows (N, H, W) of (window, C), of images (N, H, W, C) in C order. Where others need the patches, too, the
product gains by reading the image, which the cache keeps.

The gradient of an image is often `fold(dout · W)`: products for each place of a window, which are added up. The same is
`patches · W'`, of the patches of `dout` with a border of zeros, and W' the matrix W with its window turned around. That
is as much arithmetic; but the products for each place are many times as large as the image. Results agree within
rounding, where the matrix is finite.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from dout.engine.ir.scalar_expressions import reduced_axes
from dout.engine.ir.stride_model import StrideModel
from dout.engine.windows.patch_costs import arranged, folded, reading_pays, written
from dout.graph import Graph, Node, Shape, rebuild, renewed
from dout.ops import PRIMITIVES, primitives
from dout.ops.abstract import AbstractRecorder
from dout.rewrite.node_facts import is_reshape, recorded_operands, standing_for, users_of
from dout.rewrite.window_forms import basic_key

_OF_TWO, _ARRANGING = primitives("matmul dot"), primitives("transpose reshape")
ROWS = (0, 1, 2, 4, 5, 3)  # the axes of windows of images (N, H, W, C) as rows (N, H, W) of (window, C)

Users = Mapping[Node, set[Node | None]]


def patch_products(graph: Graph, orders: Mapping[Node, tuple[int, ...]] = MappingProxyType({})) -> Graph:
    """Return the graph in which products of patches, and those that add up in windows, read images.

    `orders` says which inputs lie in another order than C, as `untranspose`.
    """
    users, lies = users_of(graph), StrideModel(orders)

    def change(node: Node, new: Mapping[Node, Node]) -> Node:
        made, result = renewed(node, new), None
        flat = [len(i.shape) for i in node.inputs] == [2, 2]
        if flat or (node.primitive is PRIMITIVES["matmul"] and min(len(i.shape) for i in node.inputs) > 1):
            for number, factor in enumerate(node.inputs):
                if result is None and (found := _patches(made.inputs[number])) is not None:
                    result = _multiplied(made, number, found, lies, alone=_serve_products(factor, users))
        if node.primitive is PRIMITIVES["sum"]:
            result = _added_up(node, made, lies, users)
        elif node.primitive is PRIMITIVES["fold"]:
            if not _is_only_cut(node, users):
                result = _summed(made, [(0, 0)] * len(node.shape))
        elif node.primitive is PRIMITIVES["getitem"] and _is_only_cut(node.inputs[0], users):
            ends = _ends(node)
            result = _summed(made.inputs[0], ends) if ends else None
            if result is None:  # the sums stay, as they would have without the cut
                return made
        return standing_for(made, result)

    return rebuild(graph, change)


def _is_only_cut(node: Node, users: Users) -> bool:
    """Whether all that is read of sums is their middle, without a border."""
    readers = users.get(node, set())
    (reader,) = readers if len(readers) == 1 else (None,)
    cut = node.primitive is PRIMITIVES["fold"] and reader is not None and reader.primitive is PRIMITIVES["getitem"]
    return cut and reader is not None and _ends(reader) is not None


def _ends(node: Node) -> list[tuple[int, int]] | None:
    """How much of each axis a slice leaves out in front and behind; None for other keys."""
    shape = node.inputs[0].shape
    key = basic_key(node.static["key"], shape) if len(node.inputs) == 1 else None
    if key is None or not all(isinstance(part, slice) for part in key):
        return None
    parts = [range(n)[part] for n, part in zip(shape, key, strict=True)]
    if any(part.step != 1 or not part for part in parts):
        return None
    return [(part.start, n - part.stop) for n, part in zip(shape, parts, strict=True)]


# --- products of patches ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Patches:
    """A matrix of patches: the windows, and which axes of these go along its rows and its columns.

    Of a stack of matrices the axes in front of the windows' places are those of the `stack`, which count so far.
    """

    windows: Node
    rows: Sequence[int]
    columns: Sequence[int]
    stack: int = 1

    def sums(self, number: int) -> Sequence[int]:
        """The axes that a product adds up whose factor of this number the matrix is."""
        return self.rows if number else self.columns


def _patches(node: Node) -> _Patches | None:
    """The windows along two axes whose elements are a matrix, or a stack of matrices; None for others."""
    if node.primitive is PRIMITIVES["transpose"] and len(node.shape) == 2:
        turned = _patches(node.inputs[0])
        return turned and _Patches(turned.windows, turned.columns, turned.rows)
    windows, groups = _axes_of(node)
    if windows is None or len(groups) < 2 or {*windows.static.get("steps", (1,))} != {1}:
        return None
    axes, rank, count = windows.static["axes"], len(windows.inputs[0].shape), math.prod(node.shape[:-2])
    if len(axes) != 2 or len({*axes}) != 2:
        return None
    lead, rows, columns = [axis for group in groups[:-2] for axis in group], groups[-2], groups[-1]
    if {*axes} <= {*rows} and {rank, rank + 1} <= {*columns}:
        return _Patches(windows, (*lead, *rows), columns, count)
    apart = {*axes} <= {*columns} and {rank, rank + 1} <= {*rows}
    return _Patches(windows, rows, (*lead, *columns), count) if apart else None


def _axes_of(node: Node) -> tuple[Node | None, list[list[int]]]:
    """The windows that are put in order and reshaped into a value, and which axes of theirs are each of its axes."""
    if node.primitive is PRIMITIVES["windows"]:
        return node, [[axis] for axis in range(len(node.shape))]
    turned = node.primitive is PRIMITIVES["transpose"]
    windows, groups = _axes_of(node.inputs[0]) if turned or is_reshape(node) else (None, [])
    if windows is None or turned:
        return windows, [groups[axis] for axis in node.static["axes"]] if turned and windows else groups
    left, found = [axis for group in groups for axis in group], list[list[int]]()
    for length in node.shape:
        found.append([])
        while left and math.prod(windows.shape[axis] for axis in found[-1]) < length:
            found[-1].append(left.pop(0))
        if math.prod(windows.shape[axis] for axis in found[-1]) != length:
            return None, []
    ones = [axis for axis in left if windows.shape[axis] == 1]
    return (windows, [*found[:-1], [*found[-1], *ones]]) if found and ones == left else (None, [])


def _added_up(node: Node, total: Node, lies: StrideModel, users: Users) -> Node | None:
    """The sum of a stack of products, one factor of which has patches, as one product with longer sums.

    That the product reads images only where it adds up the places too: the stack's axes lie in front of these.
    `node` is the sum before its inputs were changed.
    """
    (old,), (product,), gone = node.inputs, total.inputs, reduced_axes(total)
    alone, far = users[old] == {node}, max(gone, default=0) + 1
    if is_reshape(product) and product.shape[:far] == product.inputs[0].shape[:far]:
        (product,), (old,), alone = product.inputs, old.inputs, alone and len(users[old.inputs[0]]) == 1
    if not alone or product.primitive is not PRIMITIVES["matmul"] or total.static.keys() - {"axis", "keepdims"}:
        return None
    lead, (rows, columns) = product.shape[:-2], product.shape[-2:]
    stays = any(n > 1 for axis, n in enumerate(lead) if axis not in gone)
    if stays or far > len(lead) or total.dtype != product.dtype:
        return None
    if any(i.shape[:-2] != lead for i in product.inputs):
        return None
    left, right = recorded_operands(product)
    first: Any = np.reshape(np.moveaxis(left, -2, 0), (rows, -1))
    flat: Any = np.matmul(first, np.reshape(right, (-1, columns)))
    for number, factor in enumerate(product.inputs):
        found = _patches(factor)
        if found is not None and found.stack > 1 and {*found.windows.static["axes"]} <= {*found.sums(number)}:
            alone = _serve_products(old.inputs[number], users)
            value = _multiplied(flat.node, number, replace(found, stack=1), lies, alone=alone)
            if value is not None:
                made: Any = np.reshape(AbstractRecorder(total.where).wrap(value), total.shape)
                return made.node  # type: ignore[no-any-return]
    return None


def _serve_products(factor: Node, users: Users) -> bool:
    """Whether nobody but products needs the patches, in this arrangement or another."""
    while factor.primitive is not PRIMITIVES["windows"]:
        if factor.primitive not in _ARRANGING:
            return False
        factor = factor.inputs[0]
    readers = [*users[factor]]
    while readers:
        reader = readers.pop()
        if reader is None or reader.primitive not in _ARRANGING | _OF_TWO:
            return False
        readers += users[reader] if reader.primitive in _ARRANGING else ()
    return True


def _multiplied(node: Node, number: int, found: _Patches, lies: StrideModel, *, alone: bool) -> Node | None:
    """A product, whose factor of this number are patches, in the form that reads images; None if that does not pay."""
    windows, (base,) = found.windows, found.windows.inputs
    axes, window, rank = windows.static["axes"], windows.static["window"], len(base.shape)
    ours, sums = found.columns if number else found.rows, found.sums(number)
    along_places, left = {*axes} <= {*ours}, node.inputs[1 - number].shape[:-2]
    if math.prod(left) != 1 or (number == 0 and left) or not (along_places or len(node.shape) == 2):
        return None
    many, inside = (ours, sums) if along_places else (sums, ours)
    stacks, channels = [a for a in many if a not in axes], [a for a in inside if a < rank]
    lying = [*stacks, *axes, *channels]
    factor: Any = AbstractRecorder(node.where).wrap(node.inputs[1 - number])
    factor = np.reshape(factor, factor.shape[-2:]) if left else factor
    results = factor.shape[0 if number else 1]
    lengths = [math.prod(base.shape[a] for a in stacks), *(base.shape[a] for a in axes)]
    shape = (*lengths, math.prod(base.shape[a] for a in channels))
    dtype, ordered = np.dtype(node.dtype), number == 0 and [*many] == [*stacks, *axes]
    other_way = min(written(shape, window, results, alone=alone), _around(windows, shape, results))
    if base.dtype != dtype:
        return None
    if not (alone or ordered):
        other_way -= arranged(shape, results)
    if not reading_pays(shape, window, results, other_way, dtype, transposed=not along_places):
        return None
    places, patch = [*stacks, *axes], [rank, rank + 1, *channels]
    image = np.reshape(_in_order(base, lying, lies, node), shape)
    factor = _arranged(factor, sums, patch if along_places else places, windows.shape, behind=number == 1)
    value = product_of_patches(image, window, factor, transposed=not along_places)
    result = _arranged(value, places if along_places else patch, ours, windows.shape)
    made: Any = np.transpose(result) if number else result
    if len(node.shape) > 2:
        apart = np.reshape(result, (found.stack, -1, results))
        made = np.reshape(np.transpose(apart, (0, 2, 1)) if number else apart, node.shape)
    return made.node  # type: ignore[no-any-return]


def _around(windows: Node, image: Shape, results: int) -> float:
    """What products of the elements of an image with a border cost, which are added up around their places."""
    (base,), window, axes = windows.inputs, windows.static["window"], windows.static["axes"]
    if base.primitive is not PRIMITIVES["pad"]:
        return math.inf
    if any(max(base.static["width"][a]) >= n for a, n in zip(axes, window, strict=True)):  # windows of zeros alone
        return math.inf
    return folded(math.prod(base.inputs[0].shape) // image[3] * math.prod(window) * results, image[3])


def _arranged(matrix: Any, given: Sequence[int], due: Sequence[int], shape: Shape, *, behind: bool = False) -> Any:
    """A matrix whose rows (columns if `behind`) go along axes of windows, with rows in another order."""
    if [*given] == [*due] and not behind:
        return matrix
    lengths, order = [shape[a] for a in given], [given.index(a) for a in due]
    split = np.reshape(matrix, (matrix.shape[0], *lengths) if behind else (*lengths, matrix.shape[1]))
    turned = (*(1 + a for a in order), 0) if behind else (*order, len(order))
    return np.reshape(np.transpose(split, turned), (math.prod(lengths), matrix.shape[0 if behind else 1]))


def _in_order(base: Node, axes: Sequence[int], lies: StrideModel, user: Node) -> Any:
    """An array with its axes in another order, so that its elements lie so."""
    wrap, turned = AbstractRecorder(user.where).wrap, tuple(axes)
    if lies[base].transpose(turned).flags.c_contiguous:
        same = lies[base].flags.c_contiguous  # only axes of length one change places
        return np.reshape(wrap(base), [base.shape[a] for a in turned]) if same else np.transpose(wrap(base), turned)
    if base.primitive is PRIMITIVES["pad"]:
        static = {**base.static, "width": tuple(base.static["width"][a] for a in turned)}
        return PRIMITIVES["pad"](np.transpose(wrap(base.inputs[0]), turned), **static)
    return PRIMITIVES["copy"](np.transpose(wrap(base), turned), order="C")


# --- products that add up in windows ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Product:
    """A product as axes: those of the image that is multiplied, and those of the matrix, of the windows of a fold."""

    image: Any  # its axes: those of the windows that are rows or stacks, then one of the sums
    matrix: Any  # (inner, axes of the windows that are columns)
    many: Sequence[int]  # which axes of the windows the image has
    columns: Sequence[int]  # which ones the matrix has


def _summed(fold: Node, ends: Sequence[tuple[int, int]]) -> Node | None:
    """The sums, without so many at the ends of each axis, as a product of patches; None where that does not pay."""
    found, axes, window, rank = _product(fold), fold.static["axes"], fold.static["window"], len(fold.shape)
    if found is None or len(axes) != 2 or len({*axes}) != 2 or {*fold.static["steps"]} != {1}:
        return None
    beside = [a for a in range(rank) if a not in axes]
    stacks, channels = ([a for a in beside if a in some] for some in (found.many, found.columns))
    places = [*range(rank, rank + 2)]
    if {*found.many} != {*stacks, *axes} or {*found.columns} != {*channels, *places}:
        return None
    border = {a: (n - 1 - ends[a][0], n - 1 - ends[a][1]) for a, n in zip(axes, window, strict=True)}
    if min(map(min, border.values())) < 0 or any(ends[a] != (0, 0) for a in beside):
        return None
    counted = [found.image.shape[found.many.index(a)] for a in axes]
    if any(fold.shape[a] != count + n - 1 for a, count, n in zip(axes, counted, window, strict=True)):
        return None
    lead = tuple(found.image.shape[found.many.index(a)] for a in stacks)
    depths = tuple(found.matrix.shape[1 + found.columns.index(a)] for a in channels)
    inner = found.matrix.shape[0]
    shape = (math.prod(lead), *(c + sum(border[a]) for a, c in zip(axes, counted, strict=True)), inner)
    sums = math.prod((shape[0], *counted, *window, *depths))
    if not reading_pays(shape, window, math.prod(depths), folded(sums, inner), np.dtype(fold.dtype)):
        return None
    image = np.transpose(found.image, (*map(found.many.index, (*stacks, *axes)), len(found.many)))
    image = np.reshape(image, (shape[0], *counted, inner))
    width = ((0, 0), *(border[a] for a in axes), (0, 0))
    image = np.pad(image, width) if any(map(any, width)) else image
    turned = found.matrix[(slice(None), *(slice(None, None, -1 if c in places else None) for c in found.columns))]
    order = [1 + found.columns.index(place) for place in places]
    order += [0, *(1 + found.columns.index(a) for a in channels)]
    matrix = np.reshape(np.transpose(turned, order), (-1, math.prod(depths)))
    product = product_of_patches(image, window, matrix)
    left = [image.shape[1 + k] - n + 1 for k, n in enumerate(window)]
    value = np.reshape(product, (*lead, *left, *depths))
    lying = [*stacks, *axes, *channels]
    result: Any = np.transpose(value, [lying.index(a) for a in range(rank)])
    return result.node  # type: ignore[no-any-return]


# --- the form ---------------------------------------------------------------------------------------------------------


def product_of_patches(image: Any, window: Shape, matrix: Any, *, transposed: bool = False) -> Any:
    """Patches of images (N, H, W, C), a row for each, times a matrix whose rows go along (window, C).

    If it is `transposed` the columns of the patches are its rows, and those of the matrix go along (N, H, W).
    """
    windows = PRIMITIVES["windows"](image, window=tuple(window), axes=(1, 2), steps=(1, 1))
    lying = np.transpose(windows, ROWS)
    rows = np.reshape(lying, (math.prod(lying.shape[:3]), math.prod(lying.shape[3:])))
    return np.dot(np.transpose(rows) if transposed else rows, matrix)


def patches_in(rows: Node) -> tuple[Node, Shape] | None:
    """The images of which a matrix has the patches, as `product_of_patches` makes it, and the window; otherwise None.

    A copy may lie between.
    """
    copied = {PRIMITIVES["copy"]}
    lying = rows.inputs[0] if is_reshape(rows) else rows
    lying = lying.inputs[0] if lying.primitive in copied else lying
    if lying.primitive is not PRIMITIVES["transpose"] or lying.static["axes"] != ROWS:
        return None
    (windows,) = lying.inputs
    if windows.primitive is not PRIMITIVES["windows"] or len(windows.inputs[0].shape) != 4:
        return None
    plain = windows.static["axes"] == (1, 2) and {*windows.static["steps"]} == {1}
    whole = rows.shape == (math.prod(lying.shape[:3]), math.prod(lying.shape[3:]))
    return (windows.inputs[0], windows.static["window"]) if plain and whole else None


def _product(fold: Node) -> _Product | None:
    """The product of two matrices, or of one and a stack, whose elements are added up; None for other values."""
    chain = [fold.inputs[0]]
    while chain[-1].primitive is PRIMITIVES["transpose"] or is_reshape(chain[-1]):
        chain.append(chain[-1].inputs[0])
    turned = chain[0] if chain[0].primitive is PRIMITIVES["transpose"] else None
    split, product = chain[1 if turned else 0], chain[-1]
    whole = len(chain) == 2 + (turned is not None) and is_reshape(split)
    if not whole or product.primitive not in _OF_TWO or product.dtype != fold.dtype:
        return None
    ranks, alone = [len(i.shape) for i in product.inputs], {*product.inputs[0].shape[:-2]} <= {1}
    if min(ranks) < 2 or not alone or (max(ranks) > 2 and product.primitive is not PRIMITIVES["matmul"]):
        return None
    axes = turned.static["axes"] if turned else tuple(range(len(split.shape)))
    bounds = [k for length in _bounds(product.shape) if (k := _at(split.shape, length)) is not None]
    if len(bounds) != len(product.shape) - 1:
        return None
    wrap = AbstractRecorder(fold.where).wrap
    left: Any = np.reshape(wrap(product.inputs[0]), product.inputs[0].shape[-2:])
    right = wrap(product.inputs[1])
    named = [axes.index(k) for k in range(len(split.shape))]  # of each axis of the product, which one of the windows
    last = len(named)
    if len(product.shape) == 2:
        cut, lengths = bounds[0], split.shape
        rows, columns = named[:cut], named[cut:]
        inner = left.shape[1]
        first: Any = np.reshape(left, (*lengths[:cut], inner))
        second: Any = np.reshape(right, (inner, *lengths[cut:]))
        if not any(a >= len(fold.shape) for a in rows):
            return _Product(first, second, rows, columns)
        first = np.transpose(first, (cut, *range(cut)))
        return _Product(np.transpose(second, (*range(1, last - cut + 1), 0)), first, columns, rows)
    stack, cut = bounds[-2:]
    inner, lead = left.shape[1], split.shape[:stack]
    images: Any = np.reshape(right, (*lead, inner, *split.shape[cut:]))
    beside = last - cut
    images = np.transpose(images, (*range(stack), *range(stack + 1, stack + 1 + beside), stack))
    matrix: Any = np.reshape(np.transpose(left), (inner, *split.shape[stack:cut]))
    return _Product(images, matrix, [*named[:stack], *named[cut:]], named[stack:cut])


def _bounds(shape: Shape) -> list[int]:
    """How many elements the first axes have, for each boundary between two axes."""
    return [math.prod(shape[:k]) for k in range(1, len(shape))]


def _at(shape: Shape, length: int) -> int | None:
    """After which of the axes there are so many elements; None where that is within an axis."""
    return next((k for k in range(len(shape) + 1) if math.prod(shape[:k]) == length and k), None)
