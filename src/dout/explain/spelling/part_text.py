"""The gradient of a part in; the line that calls the part's own backward out: one of what takes lines of its own."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from dout.explain.parts.part_calls import PART_GRADIENT, PartCall
from dout.explain.spelling.memory_text import MEMORY
from dout.explain.spelling.spelling_needs import Writing, WrittenLine
from dout.explain.spelling.written_text import ATOM, WrittenText
from dout.graph import Node, Primitive


def part_called(writing: Writing, node: Node, name: str | None) -> str:
    """`dx, dh = self.cell.backward(dout)`: all gradients of one call at once."""
    call: PartCall = node.static["call"]
    found = {n.static["index"]: n for n in writing.uses if n.primitive is PART_GRADIENT and n.static["call"] is call}
    found[node.static["index"]] = node
    dout = node.inputs[0]
    wanted = {index: one for index, one in found.items() if index is not None}
    if call.is_chain:
        name = _looped(writing, wanted.get(0, node), call, name)
        writing.texts |= dict.fromkeys(found.values(), WrittenText(name))
        return name
    given = _given(writing, dout, call)
    names = {index: name if one is node and name else writing.name_for(one) for index, one in wanted.items()}
    targets = [names.get(index, "_") for index in range(call.returned)]
    head = f"{', '.join(targets)} = " if wanted else ""
    writing.lines.append(WrittenLine(f"{head}{_path(writing, node)}.backward({given})", node))
    for index, one in found.items():
        writing.texts[one] = WrittenText(names[index] if index in names else targets[0])
    return names.get(node.static["index"], targets[0])


def _path(writing: Writing, node: Node) -> str:
    """The part: of one that is another at each turn of a loop, `self.layers[t]`."""
    paths = [re.split(r"(\d+)(?=\])", call.path) for call in writing.statics(node, "call")]
    columns = list(zip(*paths, strict=False))
    return "".join(
        column[0] if len(set(column)) == 1 else writing.sizes.number(list(map(int, column))) for column in columns
    )


def _given(writing: Writing, dout: Node, call: PartCall) -> str:
    """The upstream gradient of a part: a copy, if the part's backward writes into it and it is used elsewhere."""
    is_fresh, text = writing.is_fresh(dout), writing.text(dout)
    return f"{text.within(ATOM)}.copy()" if call.writes and not is_fresh else str(text)


def _looped(writing: Writing, node: Node, call: PartCall, name: str | None) -> str:
    """`for layer in reversed(self.layers): dx = layer.backward(dx)`."""
    name = name or writing.name_for(node)
    dout = writing.same(node.inputs[0])
    if dout.primitive is PART_GRADIENT and writing.is_fresh(dout):
        part_called(writing, dout, name)
    else:
        writing.lines.append(WrittenLine(f"{name} = {_given(writing, dout, call)}", node))
    layer = next(word for word in ("layer", "part", "one_layer") if word not in writing.taken)
    writing.lines += [
        WrittenLine(f"for {layer} in reversed({call.path}):"),
        WrittenLine(f"    {name} = {layer}.backward({name})"),
    ]
    return name


STATEMENTS: Mapping[Primitive, Callable[[Any, Node, str | None], str]] = {**MEMORY, PART_GRADIENT: part_called}
