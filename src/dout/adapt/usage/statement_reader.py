"""Reading statements in order, and what names stand for where that is plain, to see how one name is called."""

from __future__ import annotations

import ast
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from dout.adapt.usage.known_arithmetic import PLAIN, combined, item_of, negated, tried
from dout.adapt.usage.known_arrays import attribute_of, made_array, method_of
from dout.adapt.usage.observed_call import UNKNOWN, Array, Call, Method, Named, Shape, unknowns
from dout.adapt.usage.project_files import examples_in, statements_in

_Def = ast.FunctionDef | ast.AsyncFunctionDef
_FOREIGN = frozenset(
    {"torch", "tensorflow", "keras", "jax", "flax", "sklearn", "chainer", "mxnet", "paddle", "caffe", "theano", "cupy"}
)
_FILLS = frozenset({"append", "extend", "insert", "update", "pop", "remove"})
_BLOCKS = ("body", "handlers", "orelse", "finalbody")
_MOST_METHODS = 8  # of an instance
_MOST_ITEMS = 1_000  # of a sequence that is written out


def calls_in(statements: Iterable[ast.stmt], name: str, file: str) -> list[Call]:
    """Every call of `name` in these statements and in the functions and docstrings' examples among them."""
    reader = _Reader(name)
    reader.run(statements)
    reader.run_functions()
    return [Call(made.args, made.kwargs, tuple(made.methods), file, made.line) for made in reader.made]


@dataclass(eq=False)
class _Made:
    """The result of a call of the name: what it was made of, and the methods called on it so far."""

    line: int
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    methods: list[Method] = field(default_factory=list)


