"""A graph for every size of the batch, held against the user's own forward at sizes that were not recorded.

Recordings at a few sizes show one way through the user's code. Another size may take another one, `min(len(x), 8)` or
`if len(x) == 1`, and no recording tells: the numbers do.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from dout.export.batch_numbers import FixedBatchError, at_size, length_at
from dout.export.loops.loop_rows import LOOP
from dout.graph import Graph, Node, evaluate

SMALL = (1, 2, 24)
LARGE = (1030, 530, 260, 130, 66)  # more than what is usually one piece of a batch
_MOST = 10_000_000  # numbers of all steps at the large size
_NEAR = {8: 1e-6, 4: 1e-3, 2: 2e-2}  # of the largest number, by bytes of a float: sums in another order differ


def sizes_to_compare(graph: Graph, own: int) -> Iterator[int]:
    """The size of the user's own example, small sizes, and a large one that takes little memory."""
    yield from dict.fromkeys((own, *SMALL))
    for rows in LARGE:
        if _numbers(graph, rows) <= _MOST:
            yield rows
            return


def _numbers(graph: Graph, rows: int) -> int:
    """How many numbers all steps compute, in every turn of a loop."""
    found = 0
    for node in graph.nodes:
        if node.primitive is LOOP:
            found += length_at(node.static["turns"], rows) * _numbers(node.static["body"], rows)
        found += math.prod(length_at(n, rows) for n in node.shape)
    return found


def agrees(
    graph: Graph, values: Mapping[Node, Any], given: Mapping[Node, Any], rows: int, wanted: Sequence[Any]
) -> bool:
    """Whether a joined graph gives the numbers that forward gave for so many rows.

    An axis of length one may be missing in what forward gave, as np.squeeze takes it. What forward computed without a
    finite result is not compared: the stable form of a formula has one.
    """
    try:
        now, known = at_size(graph, values, rows)
        known |= {now[node]: value for node, value in given.items()}
        known = {node: _of_dtype(value, node.dtype) for node, value in known.items() if value is not None}
        ends = {name: now[node] for name, node in graph.outputs.items()}
        with np.errstate(all="ignore"):
            found = evaluate([end for name, end in ends.items() if name in _names(wanted)], known)
    except (FixedBatchError, ValueError, IndexError, TypeError):  # a shape or an index that this size does not have
        return False
    return all(
        name in ends and _is_near(found[ends[name]], value) for name, value in zip(_names(wanted), wanted, strict=True)
    )


def _of_dtype(value: Any, dtype: Any) -> Any:
    """A value as the model has it, where all floats are of a dtype that was asked for."""
    return np.asarray(value).astype(dtype) if isinstance(dtype, np.dtype) else value


def _names(wanted: Sequence[Any]) -> list[str]:
    return [f"out{i}" for i in range(len(wanted))]


def _is_near(found: Any, wanted: Any) -> bool:
    one, other = np.squeeze(np.asarray(found)), np.squeeze(np.asarray(wanted))
    if one.shape != other.shape:
        return False
    if other.dtype.kind != "f":
        return bool(np.array_equal(one, other))
    finite = np.isfinite(other)
    narrowest = min(item.dtype.itemsize for item in (one, other) if item.dtype.kind == "f")
    largest = np.max(np.abs(other), where=finite, initial=0.0)
    near = np.abs(one - other) <= largest * _NEAR.get(narrowest, _NEAR[8])
    return bool(np.all(near | ~finite))
