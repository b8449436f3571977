"""A graph in; the steps of it that are convolutions out, found by what they compute: however they are written.

A step is one if it follows from one image alone, by affine rows, and gives the numbers of a convolution whose kernel
is its gradient at one place. Loops, index arrays and patches with a product all show that; so do the norms and sums
that follow.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dout.errors import DoutError
from dout.export.affine_steps import last_bends
from dout.export.batch_numbers import at_size
from dout.grad import backpropagate
from dout.graph import INPUT, Graph, Node, computed_from, evaluate

_ROWS = 4
_TRIED = 400  # pairs of a step and an image
_MOST = 20_000_000  # numbers of a step, in one evaluation
_NEAR = 1e-5  # of the largest number
Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class OnnxConvolution:
    """What a step computes from an `image`: ONNX's Conv. `kernel` is (filters, channels, height, width)."""

    image: Node
    kernel: Array
    bias: Array
    steps: tuple[int, int]
    gaps: tuple[int, int]
    pads: tuple[int, int, int, int]
    groups: int = 1


def convolutions(graph: Graph, values: Mapping[Node, Any], arguments: Sequence[Node]) -> dict[Node, OnnxConvolution]:
    """The steps of a graph that are convolutions, in 32 bits: the wider ones have no kernel in onnxruntime."""
    moving = computed_from(graph.nodes, arguments) | set(arguments)
    images = [node for node in graph.nodes if node in moving and _is_image(node)]
    if not images:
        return {}
    above, left, found = _dominators(graph, moving), _TRIED, dict[Node, OnnxConvolution]()
    now, known = at_size(graph, values, _ROWS)
    at, bends = {node: i for i, node in enumerate(graph.nodes)}, last_bends(graph, moving)
    covered = set[Node]()
    for end in reversed(images):
        if end in covered:
            continue
        best = None
        for image in _images_above(end, above):
            if bends[end] > at[image]:
                break
            left -= 1
            one = _Pair(now[image], now[end], known) if left > 0 else None
            if one is None or not one.is_affine():
                break
            made = one.convolution(image)
            if best is not None and (made is None or made.kernel.shape != best.kernel.shape):
                break
            best = made or best
        if best is not None:
            found[end] = best
            covered |= computed_from(graph.nodes, [best.image])
    return found


def _is_image(node: Node) -> bool:
    return len(node.shape) == 4 and np.dtype(node.dtype) == np.float32 and all(n > 0 for n in node.shape)


def _dominators(graph: Graph, moving: set[Node]) -> dict[Node, Node | None]:
    """For each step the last one through which all ways from the arguments to it lead; None where there is none."""
    above: dict[Node, Node | None] = {}
    depth: dict[Node | None, int] = {None: 0}
    for node in graph.nodes:
        if node not in moving:
            continue
        first: Node | None
        other: Node | None
        first, *others = [*(i for i in node.inputs if i in moving)] or (None,)
        for other in others:
            while first is not other:
                if depth[first] >= depth[other]:
                    first = above[first] if first is not None else None
                else:
                    other = above[other] if other is not None else None
        above[node], depth[node] = first, depth[first] + 1
    return above


def _images_above(end: Node, above: Mapping[Node, Node | None]) -> Iterator[Node]:
    node = above[end]
    while node is not None:
        if _is_image(node):
            yield node
        node = above[node]


