"""Where an argument is to be found: under its local names, on the instance, and in the functions that get it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from functools import lru_cache
from inspect import getattr_static
from types import ModuleType
from typing import Any

from dout.adapt.source.syntax import (
    Function,
    bound_in,
    calls_in,
    class_of,
    methods_of,
    name_of,
    read,
    text_of,
    total,
    walk,
)

_ANY_LINE = 1 << 30
_DEEPEST = -4  # how far constructors that call their parent's are followed
_CARRY_RECEIVER = frozenset({"lower", "upper", "strip", "casefold", "copy", "astype"})
_CARRY_ARRAY = frozenset({"asarray", "array", "ascontiguousarray", "pad", "copy", "deepcopy"})
_CARRY_FIRST = _CARRY_ARRAY | {"dict", "list", "tuple", "int", "str"}


@dataclass(frozen=True, eq=False)
class Scope:
    """A function and the expressions in it, as text, that are the argument; `until` which line, where that ends."""

    function: Function
    texts: frozenset[str]
    until: Mapping[str, int]

    def holds(self, node: ast.AST | None) -> bool:
        """Whether an expression is the argument, or the argument in another case, dtype or padding."""
        return _holds(self.texts, self.until, node)

    @property
    def fields(self) -> set[str]:
        """What the instance calls the argument: `W` for self.W."""
        mine = f"{self.function.me}."
        return {text.removeprefix(mine) for text in self.texts if self.function.me and text.startswith(mine)}


def _holds(texts: Set[str], until: Mapping[str, int], node: ast.AST | None) -> bool:
    match node:
        case ast.IfExp():
            return _holds(texts, until, node.body) or _holds(texts, until, node.orelse)
        case ast.BoolOp(op=ast.Or()):
            return _holds(texts, until, node.values[0])
        case ast.NamedExpr():
            return _holds(texts, until, node.value)
        case ast.Call() if (inner := _carried(node)) is not None and text_of(node) not in texts:
            return _holds(texts, until, inner)
    text = text_of(node)
    return text in texts and getattr(node, "lineno", 0) <= until.get(_root(text), _ANY_LINE)


def _root(text: str) -> str:
    """The variable that an expression begins with: `p` in p['mode'].x."""
    return re.split(r"[.\[]", text, maxsplit=1)[0]


def _carried(call: ast.Call) -> ast.expr | None:
    """What a call leaves as it is, for our purpose."""
    function = call.func
    receiver = function.value if isinstance(function, ast.Attribute) and function.attr in _CARRY_RECEIVER else None
    if receiver is not None and not call.args[1:] and name_of(receiver) not in ("np", "numpy", "copy"):
        return receiver
    return call.args[0] if call.args and name_of(function) in _CARRY_FIRST else None


def scopes_of(function: Any, name: str, cls: type | None = None, suffix: str = "") -> list[Scope]:
    """Every scope in which an argument is to be found; with a suffix, something of it: `.shape`, `['mode']`."""
    own = read(function)
    if own is None:
        return []
    cls = class_of(function, cls)
    methods = methods_of(own, cls)
    found = _spread([(own, frozenset({name}))], methods, depth=1)
    if suffix:
        starts = [(scope.function, frozenset(text + suffix for text in scope.texts)) for scope in found]
        found = _spread(starts, methods, depth=0)
    return [scope for scope in found if scope.texts]


def nodes_with(function: Any, name: str, cls: type | None, suffix: str = "") -> Iterator[tuple[Any, Scope]]:
    """Every node of the functions in which an argument is to be found, in order, each with its scope."""
    return ((node, scope) for scope in scopes_of(function, name, cls, suffix) for node in walk(scope.function.node))


@total(list)
def parts_given(function: Any, name: str, cls: type | None = None) -> list[tuple[type, str]]:
    """The classes of which a part is made that gets an argument, and what their constructors call it."""
    own = read(function)
    methods = methods_of(own, class_of(function, cls)) if own else []
    passed = (one for scope in scopes_of(function, name, cls) for one in _passed(scope, methods))
    return list(dict.fromkeys((callee.made, parameter) for callee, parameter in passed if callee.made is not None))


def follow(function: Function, texts: Iterable[str]) -> Scope:
    """The scope of a function in which these texts are the argument, with the other names it gets there."""
    return Scope(function, *_followed(function.node, frozenset(texts)))


@lru_cache(maxsize=4096)
def _followed(function: ast.AST, given: frozenset[str]) -> tuple[frozenset[str], Mapping[str, int]]:
    """All names that an argument gets in a function, by the given ones, and until which line it has those."""
    texts, until = set(given), dict[str, int]()
    for node, target, value in bound_in(function) if given else ():
        text = text_of(target)
        if value is not None and not text.startswith("?") and _holds(texts, until, value):
            texts.add(text)
        elif isinstance(target, ast.Name) and text in map(_root, texts):
            until.setdefault(text, node.end_lineno or node.lineno)
    return frozenset(texts), until


def _spread(starts: list[tuple[Function, frozenset[str]]], methods: list[Function], depth: int) -> list[Scope]:
    """The scopes that these starts reach: through the instance to the other methods, and `depth` calls further."""
    scopes = {id(function.node): follow(function, texts) for function, texts in starts}
    fields = {field for scope in scopes.values() for field in scope.fields}
    for method in methods if fields else ():
        known = scopes.get(id(method.node))
        texts = {f"{method.me}.{field}" for field in fields} if method.me else set()
        scopes[id(method.node)] = follow(method, texts | (known.texts if known else set()))
    return list(_reached(scopes, methods, depth).values())


def _reached(scopes: dict[int, Scope], methods: list[Function], depth: int) -> dict[int, Scope]:
    """These scopes, and those of the functions that get the argument there, `depth` calls further."""
    for scope in list(scopes.values()):
        for callee, parameter in _passed(scope, methods) if scope.texts else ():
            key = id(callee.function.node)
            if key in scopes and scopes[key].texts:
                continue
            if callee.on_parent and depth > _DEEPEST:  # the same instance: not a call further
                inner = _spread([(callee.function, frozenset({parameter}))], methods, depth - 1)
                scopes |= {id(s.function.node): s for s in inner if s.texts}
            elif depth > 0:
                scopes[key] = follow(callee.function, {parameter})
    return scopes


@dataclass(frozen=True, eq=False)
class _Callee:
    """A function that is called; whether its first argument is bound, and whether it is a parent's method.

    `made` is the class whose constructor it is.
    """

    function: Function
    bound: bool = False
    on_parent: bool = False
    made: type | None = None


def _passed(scope: Scope, methods: list[Function]) -> Iterator[tuple[_Callee, str]]:
    """The functions that get the argument, and what they call it."""
    for call in calls_in(scope.function.node):
        places = [i for i, argument in enumerate(call.args) if scope.holds(argument)]
        keywords = [k.arg for k in call.keywords if k.arg and scope.holds(k.value)]
        callee = _callee(call, scope.function, methods) if places or keywords else None
        if callee is not None:
            parameters = callee.function.parameters[1 if callee.bound else 0 :]
            yield from ((callee, parameters[place]) for place in places if place < len(parameters))
            yield from ((callee, keyword) for keyword in keywords if keyword in parameters)


def _callee(call: ast.Call, own: Function, methods: list[Function]) -> _Callee | None:
    match call.func:
        case ast.Name(id=name):
            return _read_callee(own.names.get(name))
        case ast.Attribute(value=ast.Call(func=ast.Name(id="super")), attr=name):
            parent = next((m for m in methods if m.name == name and m.node is not own.node), None)
            return _Callee(parent, bound=True, on_parent=True) if parent else None
        case ast.Attribute(value=ast.Attribute(value=ast.Name(id=receiver), attr=part), attr=name):
            made = _made_for(part, methods) if receiver == own.me else None
            return _Callee(method, bound=True) if made and (method := read(getattr_static(made, name, None))) else None
        case ast.Attribute(value=ast.Name(id=receiver), attr=name):
            if receiver and receiver == own.me:
                method = next((m for m in methods if m.name == name), None)
                return _Callee(method, bound=bool(method.me)) if method else None
            holder = own.names.get(receiver)
            if isinstance(holder, ModuleType | type):
                return _read_callee(getattr_static(holder, name, None), on_parent=isinstance(holder, type))
    return None


def _made_for(part: str, methods: list[Function]) -> type | None:
    """The class of which an attribute of the instance is made: `self.lstm = TimeLSTM(…)`."""
    bound = ((m, target, value) for m in methods if m.me for _, target, value in bound_in(m.node))
    for method, target, value in bound:
        if text_of(target) == f"{method.me}.{part}" and isinstance(value, ast.Call):
            made = method.names.get(name_of(value.func))
            return made if isinstance(made, type) else None
    return None


def _read_callee(value: Any, on_parent: bool = False) -> _Callee | None:
    function = read(value)
    made = value if isinstance(value, type) else None
    return _Callee(function, made is not None, on_parent, made) if function else None
