"""Constructor arguments of another kind than what is done with them, by the error that this raised.

What was looked into is made a sequence, what counted a whole number, what was called a function, and what was asked for
an attribute an object that has it, which the user's own module can make.
"""

from __future__ import annotations

import linecache
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from types import TracebackType
from typing import Any

import numpy as np

from dout.adapt.argument_names import is_named, taken_by
from dout.adapt.interface.method_pairs import pairs_of
from dout.adapt.sizes.proposed_arrays import numbers
from dout.adapt.source.attribute_reads import users_with
from dout.run import attributes_of, deep_copy, is_class, quiet

Change = dict[str, Any]
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
    return item is not None and (value is item or (isinstance(value, list | tuple) and any(v is item for v in value)))


def _in_place(value: Any, other: Any) -> Any:
    """A value instead of another: of each item, where the other is a list."""
    return [deep_copy(other) for _ in value] if isinstance(value, list | tuple) else other


# ---------------------------------------------------------------------------------------------------- what may be meant


def as_sequence(names: Sequence[str], init: Mapping[str, Any], *_: Any) -> Iterator[Change]:
    """Lists of sizes, shapes, and whole numbers from 0."""
    for made in ([4, 5], [4, 5, 3], [0, 2, 1, 2, 0, 1], (3, 3), (4, 6), (2, 4, 6)):
        yield from ({name: made} for name in names if not isinstance(init[name], list | tuple))


def as_whole(names: Sequence[str], init: Mapping[str, Any], *_: Any) -> Iterator[Change]:
    """Whole numbers."""
    for size in _SIZES:
        yield from ({name: size} for name in names if type(init[name]) is not int)
        if len(names) > 1:
            yield dict.fromkeys(names, size)


def as_callable(names: Sequence[str], init: Mapping[str, Any], known: Mapping[str, Any]) -> Iterator[Change]:
    """What the user's module makes and can be called."""
    yield from as_object(names, init, "__call__", known)


def as_object(
    names: Sequence[str], init: Mapping[str, Any], attribute: str, known: Mapping[str, Any]
) -> Iterator[Change]:
    """Objects that have the attribute, which the user's module makes."""
    for name in names:
        yield from ({name: made} for made in (list(_SIZES[:2]), dict[str, Any]()) if hasattr(made, attribute))
        yield from ({name: _in_place(init[name], made)} for made in _made_with(attribute, known))
        yield from ({name: numbers(_SHAPE[:n], name)} for n in (2, 1, 3) if hasattr(np.ndarray, attribute))


def as_many(names: Sequence[str], init: Mapping[str, Any], wanted: str, got: str, *_: Any) -> Iterator[Change]:
    """What is unpacked into so many: a tuple of sizes, or an array with so many axes more."""
    for name in names:
        if isinstance(init[name], np.ndarray | np.generic):
            yield {name: numbers(_SHAPE[: np.ndim(init[name]) + int(wanted) - int(got)], name)}
        else:
            yield {name: _SHAPE[: int(wanted)]}


def as_list(names: Sequence[str], init: Mapping[str, Any], *_: Any) -> Iterator[Change]:
    """A list in place of a tuple, or of a number."""
    yield from (
        {n: list(init[n]) if isinstance(init[n], tuple) else [4, 5]} for n in names if type(init[n]) is not list
    )


def as_class(names: Sequence[str], init: Mapping[str, Any], known: Mapping[str, Any]) -> Iterator[Change]:
    """What makes an object when it is called: a class of the user's that has methods like those of a layer."""
    layers = [item for item in known.values() if is_class(item) and item.__module__ != "builtins" and pairs_of(item)]
    yield from ({name: _in_place(init[name], cls)} for name in names for cls in layers)


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


BY_MESSAGE: tuple[tuple[str, Callable[..., Iterator[Change]]], ...] = (
    (r"has no len\(\)|not iterable|not subscriptable|cannot unpack", as_sequence),
    (r"as an integer|integer argument|must be an integer|must be int|unsupported operand .*'NoneType'", as_whole),
    (r"unpack \(expected ([2-4]), got (\d)", as_many),
    (r"object is not callable", as_callable),
    (r"_tanh\(\) missing", as_class),
    (r"can only concatenate list", as_list),
    (r"'(?:int|float|str|NoneType|list|tuple|numpy\.\w+)' object has no attribute '(\w+)'", as_object),
)
