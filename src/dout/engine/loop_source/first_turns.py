"""The first turns of a loop as the user wrote them: what a kernel for a long loop is compared with."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from types import CodeType, FunctionType
from typing import Any

from dout.engine.loop_source.liveness import Loop
from dout.engine.loop_source.surroundings import place_of

_MOST, _GIVEN = "_dout_most", "_dout_given_"
FirstTurns = Callable[[int, Sequence[Any]], Mapping[str, Any]]


def first_turns(loop: Loop, places: Mapping[str, ast.expr], file: str) -> FirstTurns:
    """A function that runs a loop, and each loop inside it, for at most so many turns.

    It takes this number and the values of the `places` in their order. It returns its local variables.
    """
    numbered = {place: place if place.isidentifier() else f"{_GIVEN}{i}" for i, place in enumerate(places)}
    cut = _cut(loop, numbered)
    given = ast.arguments([], [ast.arg(name) for name in (_MOST, *numbered.values())], None, [], [], None, [])
    result = ast.Return(ast.Call(ast.Name("_dout_locals", ast.Load()), [], []))
    function = ast.copy_location(ast.FunctionDef("first_turns", given, [cut, result], []), loop)
    module = compile(ast.fix_missing_locations(ast.Module([function], [])), file, "exec", dont_inherit=True)
    code = next(one for one in module.co_consts if isinstance(one, CodeType))
    run = FunctionType(code, {"_dout_first": islice, "_dout_locals": locals, "_dout_turns": range})
    return lambda most, items: run(most, *items)


def _cut(node: Any, names: Mapping[str, str]) -> Any:
    """The same syntax once more: what it takes from around it has names, and each loop ends early."""
    if isinstance(node, list):
        return [_cut(one, names) for one in node]
    if not isinstance(node, ast.AST):
        return node
    name = names.get(place_of(node)) if isinstance(node, ast.expr) else None
    if name is not None:  # as a whole: what stands inside a place has no name
        return ast.copy_location(ast.Name(name, getattr(node, "ctx", ast.Load())), node)
    made = type(node)(**{field: _cut(value, names) for field, value in ast.iter_fields(node)})
    if isinstance(made, ast.For):
        made.iter = ast.Call(ast.Name("_dout_first", ast.Load()), [made.iter, ast.Name(_MOST, ast.Load())], [])
        ast.copy_location(made.iter, node)
    if isinstance(made, ast.While):
        turns = ast.Call(ast.Name("_dout_turns", ast.Load()), [ast.Name(_MOST, ast.Load())], [])
        end = ast.If(ast.UnaryOp(ast.Not(), made.test), [ast.Break()], [])
        made = ast.For(ast.Name("_dout_turn", ast.Store()), turns, [end, *made.body], [])
        for one in (*ast.walk(made.iter), *ast.walk(end)):
            if not hasattr(one, "lineno"):
                ast.copy_location(one, node)
    return ast.copy_location(made, node)