class _Reader:
    """Goes through statements in order and keeps what names stand for where that is plain; nothing is run."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.known: dict[str, Any] = {}
        self.foreign: set[str] = set()  # names that are imported from a framework
        self.later: list[tuple[_Def, str]] = []  # functions, each with the class that it is a method of
        self.made: list[_Made] = []
        self.results: dict[ast.Call, _Made] = {}

    # --- statements ---------------------------------------------------------------------------------------------------

    def run(self, statements: Iterable[ast.stmt]) -> None:
        """Read statements; functions are left for later."""
        for statement in statements:
            match statement:
                case ast.FunctionDef() | ast.AsyncFunctionDef():
                    self._define(statement)
                case ast.ClassDef(name=name, body=body):
                    self.known[name] = Named(name)
                    self._run_examples(statement)
                    for method in body:
                        if isinstance(method, _Def):
                            self._define(method, owner=name)
                case ast.Import(names=names):
                    for alias in names:
                        self._import(alias.asname or alias.name.split(".")[0], alias.name)
                case ast.ImportFrom(names=names, module=module):
                    for alias in names:
                        self._import(alias.asname or alias.name, module or "")
                        self.known.setdefault(alias.asname or alias.name, Named(alias.name))
                case _:
                    self._run_one(statement)

    def run_functions(self) -> None:
        """Read the bodies of functions, each with what the module knows and its arguments' defaults.

        What a method sets on `self` is known in the methods of its class that follow.
        """
        outer = dict(self.known)
        kept: dict[str, dict[str, Any]] = {}
        for function, owner in self.later:  # grows as it is walked: functions in functions
            own = kept.setdefault(owner, {}) if owner else {}
            self.known = outer | own | self._defaults(function.args)
            self.run(function.body)
            own |= {key: value for key, value in self.known.items() if key.startswith("self.")}

    def _define(self, function: _Def, owner: str = "") -> None:
        self.later.append((function, owner))
        self.known[function.name] = Named(function.name)
        self._run_examples(function)

    def _run_examples(self, node: ast.ClassDef | _Def) -> None:
        doc = ast.get_docstring(node)
        if doc and ">>>" in doc and f"{self.name}(" in doc:
            before = dict(self.known)
            self.run(statements_in(examples_in(doc)))
            self.known = before

    def _defaults(self, a: ast.arguments) -> dict[str, Any]:
        placed = [*a.posonlyargs, *a.args]
        found: dict[str, Any] = {p.arg: UNKNOWN for p in (*placed, *a.kwonlyargs)}
        found |= {p.arg: self.value(d) for p, d in zip(reversed(placed), reversed(a.defaults), strict=False)}
        return found | {p.arg: self.value(d) for p, d in zip(a.kwonlyargs, a.kw_defaults, strict=True) if d}

    def _import(self, name: str, module: str) -> None:
        if module.split(".")[0] in _FOREIGN:
            self.foreign.add(name)

    def _run_one(self, statement: ast.stmt) -> None:
        match statement:
            case ast.Assign(targets=targets, value=value):
                self._see(value)
                found = self.value(value)
                for target in targets:
                    self._bind(target, found)
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                self._see(value)
                self._bind(target, self.value(value))
            case ast.AugAssign(target=target, value=value):
                self._see(value)
                self._bind(target, UNKNOWN)
            case ast.For(target=target, iter=iterated, body=body, orelse=orelse):
                self._see(iterated)
                self._bind(target, UNKNOWN)
                self.run([*body, *orelse])
            case _:
                for part in ast.iter_child_nodes(statement):
                    self._see(part)
                for part in (part for block in _BLOCKS for part in getattr(statement, block, ())):
                    self.run(part.body if isinstance(part, ast.ExceptHandler) else [part])

    def _bind(self, target: ast.expr, value: Any) -> None:
        if isinstance(target, ast.Tuple | ast.List):
            fits = isinstance(value, tuple | list) and len(value) == len(target.elts)
            for i, inner in enumerate(target.elts):
                self._bind(inner, value[i] if fits else UNKNOWN)
        elif isinstance(target, ast.Subscript):
            self._set_item(_dotted(target.value), self.value(target.slice), value)
        elif key := _dotted(target):
            # what starts empty is filled by something later
            self.known[key] = UNKNOWN if isinstance(value, list | dict) and not value else value

    def _set_item(self, key: str, index: Any, value: Any) -> None:
        held = self.known.get(key)
        if isinstance(held, dict) and isinstance(index, str | int):
            self.known[key] = held | {index: value}
        elif isinstance(held, dict | list):
            self.known[key] = UNKNOWN

    # --- calls --------------------------------------------------------------------------------------------------------

    def _see(self, node: ast.AST) -> None:
        """Note the calls in an expression, inner ones first."""
        if isinstance(node, ast.stmt | ast.ExceptHandler):
            return
        for child in ast.iter_child_nodes(node):
            self._see(child)
        if isinstance(node, ast.Call):
            if self._is_wanted(node.func):
                self.results[node] = _Made(node.lineno, *self._arguments(node))
                self.made.append(self.results[node])
            elif isinstance(node.func, ast.Name | ast.Attribute):
                self._note_method(node)

    def _is_wanted(self, function: ast.expr) -> bool:
        path = _dotted(function).split(".")
        called = function.attr if isinstance(function, ast.Attribute) else path[-1]
        return called == self.name and path[0] not in self.foreign

    def _note_method(self, call: ast.Call) -> None:
        """Note a method that is called on an instance, or the instance itself called; what fills a list, forgets it."""
        method = call.func if isinstance(call.func, ast.Attribute) else None
        if method and method.attr in _FILLS and _dotted(method.value) in self.known:
            self.known[_dotted(method.value)] = UNKNOWN
        holder, name = self.value(call.func), "__call__"
        if method and not isinstance(holder, _Made):
            holder, name = self.value(method.value), method.attr
        if isinstance(holder, _Made) and len(holder.methods) < _MOST_METHODS:
            holder.methods.append(Method(name, *self._arguments(call)))

    def _arguments(self, call: ast.Call) -> tuple[tuple[Any, ...], dict[str, Any]]:
        args = tuple(map(self._shown, self._items(call.args)))
        kwargs: dict[str, Any] = {k.arg: self._shown(self.value(k.value)) for k in call.keywords if k.arg}
        for keyword in call.keywords:
            many = self.value(keyword.value) if keyword.arg is None else None
            if isinstance(many, dict):
                kwargs |= {key: self._shown(value) for key, value in many.items() if isinstance(key, str)}
        return args, kwargs

    def _shown(self, value: Any) -> Any:
        """A value as it is given out: an instance is the call that made it."""
        match value:
            case _Made():
                return Named(self.name, value.args, value.kwargs, called=True)
            case tuple() | list():
                return type(value)(map(self._shown, value))
            case dict():
                return {key: self._shown(item) for key, item in value.items()}
        return value

    # --- expressions --------------------------------------------------------------------------------------------------

    def value(self, node: ast.expr | None) -> Any:
        """What an expression is, where that can be told without running anything."""
        match node:
            case ast.Constant(value=value):
                return value if not isinstance(value, bytes) and value is not Ellipsis else UNKNOWN
            case ast.Name(id=name):
                return self.known.get(name, Named(name) if name in ("int", "float", "bool") else UNKNOWN)
            case ast.Attribute():
                return self._attribute(node)
            case ast.Tuple(elts=items):
                return tuple(self._items(items))
            case ast.List(elts=items):
                return self._items(items)
            case ast.Dict(keys=keys, values=values):
                return self._dict(keys, values)
            case ast.UnaryOp(op=ast.USub(), operand=inner):
                return negated(self.value(inner))
            case ast.BinOp(left=left, op=op, right=right):
                return combined(op, self.value(left), self.value(right))
            case ast.Subscript(value=inner, slice=index):
                return item_of(self.value(inner), index, self.value(index))
            case ast.Call():
                return self.results.get(node) or self._result(node)
        return UNKNOWN

    def _items(self, items: list[ast.expr]) -> list[Any]:
        found: list[Any] = []
        for item in items[:_MOST_ITEMS]:
            if isinstance(item, ast.Starred):
                many = self.value(item.value)
                found += many if isinstance(many, tuple | list) else [UNKNOWN]
            else:
                found.append(self.value(item))
        return found

    def _dict(self, keys: list[ast.expr | None], values: list[ast.expr]) -> Any:
        names = [self.value(key) for key in keys]
        if not all(isinstance(name, str | int) for name in names):
            return UNKNOWN
        return {name: self.value(value) for name, value in zip(names, values, strict=True)}

    def _attribute(self, node: ast.Attribute) -> Any:
        key = _dotted(node)
        if key in self.known:
            return self.known[key]
        inner = self.value(node.value)
        if isinstance(inner, Shape | Array):
            return attribute_of(inner, node.attr)
        root = key.split(".")[0]
        if root in ("np", "numpy", "math") and node.attr in ("pi", "e", "inf"):
            return getattr(math, node.attr)
        is_name = node.attr[:1].isupper() or root in ("np", "numpy")
        return Named(node.attr) if key and is_name else UNKNOWN

    def _result(self, node: ast.Call) -> Any:
        """What a call of another name gives."""
        args, kwargs = self._arguments(node)
        verb = node.func.attr if isinstance(node.func, ast.Attribute) else _dotted(node.func)
        receiver = self.value(node.func.value) if isinstance(node.func, ast.Attribute) else UNKNOWN
        if isinstance(receiver, Shape | Array):
            return method_of(receiver, verb, args)
        if (array := made_array(verb, args, kwargs)) is not UNKNOWN:
            return array
        if verb in PLAIN and args and not unknowns(args):
            return tried(PLAIN[verb], *args)
        if verb == "dict" and not args:
            return kwargs
        known = self.known.get(verb) if isinstance(node.func, ast.Name) else None
        name = known.name if isinstance(known, Named) else verb
        if verb[:1].isupper() or name[:1].isupper():
            return Named(name, args, kwargs, called=True)
        return UNKNOWN


def _dotted(node: ast.AST) -> str:
    """A name or a chain of attributes as text; nothing for other expressions."""
    if isinstance(node, ast.Attribute):
        inner = _dotted(node.value)
        return f"{inner}.{node.attr}" if inner else ""
    return node.id if isinstance(node, ast.Name) else ""
