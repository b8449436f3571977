"""A layer that holds others in; which of them its forward calls, in that order, and where each is held, out."""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

from dout.explain.model.explanation import Phrase
from dout.run import attributes_of
from dout.run.held_objects import member_of
from dout.trace.session.layer_calls import is_layer

_DEEPEST = 4


def called_parts(layer: Any, run: Callable[[], object]) -> list[str]:
    """The paths of the layers that a layer holds, in the order in which it calls them when it is `run`.

    Of one that has no backward it is the layers inside that, which have.
    """
    called: list[str] = []
    depth = [0]

    def noting(path: str, forward: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*given: Any, **named: Any) -> Any:
            if not depth[0]:
                called.append(path)
            depth[0] += 1
            try:
                return forward(*given, **named)
            finally:
                depth[0] -= 1

        return noted

    parts = {id(part): (path, part) for path, part in reversed(list(_parts_in(layer, ""))) if is_layer(type(part))}
    watched = [(path, part) for path, part in parts.values() if "forward" not in attributes_of(part)]
    try:
        for path, part in watched:
            attributes_of(part)["forward"] = noting(path, part.forward)  # past any __setattr__ of the user's
        run()
    finally:
        for _, part in watched:  # it may be an object of the user's module
            attributes_of(part).pop("forward", None)
    return called


def _parts_in(item: Any, path: str, depth: int = 0) -> Iterator[tuple[str, Any]]:
    """The parts with a forward inside an object, also in its lists and dicts, each with its path."""
    if depth > _DEEPEST:
        return
    is_object = not isinstance(item, dict | list | tuple)
    inside = attributes_of(item).items() if is_object else item.items() if isinstance(item, dict) else enumerate(item)
    for key, one in inside:
        is_part = callable(getattr(type(one), "forward", None))
        if type(key) in (str, int) and (is_part or isinstance(one, dict | list | tuple)):
            there = f"{path}.{key}".lstrip(".") if is_object else _at(path, key)
            if is_part:
                yield there, one
            yield from _parts_in(one, there, depth + 1)


def _at(path: str, key: Any) -> str:
    return f"{path}[{json.dumps(key)}]"


def why_no_call(path: str, layer: Any, called: Sequence[str]) -> Phrase:
    """Why the backward of the part that holds a parameter or a layer, `self.first.W`, cannot be called."""
    part = path.rpartition(".")[0]
    found, count = item_at(layer, part.removeprefix("self.")), Counter(called)[part.removeprefix("self.")]
    fields = {"part": part, "names": path, "cls": type(found).__name__, "count": count}
    if not is_layer(type(found)):
        return Phrase("inner_parameter", fields)
    return Phrase("inner_shared" if count > 1 else "inner_backward", fields)


def is_of_a_layer(path: str, layer: Any) -> bool:
    """Whether a parameter is in another layer, `self.first.W`; `self.W.data` is in an object that holds it, no more."""
    holder = member_of(path)[0]
    held = item_at(layer, holder.removeprefix("self.")) if holder not in ("", "self") else None
    return callable(held) or callable(getattr(type(held), "forward", None))


def inner_layer(layer: Any, called: Sequence[str]) -> str | None:
    """The first layer that is called inside a part without a backward, `self.attention.query`; None where none is."""
    for path in called:
        outer = path.rpartition(".")[0]
        if outer and callable(getattr(item_at(layer, outer), "forward", None)):
            return f"self.{path}"
    return None


def item_at(layer: Any, path: str) -> Any:
    """The item that a layer holds at a path (`first`, `layers[0]`, `layers["Affine1"]`); None if there is none."""
    with suppress(Exception):  # attributes of the user's
        item = layer
        for name, key in re.findall(r"(\w+)|\[([^\]]*)\]", path):
            item = getattr(item, name) if name else item[ast.literal_eval(key)]
        return item
    return None


def paths_in(layer: Any, container: str) -> Iterator[str]:
    """The paths of the items of a list or dict."""
    items = item_at(layer, container)
    keys = list(items) if isinstance(items, dict) else range(len(items)) if isinstance(items, list | tuple) else ()
    yield from (_at(container, key) for key in keys)
