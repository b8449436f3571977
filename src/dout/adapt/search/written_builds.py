"""How the code of a repository builds a class: the calls of it that are written there, and what fills it after that."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice, takewhile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from dout.adapt.argument_names import is_named
from dout.adapt.interface.method_pairs import pairs_of
from dout.adapt.repository.calling_code import UNTOLD, CodeScope, called, calling_files
from dout.files import near
from dout.graph import Where
from dout.run import arrays, quiet

MOST_BUILDS = 3  # different ones of a class
MOST_NUMBERS = 50_000  # of one: more take long


@dataclass(frozen=True, eq=False)
class WrittenBuild:
    """One way in which a class is built: the constructor arguments that can be told, by name, and where that stands.

    `layer` is the instance, where the code fills it before it is used, `net.add(Dense(3, 4))`, or where the arguments
    have no names.
    """

    at: Where
    init: Mapping[str, Any]
    layer: Any = None

    @property
    def said(self) -> str:
        """Where it is built so, in words."""
        return f"built as in {near(self.at.file)}:{self.at.line}, on inputs that were chosen"


def written_builds(cls: type, file: str | None) -> list[WrittenBuild]:
    """The ways in which the repository of a class builds it: at smaller sizes first, and in its own file."""
    found: dict[str, WrittenBuild] = {}
    for smaller in (True, False) if file is not None else ():
        for code in calling_files(str(file), f"{cls.__name__}(", smaller=smaller):
            with quiet():
                for build in (build for scope in code.scopes for build in _builds(cls, scope)):
                    found.setdefault(f"{build.init!r} {build.layer is None or build.at}", build)
            if len(found) >= MOST_BUILDS:
                break
    small_enough = (one for one in found.values() if _numbers(one) <= MOST_NUMBERS)
    return list(islice(small_enough, 2 * MOST_BUILDS))


def _numbers(build: WrittenBuild) -> int:
    """How many numbers the arrays hold that a build is given, or has made."""
    holder = build.layer if build.layer is not None else SimpleNamespace(**build.init)
    return sum(array.size for array in arrays(holder).values())


def _builds(cls: type, scope: CodeScope) -> Iterator[WrittenBuild]:
    """What the calls of a class in a scope build, as far as their arguments can be told."""
    for call in (node for node in scope.nodes if isinstance(node, ast.Call) and called(node) == cls.__name__):
        by_place, by_name = scope.given(call)
        try:
            taken = inspect.signature(cls)
            places = taken.bind_partial(*by_place, **by_name).arguments
        except (TypeError, ValueError):
            continue
        if not _is_meant(cls, scope, call):
            continue
        named = {name: item for name, item in places.items() if is_named(taken.parameters[name])}
        init = {name: item for name, item in named.items() if item is not UNTOLD}
        layer = None
        if all(item is not UNTOLD for item in (*by_place, *by_name.values())):
            with suppress(Exception):  # whatever the user's code raises
                made = cls(*by_place, **by_name)
                layer = made if _is_filled(scope, made, call) or len(named) < len(places) else None
        if init or layer is not None:
            yield WrittenBuild(Where(str(scope.file.path), call.lineno), init, layer)


def _is_meant(cls: type, scope: CodeScope, call: ast.Call) -> bool:
    """Whether a call is one of this class, and not of another of its name."""
    found = scope.told(call.func, scope.numbers[call])
    if found is not UNTOLD:
        return found is cls
    module = scope.file.imported.get(ast.unparse(call.func).partition(".")[0], ("", ""))[0]
    home = getattr(sys.modules.get(cls.__module__), "__file__", None) or ""
    return not module or module.rpartition(".")[2] in Path(home).with_suffix("").parts


def _is_filled(scope: CodeScope, made: Any, call: ast.Call) -> bool:
    """Whether the statements after a call fill what it built: those that can be told are done, up to its first use."""
    blocks = [scope.body, *(part for node in scope.nodes for _, part in ast.iter_fields(node))]
    block = next((b for b in blocks if isinstance(b, list | tuple) and any(_binds(s, call) for s in b)), ())
    place = next((i for i, statement in enumerate(block) if _binds(statement, call)), 0)
    name = block[place].targets[0].id if block else ""
    runs = {name for pair in pairs_of(type(made)) for name in pair}
    uses = (s for s in block[place + 1 :] if any(isinstance(n, ast.Name) and n.id == name for n in ast.walk(s)))
    return sum(1 for _ in takewhile(lambda statement: _is_done(scope, statement, name, made, runs), uses)) > 0


def _binds(statement: Any, call: ast.Call) -> bool:
    """Whether a statement gives a name to what a call builds."""
    return isinstance(statement, ast.Assign) and statement.value is call and isinstance(statement.targets[0], ast.Name)


def _is_done(scope: CodeScope, statement: ast.stmt, name: str, made: Any, runs: set[str]) -> bool:
    """Do a statement that fills an object; False where it does not, where it runs it, or takes what cannot be told."""
    match statement:
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=owner, attr=method)) as call):
            found = _reached(owner, name, made)
            code = getattr(getattr(found, method, None), "__code__", None)
            by_place, by_name = scope.given(call)
            given = [*by_place, *by_name.values()]
            is_run = code is not None and _runs(type(found), method, runs)
            if found is None or is_run or any(item is UNTOLD or np.ndim(item) > 1 for item in given):
                return False
            getattr(found, method)(*by_place, **by_name)
            return True
        case ast.Assign(targets=[ast.Attribute(value=owner, attr=attribute)], value=value):
            found, item = _reached(owner, name, made), scope.told(value, scope.numbers[statement])
            if found is not None and item is not UNTOLD:
                setattr(found, attribute, item)
                return True
    return False


def _reached(node: ast.expr, name: str, made: Any) -> Any:
    """What `net` or `net.layers` is, for the object of that name; None for anything else."""
    match node:
        case ast.Name(id=own) if own == name:
            return made
        case ast.Attribute(value=ast.Name(id=own), attr=attribute) if own == name:
            return getattr(made, attribute, None)
    return None


def _runs(cls: type, method: str, runs: set[str]) -> bool:
    """Whether a method leads to a forward or a backward, through others of its class too."""
    known, waiting = {method}, [method]
    while waiting:
        code = getattr(getattr(cls, waiting.pop(), None), "__code__", None)
        new = set(code.co_names) - known if code is not None else set()
        known |= new
        waiting += [name for name in new if hasattr(cls, name)]
    return not runs.isdisjoint(known)
