"""A forward that calls a function with loops in; its text with the lines of that function in the place of the call out.

A function may yield in its loops: what a `for` over it does in each turn stands where it yields.

What comes out does the same; where it does not, the derived class gives other bits than forward, and is not shown.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import re
from collections.abc import Mapping
from types import FunctionType
from typing import Any

from dout.explain.derive.forward_source import ForwardSource, always_evaluated, indent_of
from dout.explain.loops.plain_loops import body_lines, replaced, stored
from dout.explain.spelling.syntax_trees import filled_tree, is_text, items_of, names_of, parsed
from dout.files import dedented
from dout.trace.model.user_source import is_user_code

_MOST_LINES = 300  # of a forward with all that it calls written out
_PLAIN = (ast.Name, ast.Attribute, ast.Constant)
_REFUSED = (
    ast.FunctionDef, ast.Lambda, ast.ClassDef, ast.YieldFrom, ast.Global, ast.Nonlocal, ast.Try, ast.With,
    ast.ListComp, ast.GeneratorExp, ast.DictComp, ast.SetComp, ast.NamedExpr, ast.Await, ast.Delete,
)  # fmt: skip


def with_inlined_call(source: ForwardSource, owner: type | None) -> str | None:
    """The text with one call less; None where no function with loops is called. `owner` is the class of a method."""
    for statement in source.statements() if len(source.lines) < _MOST_LINES else ():
        if not isinstance(statement, ast.Assign | ast.AugAssign | ast.Return | ast.For):
            continue
        for call in [statement.iter] if isinstance(statement, ast.For) else always_evaluated(statement):
            helper = _Helper.called(source, owner, call) if isinstance(call, ast.Call) else None
            lines = helper.lines(statement) if helper is not None else None
            if lines is not None:
                return replaced(source, statement, lines)
    return None


class _Helper:
    """A function of the user's that a statement calls, with loops in, and a return at its `end`, or one yield alone."""

    def __init__(
        self, source: ForwardSource, body: list[ast.stmt], end: ast.Return | ast.Yield, call: ast.Call,
        given: Mapping[str, ast.expr],
    ) -> None:  # fmt: skip
        self.source, self.end, self.call, self.given = source, end, call, given
        self.body = body[is_text(body[0]) :]

    @classmethod
    def called(cls, source: ForwardSource, owner: type | None, call: ast.Call) -> _Helper | None:
        """The function that is called; None for other callables, or if its names mean something else in forward."""
        function, is_method = _function(source, owner, call.func)
        if function is None or not is_user_code(function.__code__.co_filename):
            return None
        try:
            (definition,) = ast.parse(dedented(inspect.getsource(function))).body
            given = _given(function, call, is_method=is_method)
        except (OSError, SyntaxError, TypeError, ValueError):
            return None
        nodes = [node for statement in getattr(definition, "body", ()) for node in ast.walk(statement)]
        ends = [node for node in nodes if isinstance(node, ast.Return | ast.Yield)]
        has_loops = any(isinstance(node, ast.For | ast.While) for node in nodes)
        if len(ends) != 1 or not has_loops or any(isinstance(node, _REFUSED) for node in nodes):
            return None
        yields = any(isinstance(node, ast.Expr) and node.value is ends[0] for node in nodes)
        if not isinstance(definition, ast.FunctionDef) or definition.decorator_list:
            return None
        if not yields and ends != definition.body[-1:]:
            return None
        own = {*stored(definition.body), *given, "self"}
        free = {node.id for node in nodes if isinstance(node, ast.Name)} - own
        if not free.isdisjoint({*stored([source.definition]), *source.parameters}):  # in forward they are other values
            return None
        there, here = function.__globals__, source.function.__globals__
        known = all(hasattr(builtins, n) and n not in there if n not in here else here[n] is there.get(n) for n in free)
        return cls(source, definition.body, ends[0], call, given) if known and function.__name__ not in free else None

    def lines(self, statement: ast.stmt) -> list[str] | None:
        """The lines that replace the statement; None if there is no value, or it yields elsewhere."""
        value, over = self.end.value, isinstance(statement, ast.For)
        targets: list[ast.expr] = (
            [statement.target] if isinstance(statement, ast.For) else getattr(statement, "targets", [])
        )
        if value is None or len(targets) > 1 or over != isinstance(self.end, ast.Yield):  # self.out = out = f(x)
            return None
        is_whole = over or (getattr(statement, "value", None) is self.call and not isinstance(statement, ast.AugAssign))
        target = targets[0] if targets and is_whole else None
        names = self._names(value, target)
        renamed = {n: ast.Name(x, ast.Load()) if isinstance(x, str) else x for n, x in names.items()}
        begin = [f"{names[n]} = {ast.unparse(item)}" for n, item in self.given.items() if isinstance(names[n], str)]
        body = [line for one in self.body for line in ast.unparse(filled_tree(one, renamed)).splitlines()]
        value = filled_tree(value, renamed)
        if not is_whole:
            end = self._inside(statement, value)
        elif target is None:
            end = [f"return {ast.unparse(value)}"]
        elif isinstance(statement, ast.For):
            end = [*_each_assigned(target, value), *body_lines(self.source, statement.body, 0)]
        else:
            end = _assigned(target, value)
        if end is None:
            return None
        at = next(i for i, line in enumerate(body) if re.match(r" *(return|yield)\b", line))
        return [*begin, *body[:at], *(indent_of(body[at]) + line for line in end), *body[at + 1 :]]

    def _inside(self, statement: ast.stmt, value: ast.expr) -> list[str] | None:
        """The lines of a statement with what is returned in the place of the call; None where that stands twice."""
        whole = ast.get_source_segment(self.source.text, statement) or ""
        part = ast.get_source_segment(self.source.text, self.call) or ""
        result = ast.unparse(value) if isinstance(value, ast.Name) else f"({ast.unparse(value)})"
        return whole.replace(part, result, 1).splitlines() if part and whole.count(part) == 1 else None

    def _names(self, value: ast.expr, target: ast.expr | None) -> dict[str, str | ast.expr]:
        """The names of the function's variables in forward: its arguments, the names of the result, or free names."""
        used = names_of(self.source.tree) | set(self.source.parameters)
        own = set(stored(self.body))
        plain = {n: item for n, item in self.given.items() if n not in own and _is_plain(item)}
        names: dict[str, str | ast.expr] = {**plain}
        read = set[str]().union(*map(names_of, self.given.values()))
        alike, made = {ast.unparse(one) for one in self.source.statements()}, [*stored([self.source.definition])]
        for statement in self.body:  # what both compute, `h, w = x.shape`, has one name
            if ast.unparse(filled_tree(statement, plain)) in alike:
                names |= {name: name for name in stored([statement]) if made.count(name) == 1}
        for one, wish in zip(items_of(value), items_of(target) if target is not None else (), strict=False):
            if not isinstance(one, ast.Name) or not isinstance(wish, ast.Name) or one.id not in own - set(self.given):
                continue
            if wish.id not in read | (own - {one.id}):
                names[one.id] = wish.id
        taken = used | own | {text for text in names.values() if isinstance(text, str)}
        for name in sorted((own | set(self.given)) - set(names)):
            text = name
            while text in used or (text != name and text in taken):
                text += "_"
            names[name] = text
            taken.add(text)
        return names


