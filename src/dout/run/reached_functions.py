"""Functions in; those that they name or close over, what their code stores, and the generators they draw from, out."""

from __future__ import annotations

import dis
from collections.abc import Iterable, Iterator
from functools import lru_cache, partial
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from dout.run.attributes import filled_cells, names_of
from dout.run.held_objects import generators_of
from dout.run.random_states import has_random_state


def functions_in(items: Iterable[Any]) -> Iterator[FunctionType]:
    """The functions among some items, also those of properties and inside decorators."""
    for item in items:
        for part in (item.fget, item.fset) if type(item) is property else (item,):
            function = (
                getattr(part, "__func__", part) if type(part) in (classmethod, staticmethod, MethodType) else part
            )
            while type(function) is FunctionType:
                yield function
                function = vars(function).get("__wrapped__")


def reached_functions(functions: Iterable[FunctionType]) -> list[FunctionType]:
    """These functions, and those that they name or hold in closures, each once; NumPy's are not looked at."""
    waiting, met = list(functions), dict[int, FunctionType]()
    for function in waiting:  # grows
        if id(function) not in met and not str(function.__module__).startswith("numpy"):
            met[id(function)] = function
            for code in codes_in(function.__code__):
                waiting += functions_in(_named(code, function.__globals__))
            waiting += functions_in(cell.cell_contents for _, cell in filled_cells(function))
    return list(met.values())


def codes_in(code: CodeType) -> Iterator[CodeType]:
    """A code and those inside it."""
    yield code
    for part in code.co_consts:
        if type(part) is CodeType:
            yield from codes_in(part)


@lru_cache(10_000)
def stored_names(code: CodeType, instruction: str) -> frozenset[str]:
    """The names that a code stores, or reads, by an instruction: `STORE_ATTR`."""
    if dis.opmap.get(instruction) not in {*code.co_code[::2]}:  # most codes, at a hundredth of the time
        return frozenset()
    return frozenset(str(one.argval) for one in dis.get_instructions(code) if one.opname == instruction)


def drawn_from(source: Any) -> list[Any]:
    """The random generators that an object holds; those that a function names, or holds in closures and defaults."""
    given = [source, getattr(source, "__self__", None)]
    if isinstance(source, partial):
        given += [source.func, *source.args, *source.keywords.values()]
    held = list(given)
    for function in reached_functions(functions_in(given)):
        held += [cell.cell_contents for _, cell in filled_cells(function)]
        held += [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
        held += [function.__globals__[name] for code in codes_in(function.__code__) for name in code.co_names
                 if name in function.__globals__]  # fmt: skip
    closed = (ModuleType, FunctionType, type)
    found = [one for item in held if not isinstance(item, closed)
             for one in ([item] if has_random_state(item) else generators_of(data=item))]  # fmt: skip
    return list({id(one): one for one in found}.values())


def _named(code: CodeType, names: dict[str, Any]) -> Iterator[Any]:
    """What a code names: of its module, or of a module that it names."""
    own = [names[name] for name in code.co_names if name in names]
    yield from own
    for module in own:
        known = names_of(module)
        yield from (known[name] for name in code.co_names if name in known)
