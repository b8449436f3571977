"""Objects in; what their code sets out: names of attributes, and numbers in classes, modules and closures."""

from __future__ import annotations

import dis
from collections.abc import Callable, Iterable
from functools import partial
from types import CodeType, FunctionType
from typing import Any, NamedTuple

import numpy as np

from dout.run import attributes_of, filled_cells, generators_of, global_states, named_objects
from dout.run.held_objects import users_classes
from dout.run.reached_functions import codes_in, functions_in, reached_functions, stored_names

ANY = "*"  # code that sets attributes by a computed name may set each
_READING = ("LOAD_ATTR", "LOAD_METHOD")
_COMPUTED = {"getattr", "vars", "__dict__", "__getattribute__", "attrgetter"}
NUMBERS = (bool, int, float, np.number, np.bool_, type(None))


class SharedNumber(NamedTuple):
    """A number that stands in a class, a module or a closure, and what puts another one in its place."""

    item: Any
    put: Callable[[Any], None]


def names_set(objects: Iterable[Any]) -> set[str]:
    """The attributes that the methods of these objects set, or the functions that these call."""
    methods = _methods(_classes(objects))
    reached = [code for function in reached_functions(methods) for code in codes_in(function.__code__)]
    names = {name for code in reached for name in stored_names(code, "STORE_ATTR")}
    return names | {ANY for method in methods for code in codes_in(method.__code__) if _sets_computed(code)}


def names_read(objects: Iterable[Any]) -> set[str]:
    """The attributes that the methods of these objects read, or the functions that these call; dout's are left out."""
    every = [
        code for function in reached_functions(filter(_is_users, _methods(_classes(objects)))) if _is_users(function)
        for code in codes_in(function.__code__)
    ]  # fmt: skip
    names = {name for code in every for way in _READING for name in stored_names(code, way)}
    return names | {ANY for code in every if _COMPUTED & {*code.co_names}}


def shared_numbers(objects: Iterable[Any]) -> dict[str, SharedNumber]:
    """The numbers in the classes of these objects, and those that their methods set in modules and closures."""
    objects, found = list(objects), dict[str, SharedNumber]()
    classes, held = _classes(objects), [item for one in objects for item in attributes_of(one).values()]
    for cls in classes:
        for name, item in vars(cls).items():
            if isinstance(item, NUMBERS) and not name.startswith("__"):
                found[f"class {cls.__module__}.{cls.__qualname__}.{name}"] = SharedNumber(
                    item, partial(setattr, cls, name)
                )
    for function in reached_functions([*_methods(classes), *functions_in(held)]):
        names = function.__globals__
        for name in {name for code in codes_in(function.__code__) for name in stored_names(code, "STORE_GLOBAL")}:
            if isinstance(names.get(name, ""), NUMBERS):
                put = partial(names.__setitem__, name)
                found[f"module {function.__module__}.{name}"] = SharedNumber(names[name], put)
        for name, cell in filled_cells(function):
            if isinstance(cell.cell_contents, NUMBERS) and name in stored_names(function.__code__, "STORE_DEREF"):
                put = partial(setattr, cell, "cell_contents")
                found[f"closure {function.__module__}.{function.__qualname__}.{name}"] = SharedNumber(
                    cell.cell_contents, put
                )
    return found


def shared_states(**roots: Any) -> Callable[[], None]:
    """What puts back what copies share with what is within reach: random states and shared numbers, as they are now."""
    put_states_back = global_states(generators_of(**roots))
    known = shared_numbers(item for _, item in named_objects(**roots)).values()

    def put_back() -> None:
        put_states_back()
        for number in known:
            number.put(number.item)

    return put_back


def _classes(objects: Iterable[Any]) -> list[type]:
    return list(dict.fromkeys(cls for item in objects for cls in users_classes(item)))


def _is_users(function: FunctionType) -> bool:
    return not str(function.__module__).startswith("dout.")


def _methods(classes: Iterable[type]) -> list[FunctionType]:
    return list(functions_in(item for cls in classes for item in vars(cls).values()))


def _sets_computed(code: CodeType) -> bool:
    """Whether a code sets attributes of names that it computes: by setattr, or in the dict of an object."""
    named = {*code.co_names}
    writes = "update" in named or any(one.opname == "STORE_SUBSCR" for one in dis.get_instructions(code))
    return bool(named & {"setattr", "__setattr__"}) or (bool(named & {"vars", "__dict__"}) and writes)
