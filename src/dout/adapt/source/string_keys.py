"""The strings an argument is compared with, and the keys that are read from it."""

from __future__ import annotations

import ast
import re
from enum import Enum
from typing import Any, Final

from dout.adapt.source.documents import annotation_of, head_of, told
from dout.adapt.source.scopes import Scope, nodes_with
from dout.adapt.source.syntax import bindings, literal, name_of, read, text_of, total, walk

_MOST_ITEMS = 64  # of a table
_QUOTED = re.compile(r"""(?<!\w)["'`]{1,2}([A-Za-z][\w-]{1,30})["'`]{1,2}(?!\w)""")


class _Default(Enum):
    MISSING = "MISSING"
    COMPUTED = "COMPUTED"

    def __repr__(self) -> str:
        return self.value


MISSING: Final = _Default.MISSING  # there is no default: the key must be there
COMPUTED: Final = _Default.COMPUTED  # there is one, which is no literal


@total(tuple)
def strings_for(function: Any, name: str, cls: type | None = None, *, key: str | None = None) -> tuple[str, ...]:
    """The strings that an argument (or its item `key`) is compared with or looked up by; those of its doc last."""
    found: dict[str, None] = {}
    for node, scope in nodes_with(function, name, cls, f"[{key!r}]" if key is not None else ""):
        found |= dict.fromkeys(strings_at(node, scope))
    if key is None:
        annotation = annotation_of(function, name)
        if isinstance(annotation, ast.Subscript) and head_of(annotation) == "Literal":
            found |= dict.fromkeys(_strings_in(annotation.slice))
        document = told(function, name, cls)
        if not re.search(r"array|vector|matrix|tensor|\bdict", document):
            found |= dict.fromkeys(_QUOTED.findall(document))
    return tuple(found)


@total(tuple)
def words_of_attribute(method: Any, name: str) -> tuple[str, ...]:
    """The strings that a method compares an attribute of its instance with: `if self.kind == "max"`."""
    own = read(method)
    tests = [node for node in walk(own.node) if isinstance(node, ast.Compare)] if own is not None else []
    mine = [test for test in tests if text_of(test.left) == f"self.{name}"]
    return tuple(dict.fromkeys(word for test in mine for side in test.comparators for word in _strings_in(side)))


@total(tuple)
def comparisons_of(function: Any, name: str, cls: type | None = None) -> tuple[str, ...]:
    """The tests for equality that an argument is in, as they are written: what it is compared with is in them, too."""
    found: dict[str, None] = {}
    for node, scope in nodes_with(function, name, cls, ""):
        match node:
            case ast.Compare(left=left, ops=[ast.Eq() | ast.NotEq()], comparators=[right]):
                found |= {ast.unparse(node): None for one in (left, right) if scope.holds(one)}
    return tuple(found)


@total(bool)
def is_counted(function: Any, name: str, cls: type | None = None) -> bool:
    """Whether a length is that of an argument: `len(word_to_idx)` words."""
    calls = ((node, scope) for node, scope in nodes_with(function, name, cls) if isinstance(node, ast.Call))
    return any(name_of(call.func) == "len" and any(map(scope.holds, call.args)) for call, scope in calls)


@total(bool)
def may_be_none(function: Any, name: str) -> bool:
    """Whether a test asks whether an argument is None."""
    for node, scope in nodes_with(function, name, None, ""):
        match node:
            case ast.Compare(left=left, ops=[ast.Is() | ast.IsNot()], comparators=[ast.Constant(value=None)]):
                if scope.holds(left):
                    return True
    return False


@total(bool)
def goes_on_otherwise(function: Any, name: str, cls: type | None, but: str) -> bool:
    """Whether a method `but` one has an `else` for the words that it does not compare an argument with."""
    for node, scope in nodes_with(function, name, cls, ""):
        if isinstance(node, ast.If | ast.IfExp) and getattr(scope.function.node, "name", but) not in ("__init__", but):
            rest = node.orelse if isinstance(node.orelse, list) else [node.orelse]
            computes = rest and not isinstance(rest[0], ast.If | ast.Raise)  # an `elif` is a node of its own
            if computes and any(strings_at(one, scope) for one in ast.walk(node.test)):
                return True
    return False


def strings_at(node: ast.AST, scope: Scope) -> list[str]:
    """The strings that a node compares an argument with or looks up by it."""
    match node:
        case ast.Compare(left=left, ops=[ast.Eq() | ast.NotEq() | ast.Is() | ast.IsNot()], comparators=[right]):
            for one, other in ((left, right), (right, left)):
                if scope.holds(one):
                    return _strings_in(other) if isinstance(other, ast.Constant) else []
        case ast.Compare(left=left, ops=[ast.In() | ast.NotIn()], comparators=[right]) if scope.holds(left):
            return _strings_in(right, scope)
        case ast.Subscript(value=table, slice=index) if scope.holds(index):
            return _strings_in(table, scope)
        case ast.Call(func=ast.Attribute(value=table, attr="get" | "pop"), args=[index, *_]) if scope.holds(index):
            return _strings_in(table, scope)
        case ast.Match(subject=subject, cases=cases) if scope.holds(subject):
            return [text for case in cases for part in walk(case.pattern) for text in _strings_in(part)]
    return []


def _strings_in(node: ast.AST | None, scope: Scope | None = None) -> list[str]:
    """The strings of a literal: itself, its items, its keys; also those of a table that a name stands for."""
    match node:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.Tuple(elts=items) | ast.List(elts=items) | ast.Set(elts=items) | ast.Dict(keys=items):
            return [text for item in items for text in _strings_in(item)]
        case ast.Call(func=ast.Attribute(value=table, attr="keys")):
            return _strings_in(table, scope)
        case ast.Name() | ast.Attribute() if scope is not None:
            return _strings_of_table(text_of(node), scope)
    return []


def _strings_of_table(name: str, scope: Scope) -> list[str]:
    for statement in walk(scope.function.node):
        for target, value in bindings(statement):
            if text_of(target) == name and (strings := _strings_in(value)):
                return strings
    known = scope.function.names.get(name)
    if isinstance(known, dict | list | tuple | set | frozenset):
        return [item for item in list(known)[:_MOST_ITEMS] if isinstance(item, str)]
    return []


@total(dict)
def keys_for(function: Any, name: str, cls: type | None = None) -> dict[str, Any]:
    """The string keys that are read from an argument, each with its literal default, or COMPUTED, or MISSING."""
    found: dict[str, Any] = {}
    written: set[str] = set()
    for node, scope in nodes_with(function, name, cls):
        match node:
            case ast.Subscript(value=value, slice=ast.Constant(value=str(key))) if scope.holds(value):
                if isinstance(node.ctx, ast.Load) and key not in written:
                    found.setdefault(key, MISSING)
                elif isinstance(node.ctx, ast.Store) and key not in found:
                    written.add(key)
            case ast.Call(
                func=ast.Attribute(value=value, attr="get" | "pop" | "setdefault" as verb),
                args=[ast.Constant(value=str(key)), *default],
            ) if scope.holds(value):
                if found.get(key, MISSING) is MISSING:
                    without = MISSING if verb == "pop" else None
                    found[key] = literal(default[0], COMPUTED) if default else without
    return found