class _Pair:
    """A step and an image that it follows from, at one size of the batch, to be evaluated."""

    def __init__(self, image: Node, end: Node, known: Mapping[Node, Any]) -> None:
        self.image, self.end, self.known = image, end, known
        self.random = np.random.default_rng(0)
        self.dout = Node(INPUT, (), {}, end.shape, end.dtype)
        self.slope: Node | None = None

    def _of(self, x: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.asarray(evaluate([self.end], {**self.known, self.image: x})[self.end])

    def _drawn(self) -> Array:
        return self.random.standard_normal(self.image.shape)

    def is_affine(self) -> bool:
        """Whether numbers that are added in the image are added in the step."""
        sizes = (int(np.prod(node.shape)) for node in (self.image, self.end))
        if max(sizes) > _MOST or self.image.shape[0] != self.end.shape[0]:
            return False
        try:
            one, other = 10 * self._drawn(), self._drawn()
            total = self._of(one) + self._of(other) - self._of(np.zeros_like(one))
            return _near(self._of(one + other), total)
        except (DoutError, KeyError, ValueError, IndexError, TypeError):  # more than the image is needed
            return False

    def _slopes(self, places: Sequence[tuple[int, int, int]]) -> Array:
        """The gradients of the image for ones at places of the step, each for one sample."""
        if self.slope is None:
            self.slope = backpropagate({self.end: self.dout}).of[self.image]
        found, rows = [], self.end.shape[0]
        for start in range(0, len(places), rows):
            dout = np.zeros(self.end.shape)
            part = places[start : start + rows]
            for row, place in enumerate(part):
                dout[(row, *place)] = 1
            given = {**self.known, self.image: self._drawn(), self.dout: dout}
            found.append(np.array(evaluate([self.slope], given)[self.slope])[: len(part)])
        return np.concatenate(found)

    def convolution(self, image: Node) -> OnnxConvolution | None:
        """The convolution that gives the same numbers; None where none does."""
        _, filters, height, width = self.end.shape
        try:
            rows = _span(np.any(self._slopes([(0, i, width // 2) for i in range(height)]), axis=(1, 3)))
            columns = _span(np.any(self._slopes([(0, height // 2, i) for i in range(width)]), axis=(1, 2)))
            if rows is None or columns is None:
                return None
            places = [(f, rows.at, columns.at) for f in range(filters)]
            kernel = self._slopes(places)[:, :, rows.taken, columns.taken]
            bias = self._of(np.zeros(self.image.shape))[0, :, rows.at, columns.at]
            x = self._drawn()
            wanted = self._of(x)
        except (DoutError, KeyError, ValueError, IndexError, TypeError):
            return None
        is_sparse = kernel.shape[0] == kernel.shape[1] and not np.any(kernel[~np.eye(filters, dtype=bool)])
        if kernel.shape[2:] == (1, 1) and is_sparse:  # a factor and a sum
            return None
        pads = rows.before, columns.before, rows.after, columns.after
        x = np.pad(x, ((0, 0), (0, 0), pads[::2], pads[1::2]))
        size = [(kernel.shape[2 + i] - 1) * span.gap + 1 for i, span in enumerate((rows, columns))]
        windows = np.lib.stride_tricks.sliding_window_view(x, size, axis=(2, 3))
        windows = windows[:, :, :: rows.step, :: columns.step, :: rows.gap, :: columns.gap]
        made = np.einsum("nchwij,fcij->nfhw", windows, kernel, optimize=True) + bias[:, None, None]
        if not _near(made, wanted):
            return None
        groups = filters if is_sparse and filters > 1 else 1
        kernel = kernel[np.arange(filters), np.arange(filters)][:, None] if groups > 1 else kernel
        return OnnxConvolution(image, kernel, bias, (rows.step, columns.step), (rows.gap, columns.gap), pads, groups)


@dataclass(frozen=True)
class _Span:
    """Where windows lie along an axis: their step, the gap inside them, zeros at both ends, and one in the middle."""

    step: int
    gap: int
    before: int
    after: int
    at: int
    taken: slice


def _span(read: Array) -> _Span | None:
    """What the elements that each place reads say of the windows along an axis; None where they are no windows."""
    places = [np.flatnonzero(row) for row in read]
    most = max(map(len, places))
    whole = [i for i, found in enumerate(places) if len(found) == most]
    if not most or (len(whole) < 2 and len(places) > 1):
        return None
    at = whole[len(whole) // 2]
    gaps, steps = np.diff(places[at]), np.diff([places[i][0] for i in whole])
    gap, step = int(gaps[0]) if len(gaps) else 1, int(steps[0]) if len(steps) else 1
    first = int(places[at][0])
    before = at * step - first
    after = max((len(places) - 1) * step + (most - 1) * gap + 1 - before - read.shape[1], 0)
    if step < 1 or before < 0 or np.any(gaps != gap) or np.any(np.diff(whole) != 1) or np.any(steps != step):
        return None
    if (read.shape[1] + before + after - (most - 1) * gap - 1) // step + 1 != len(places):
        return None
    return _Span(step, gap, before, after, at, slice(first, first + (most - 1) * gap + 1, gap))


def _near(one: Array, other: Array) -> bool:
    if one.shape != other.shape:
        return False
    return bool(np.max(np.abs(one - other)) <= _NEAR * np.max(np.abs(other), initial=0))
