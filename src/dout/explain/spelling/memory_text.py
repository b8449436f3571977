"""What is written into an array, as lines of NumPy: indexed assignments, and the sum over windows as a loop."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from dout.explain.spelling.index_text import key_text
from dout.explain.spelling.spelling_needs import Writing, WrittenLine
from dout.explain.spelling.written_text import ADDED, ATOM, MULTIPLIED, WrittenText, called, infix
from dout.graph import Node, Primitive
from dout.ops import PRIMITIVES, by_primitive
from dout.ops.shape import may_repeat


def _written(writing: Writing, node: Node, name: str | None) -> str:
    """`dx = np.zeros_like(x)`, `dx[index] = …`, or `+=` where nothing is chosen twice."""
    is_scatter = node.primitive is PRIMITIVES["scatter"]
    index, value = _index_and_value(writing, node)
    source = node.inputs[0]
    if not is_scatter and source.primitive in MEMORY and writing.is_fresh(source):
        name = MEMORY[source.primitive](writing, source, name)  # it is written into once more
    else:
        name = _started(writing, node, name, _zeros(writing, node) if is_scatter else _owned(writing, source))
    _placed(writing, node, name, index, value, adds=node.primitive is PRIMITIVES["add_at"])
    return name


def _places(node: Node) -> Sequence[Node]:
    """The arrays in the index of a write."""
    return node.inputs[1 if node.primitive is PRIMITIVES["scatter"] else 2 :]


def _index_and_value(writing: Writing, node: Node) -> tuple[list[WrittenText], WrittenText]:
    """The texts of what a write chooses, and of what it writes."""
    index = [writing.text(i) for i in _places(node)]
    value = node.inputs[0 if node.primitive is PRIMITIVES["scatter"] else 1]
    return index, writing.text(writing.unframed(value, repeated=True))


def _placed(
    writing: Writing, node: Node, name: str, index: Sequence[WrittenText], value: WrittenText, *, adds: bool
) -> None:
    """`dx[index] = …`, or `+=` where it `adds`."""
    places = _places(node)
    key = key_text(writing, node, index, node)
    rows = any(
        text.text.startswith("np.arange(") and _counts_all(writing, i, places)
        for text, i in zip(index, places, strict=True)
    )
    may_add = adds or node.primitive is PRIMITIVES["scatter"]
    repeats = may_add and may_repeat(node.static["key"], tuple(places)) and not rows
    one = f"({key})" if isinstance(node.static["key"], tuple) and ", " in key else key
    plain = _increased(f"{name}[{key}]", value) if adds else f"{name}[{key}] = {value}"
    written = f"np.add.at({name}, {one}, {value})" if repeats else plain
    writing.lines.append(WrittenLine(written))


def _increased(target: str, value: WrittenText) -> str:
    """`target += value`, or `-=` of one with a minus."""
    if value.text.startswith("-") and value.binds != ADDED:
        return f"{target} -= {value.text[1:]}"
    return f"{target} += {value}"


def added(writing: Writing, node: Node, name: str) -> None:
    """Add a value to an array at hand; of one that is 0 but for some places, what stands there."""
    node = writing.same(node)
    if node.primitive is PRIMITIVES["add_at"] and writing.is_fresh(node):
        added(writing, node.inputs[0], name)
    elif node.primitive is not PRIMITIVES["scatter"] or not writing.is_fresh(node):
        writing.lines.append(WrittenLine(_increased(name, writing.text(node)), node))
        return
    inner, is_view = writing.same(node.inputs[0]), not _places(node)
    if inner.primitive is PRIMITIVES["scatter"] and writing.is_fresh(inner) and is_view:
        added(writing, inner, f"{name}[{key_text(writing, node, (), node)}]")
    else:
        _placed(writing, node, name, *_index_and_value(writing, node), adds=True)


def _owned(writing: Writing, node: Node) -> str:
    """The text of a value that may be written into."""
    is_fresh, text = writing.is_fresh(node), writing.text(node)
    return str(text if is_fresh and not text.text.isidentifier() else f"{text.within(ATOM)}.copy()")


def _counts_all(writing: Writing, rows: Node, places: Sequence[Node]) -> bool:
    """Whether every place of an index has a row of its own, so that no element is selected twice."""
    every = zip(writing.shapes(rows), *map(writing.shapes, places), strict=True)
    return all(math.prod(mine) == math.prod(np.broadcast_shapes(*shapes)) for mine, *shapes in every)


def _zeros(writing: Writing, node: Node) -> str:
    like = writing.like(node)
    if like is not None:
        return f"np.zeros_like({like})"
    return f"np.zeros({writing.sizes.shape(writing.shapes(node))}, dtype={writing.dtype(node.dtype)})"


def _started(writing: Writing, node: Node, name: str | None, made: str) -> str:
    name = name or writing.name_for(node)
    writing.taken.add(name)
    writing.lines.append(WrittenLine(f"{name} = {made}", node))
    return name


def repeated(writing: Writing, node: Node) -> WrittenText:
    """A repeated value as an array of its own: `np.repeat` along one axis, else `np.full`."""
    (x,) = node.inputs
    longer = [axis for axis, (n, m) in enumerate(zip(x.shape, node.shape, strict=False)) if n != m]
    if len(x.shape) == len(node.shape) and len(longer) == 1:
        (axis,) = longer
        count = writing.sizes.number([shape[axis] for shape in writing.shapes(node)])
        return called("np.repeat", str(writing.text(x)), count, f"axis={axis}")
    value = str(writing.text(writing.unframed(x)))
    return called("np.full", writing.sizes.shape(writing.shapes(node)), value)


# --- windows ----------------------------------------------------------------------------------------------------------

_LETTERS = ("i", "j", "k", "l")
_NUMBERS = ("h", "w", "d", *(f"n{i}" for i in range(32)))


def _folded(writing: Writing, node: Node, name: str | None) -> str:
    """`for i in range(FH): dx[:, i:i + H] += dwindows[..., i]`: a loop over the places of a window."""
    (windows,) = node.inputs
    value = writing.text(windows)
    if not value.text.isidentifier():
        value = writing.statement(windows, value)
    name = _started(writing, node, name, _zeros(writing, node))
    axes, letters = node.static["axes"], _letters(writing, len(node.static["axes"]))
    lengths = list(zip(*writing.statics(node, "window"), strict=True))
    steps = list(zip(*writing.statics(node, "steps"), strict=True))
    for depth, (letter, length) in enumerate(zip(letters, lengths, strict=True)):
        axis = len(node.shape) + depth
        text = str(length[0]) if len(set(length)) == 1 else _length(writing, length, f"{value}.shape[{axis}]")
        writing.lines.append(WrittenLine(f"{'    ' * depth}for {letter} in range({text}):"))
    counts = [
        _length(writing, each, f"{value}.shape[{axis}]")
        for axis, each in enumerate(zip(*writing.shapes(windows), strict=True))
    ]
    parts = [":"] * len(node.shape)
    for axis, (part, line) in zip(axes, _parts(writing, letters, [counts[a] for a in axes], steps), strict=True):
        parts[axis] = part
        if line is not None:
            writing.lines.insert(len(writing.lines) - len(axes), line)
    indent, last = "    " * len(axes), ", ".join(letters)
    while parts[-1] == ":":
        parts.pop()
    writing.lines.append(WrittenLine(f"{indent}{name}[{', '.join(parts)}] += {value}[..., {last}]"))
    return name


def _parts(
    writing: Writing, letters: Sequence[str], counts: Sequence[str], steps: Sequence[tuple[int, ...]]
) -> Iterator[tuple[str, WrittenLine | None]]:
    """The elements at one place of all windows, `i:i + n`; with steps, the line that gives their number a name, too."""
    names = [n for n in _NUMBERS if n not in writing.taken]
    for letter, count, step in zip(letters, counts, steps, strict=True):
        if set(step) == {1}:
            yield f"{letter}:{letter} + {count}", None
        else:
            text = writing.sizes.number(step)
            one, many = (WrittenText(t, MULTIPLIED if " " in t else ATOM) for t in (text, count))
            name = names.pop(0)
            writing.taken.add(name)
            line = WrittenLine(f"{name} = {infix(one, '*', many, MULTIPLIED)}")
            yield f"{letter}:{letter} + {name}:{text}", line


def _length(writing: Writing, sizes: tuple[int, ...], otherwise: str) -> str:
    """A length by an array at hand that has it."""
    return writing.sizes.known(sizes) or otherwise


def _letters(writing: Writing, count: int) -> list[str]:
    free = [letter for letter in (*_LETTERS, *(f"i{n}" for n in range(count))) if letter not in writing.taken]
    return free[:count]


MEMORY: Mapping[Primitive, Callable[[Any, Node, str | None], str]] = by_primitive(
    {"scatter": _written, "setitem": _written, "add_at": _written, "fold": _folded}
)
