"""Constructor arguments of another kind than what is done with them, by the error that this raised.

What was looked into is made a sequence, what counted a whole number, what was called a function, and what was asked for
an attribute an object that has it, which the user's own module can make.
"""

from __future__ import annotations

import linecache
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np

from dout.adapt.argument_names import is_named, taken_by
from dout.adapt.sizes.proposed_arrays import numbers
from dout.adapt.source.attribute_reads import users_with
from dout.run import attributes_of, deep_copy, quiet

Change = dict[str, Any]


class Failed(NamedTuple):
    """The arguments that stand where it raised, all arguments that may change, and what the functions there know."""

    names: Sequence[str]
    init: Mapping[str, Any]
    known: Mapping[str, Any]


_SIZES = (4, 5, 3)
_SHAPE = (4, 6, 2, 5)


def arguments_at(step: TracebackType | None, init: Mapping[str, Any]) -> list[str]:
    """The constructor arguments whose values stand in the expression that raised, or in its line.

    Of several that have one value, those that are called so there.
    """
    for text in _texts(step) if step is not None else ():
        names = re.findall(r"[A-Za-z_][\w.]*", text)
        here = [_valued(name, step.tb_frame.f_locals) for name in names]  # type: ignore[union-attr]
        parts = {part for name in names for part in name.split(".")}
        found = [
            n
            for n, value in init.items()
            if any(_holds(value, item) for item in here) or (value is None and n in parts)
        ]
        if found := [n for n in found if n in parts] or found:
            return found
    return []


def _texts(step: TracebackType) -> Iterator[str]:
    """The text of the expression that raised, and that of its line."""
    code = step.tb_frame.f_code
    line, end, first, last = next(islice(code.co_positions(), step.tb_lasti // 2, None), (None,) * 4)
    text = linecache.getline(code.co_filename, line or step.tb_lineno)
    if line == end and first is not None:
        yield text.encode()[first:last].decode(errors="replace")
    yield text


def _valued(name: str, known: Mapping[str, Any]) -> Any:
    """What a name, or a chain of attributes, stands for in a function."""
    first, *rest = name.split(".")
    value = known.get(first)
    for part in rest:
        held = attributes_of(value)
        if part not in held:
            return value
        value = held[part]
    return value


def _holds(value: Any, item: Any) -> bool:
    """Whether something is a value, one of its items, or its shape."""
    if isinstance(value, np.ndarray) and isinstance(item, tuple):
        return bool(item == value.shape)
    if isinstance(value, dict) and isinstance(item, dict):  # of a copy
        return value.keys() == item.keys()
    return item is not None and (value is item or (isinstance(value, list | tuple) and any(v is item for v in value)))


# ---------------------------------------------------------------------------------------------------- what may be meant


def as_other(failed: Failed, *_: str, values: Sequence[Any]) -> Iterator[Change]:
    """Values of another type than what was given, one argument after the other; then all of them the first."""
    for made in values:
        yield from ({name: made} for name in failed.names if type(failed.init[name]) is not type(made))
    if len(failed.names) > 1:
        yield dict.fromkeys(failed.names, values[0])


def as_object(failed: Failed, attribute: str = "__call__") -> Iterator[Change]:
    """What has the attribute: a list, an array, or an object that the user's module makes."""
    for name in failed.names:
        value = failed.init[name]
        if attribute == "__call__" and hasattr(value, "__dict__") and not callable(value):
            yield {name: type(value)}  # it makes its own: `self.activation = activation()`
        yield from ({name: made} for made in (list(_SIZES[:2]), dict[str, Any]()) if hasattr(made, attribute))
        for made in _made_with(attribute, failed.known):
            yield {name: [deep_copy(made) for _ in value] if isinstance(value, list | tuple) else made}
        yield from ({name: numbers(_SHAPE[:n], name)} for n in (2, 1, 3) if hasattr(np.ndarray, attribute))


def _made_with(attribute: str, known: Mapping[str, Any]) -> Iterator[Any]:
    """Instances of the classes that a module knows, which have the attribute."""
    for cls in [item for item in known.values() if users_with(item, attribute)]:
        needed = [p for p in taken_by(cls) if is_named(p) and p.default is p.empty]
        try:
            with quiet():
                made = cls(*_SIZES[: len(needed)]) if len(needed) < len(_SIZES) else None
        except Exception:
            continue
        if hasattr(made, attribute):
            yield made


_SEQUENCES = ([4, 5], [4, 5, 3], [0, 2, 1, 2, 0, 1], (3, 3), (4, 6), (2, 4, 6))
BY_MESSAGE: tuple[tuple[str, Callable[..., Iterator[Change]]], ...] = (
    (r"has no len\(\)|not iterable|not subscriptable|cannot unpack", partial(as_other, values=_SEQUENCES)),
    (
        r"as an integer|integer argument|must be an integer|must be int|unsupported operand .*'NoneType'",
        partial(as_other, values=_SIZES),
    ),
    (r"can only concatenate list", partial(as_other, values=_SEQUENCES[:1])),
    (r"object is not callable", as_object),
    (r"'(?:int|float|str|NoneType|list|tuple|numpy\.\w+)' object has no attribute '(\w+)'", as_object),
)