def _assigned(target: ast.expr, value: ast.expr) -> list[str]:
    """The lines that assign the returned value to a target, name by name; none for a name that has it already."""
    pairs = list(zip(items_of(target), items_of(value), strict=False))
    if len(items_of(target)) != len(items_of(value)) or not all(isinstance(one, ast.Name) for _, one in pairs):
        pairs = [(target, value)]
    texts = [(ast.unparse(wish).strip("()"), ast.unparse(one)) for wish, one in pairs]
    return [f"{wish} = {one}" for wish, one in texts if wish != one.strip("()")]


def _each_assigned(target: ast.expr, value: ast.expr) -> list[str]:
    """The lines that assign the parts of a value one by one, where none of them reads a name that has changed."""
    if len(items_of(target)) != len(items_of(value)):
        return _assigned(target, value)
    every = zip(items_of(target), items_of(value), strict=True)
    pairs = [(wish, one) for wish, one in every if ast.unparse(wish) != ast.unparse(one)]
    if any(names_of(wish) & names_of(later) for i, (wish, _) in enumerate(pairs) for _, later in pairs[i + 1 :]):
        return _assigned(target, value)
    return [line for pair in pairs for line in _assigned(*pair)]


def _is_plain(item: ast.expr) -> bool:
    """Whether an argument may stand in the place of its name: a name, a number, or one place of an array."""
    if isinstance(item, ast.Subscript):
        return isinstance(item.value, _PLAIN) and all(isinstance(part, _PLAIN) for part in items_of(item.slice))
    return isinstance(item, _PLAIN)


def _function(source: ForwardSource, owner: type | None, called: ast.expr) -> tuple[FunctionType | None, bool]:
    """The function that an expression names, of the module or of the class, and whether it takes self."""
    found: Any = None
    is_method = False
    if isinstance(called, ast.Name):
        found = source.function.__globals__.get(called.id)
    elif isinstance(called, ast.Attribute) and ast.unparse(called.value) == "self" and owner is not None:
        found = inspect.getattr_static(owner, called.attr, None)
        is_method = isinstance(found, FunctionType)
        found = found.__func__ if isinstance(found, staticmethod) else found
    elif isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name):
        module = source.function.__globals__.get(called.value.id)
        found = getattr(module, "__dict__", {}).get(called.attr) if inspect.ismodule(module) else None
    return (found if type(found) is FunctionType else None), is_method


def _given(function: FunctionType, call: ast.Call, *, is_method: bool) -> dict[str, ast.expr]:
    """What each argument of a function is in a call. Raises TypeError and ValueError where that cannot be written."""
    if any(isinstance(one, ast.Starred) for one in call.args) or any(k.arg is None for k in call.keywords):
        raise ValueError("it hands a list on")
    signature = inspect.signature(function)
    if any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in signature.parameters.values()):
        raise ValueError("it takes any number of arguments")
    own = [ast.Name("self", ast.Load())] if is_method else []
    bound = signature.bind(*own, *call.args, **{k.arg or "": k.value for k in call.keywords}).arguments
    if is_method and next(iter(bound)) != "self":
        raise ValueError("it calls itself by another name")
    defaults = {n: p.default for n, p in signature.parameters.items() if p.default is not p.empty and n not in bound}
    if not all(item is None or type(item) in (bool, int, float, str, tuple) for item in defaults.values()):
        raise ValueError("a default is an object")
    made = {name: parsed(repr(item)) for name, item in defaults.items()}
    return {name: item for name, item in {**bound, **made}.items() if not (is_method and name == "self")}
