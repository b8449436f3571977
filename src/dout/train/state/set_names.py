"""Objects in; the names of the attributes that their code sets out: what a checkpoint may bring to a net built anew."""

from __future__ import annotations

import dis
from collections.abc import Iterable, Iterator
from types import CodeType, FunctionType
from typing import Any

from dout.run import filled_cells, names_of
from dout.run.held_objects import users_classes

ANY = "*"  # code that sets attributes by a computed name may set each


def names_set(objects: Iterable[Any]) -> set[str]:
    """The attributes that the methods of these objects set, or the functions that these call."""
    names: set[str] = set()
    methods = [item for cls in {cls for item in objects for cls in users_classes(item)} for item in vars(cls).values()]
    for code in (code for method in _functions(methods) for code in _codes(method.__code__)):
        names |= {ANY} if _sets_computed(code) else set()
    waiting, met = list(_functions(methods)), set[int]()
    for function in waiting:  # grows
        if id(function) not in met and not str(function.__module__).startswith("numpy"):
            met.add(id(function))
            for code in _codes(function.__code__):
                names |= _stored(code)
                waiting += _functions(_named(code, function.__globals__))
            waiting += _functions(cell.cell_contents for _, cell in filled_cells(function))
    return names


def _functions(items: Iterable[Any]) -> Iterator[FunctionType]:
    """The functions among some items, also those of properties and inside decorators."""
    for item in items:
        for part in (item.fget, item.fset) if type(item) is property else (item,):
            function = getattr(part, "__func__", part) if type(part) in (classmethod, staticmethod) else part
            while type(function) is FunctionType:
                yield function
                function = vars(function).get("__wrapped__")


def _named(code: CodeType, names: dict[str, Any]) -> Iterator[Any]:
    """What a code names: of its module, or of a module that it names."""
    own = [names[name] for name in code.co_names if name in names]
    yield from own
    for module in own:
        known = names_of(module)
        yield from (known[name] for name in code.co_names if name in known)


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for part in code.co_consts:
        if type(part) is CodeType:
            yield from _codes(part)


def _sets_computed(code: CodeType) -> bool:
    """Whether a code sets attributes of names that it computes: by setattr, or in the dict of an object."""
    named = {*code.co_names}
    writes = "update" in named or any(one.opname == "STORE_SUBSCR" for one in dis.get_instructions(code))
    return bool(named & {"setattr", "__setattr__"}) or (bool(named & {"vars", "__dict__"}) and writes)


def _stored(code: CodeType) -> set[str]:
    return {str(one.argval) for one in dis.get_instructions(code) if one.opname == "STORE_ATTR"}
