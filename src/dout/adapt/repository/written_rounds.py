"""How the code of a repository calls a network's forward and then its backward: what it hands from one to the other."""

from __future__ import annotations

import ast
import functools
from collections.abc import Mapping, Sequence

from dout.adapt.repository.calling_code import CallingFile, CodeScope, called, sources_with
from dout.adapt.repository.project_files import SourceFile
from dout.adapt.source.syntax import items_of

Handed = Mapping[str, int | str]


def written_round(
    file: str | None, cls: type, forward: str, backward: str, taken: Sequence[str], asked: Sequence[str], settings: int
) -> Handed | None:
    """What a file hands on to backward that calls both methods on one object; None where none does.

    Not what a method of another class does with itself.

    By the argument of backward: the place of what forward returned, or the name of what that was given. One argument
    alone, of those `asked` that are no `settings`, is neither: the target.
    """
    for source in sources_with(file, f"{forward}(", f"{backward}(") if file is not None else ():
        for scope in _scopes(source, forward, backward):
            is_own = scope.of_class in [base.__name__ for base in cls.__mro__]
            found = _round(scope, forward, backward, taken, asked, is_own)
            if found is not None and len(found) == len(asked) - settings - 1:
                return found
    return None


@functools.lru_cache(maxsize=1024)  # every network of a repository asks all its files
def _scopes(source: SourceFile, *names: str) -> tuple[CodeScope, ...]:
    """The scopes of a file that call functions or methods of all these names."""
    scopes = CallingFile.of(source).scopes
    return tuple(s for s in scopes if {*names} <= {called(node) for node in s.nodes if isinstance(node, ast.Call)})


def _round(
    scope: CodeScope, forward: str, backward: str, taken: Sequence[str], asked: Sequence[str], is_own: bool
) -> Handed | None:
    calls = [node for node in scope.nodes if isinstance(node, ast.Call)]
    for back in (call for call in calls if called(call) == backward and (is_own or _owner(call) != "self")):
        before = [c for c in calls if called(c) == forward and scope.numbers[c] <= scope.numbers[back]]
        fitting = [c for c in before if _owner(c) == _owner(back) and len(c.args) + len(c.keywords) == len(taken)]
        given = dict(zip(asked, back.args, strict=False)) | {one.arg: one.value for one in back.keywords if one.arg}
        if fitting and {*asked} == {*given}:
            known = _known(scope, fitting[-1], taken)
            return {name: known[text] for name in asked if (text := ast.unparse(given[name])) in known}
    return None


def _known(scope: CodeScope, ahead: ast.Call, taken: Sequence[str]) -> dict[str, int | str]:
    """The texts of what a call of forward was given, and of what it returned."""
    known: dict[str, int | str] = {ast.unparse(item): name for name, item in zip(taken, ahead.args, strict=False)}
    known |= {ast.unparse(one.value): one.arg for one in ahead.keywords if one.arg is not None and one.arg in taken}
    known[ast.unparse(ahead)] = 0
    for node in scope.nodes:
        if isinstance(node, ast.Assign) and node.value is ahead:
            known |= {ast.unparse(item): place for place, item in enumerate(items_of(node.targets[0]))}
    return known


def _owner(call: ast.Call) -> str:
    """What the method of a call belongs to, as it is written; "" for a function."""
    return ast.unparse(call.func.value) if isinstance(call.func, ast.Attribute) else ""
