"""The syntax of a function, found by its code object, and the plainest questions about syntax."""

from __future__ import annotations

import ast
import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import CodeType, FunctionType, MethodType
from typing import Any, ParamSpec, TypeVar

from dout.trace.model.user_source import is_user_code, parsed, text_and_lines

_Def = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_P = ParamSpec("_P")
_T = TypeVar("_T")


def total(empty: Callable[[], Any]) -> Callable[[Callable[_P, _T]], Callable[_P, _T]]:
    """A function that gives `empty()` where it would raise: a hint is a convenience."""

    def decorate(function: Callable[_P, _T]) -> Callable[_P, _T]:
        @functools.wraps(function)
        def wrapped(*args: _P.args, **kwargs: _P.kwargs) -> _T:
            try:
                return function(*args, **kwargs)
            except Exception:  # RecursionError too: sources are anyone's
                return empty()  # type: ignore[no-any-return]

        return wrapped

    return decorate


# ------------------------------------------------------------------------------------------------------- functions


@dataclass(frozen=True, eq=False)
class Function:
    """A function's syntax, the class it stands in, the lines of its file, and the globals it sees."""

    node: _Def
    owner: ast.ClassDef | None
    lines: tuple[str, ...]
    names: Mapping[str, Any]

    @property
    def name(self) -> str:
        """What it is called; nothing for a lambda."""
        return "" if isinstance(self.node, ast.Lambda) else self.node.name

    @property
    def doc(self) -> str | None:
        """Its docstring."""
        return None if isinstance(self.node, ast.Lambda) else ast.get_docstring(self.node)

    def held_as(self, name: str) -> str:
        """What an instance calls an attribute of this name: one of the class alone, `self.__w`, has its name before."""
        is_private = name.startswith("__") and not name.endswith("__")
        return f"_{self.owner.name.lstrip('_')}{name}" if is_private and self.owner is not None else name

    @property
    def every_parameter(self) -> list[ast.arg]:
        """The syntax of its parameters but `*args` and `**kwargs`, `self` too."""
        a = self.node.args
        return [*a.posonlyargs, *a.args, *a.kwonlyargs]

    @property
    def parameters(self) -> list[str]:
        """The names of its parameters, `self` too."""
        return [p.arg for p in self.every_parameter]

    @property
    def arguments(self) -> list[str]:
        """The names of its parameters, without `self`."""
        return [name for name in self.parameters if name != self.me]

    @property
    def me(self) -> str:
        """What it calls its instance; nothing outside a class."""
        if self.owner is None or not self.parameters or isinstance(self.node, ast.Lambda):
            return ""
        static = any(isinstance(d, ast.Name) and d.id == "staticmethod" for d in self.node.decorator_list)
        return "" if static else self.parameters[0]


def read(function: Any) -> Function | None:
    """The syntax of a user's function; None for others, and where there is no source."""
    plain = _plain(function)
    if plain is None or not is_user_code(plain.__code__.co_filename):
        return None
    text, lines = text_and_lines(plain.__code__.co_filename, plain.__globals__)
    found = _function_of(text, plain.__code__)
    return Function(*found, lines, plain.__globals__) if found else None


def written(code: CodeType, text: str) -> _Def | None:
    """The syntax of a code object in the text of its file."""
    found = _function_of(text, code)
    return found[0] if found else None


def _plain(function: Any) -> FunctionType | None:
    """The Python function that a method, a partial, a decorated function or a class stands for; None for others."""
    for _ in range(16):
        if isinstance(function, FunctionType):
            if "__wrapped__" not in vars(function):
                return function
            function = vars(function)["__wrapped__"]
        elif isinstance(function, type):
            function = inspect.getattr_static(function, "__init__", None)
        elif isinstance(function, functools.partial):
            function = function.func
        elif isinstance(function, property):
            function = function.fget
        elif isinstance(function, MethodType | classmethod | staticmethod):
            function = function.__func__
        else:
            return None
    return None


def _function_of(text: str, code: CodeType) -> tuple[_Def, ast.ClassDef | None] | None:
    """The syntax of a code object in the text of its file, and the class around it."""
    return _functions(text).get((code.co_name, code.co_firstlineno))


@functools.lru_cache(maxsize=256)
def _functions(text: str) -> dict[tuple[str, int], tuple[_Def, ast.ClassDef | None]]:
    """The functions in a text, by name and first line; of several in one line the last."""
    found: dict[tuple[str, int], tuple[_Def, ast.ClassDef | None]] = {}
    stack: list[tuple[ast.AST, ast.ClassDef | None]] = [(parsed(text), None)]
    while stack:
        node, owner = stack.pop()
        if isinstance(node, _Def):
            for line in _first_lines(node):
                found.setdefault((getattr(node, "name", "<lambda>"), line), (node, owner))
        inside = node if isinstance(node, ast.ClassDef) else None if isinstance(node, _Def) else owner
        stack += [(child, inside) for child in ast.iter_child_nodes(node)]
    return found


def _first_lines(node: _Def) -> set[int]:
    return {node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))}


def class_of(function: Any, cls: type | None) -> type | None:
    """The class whose methods may read an argument: the given one, or that of a bound method."""
    if cls is not None or isinstance(function, type):
        return cls or function
    owner = getattr(function, "__self__", None) if isinstance(function, MethodType) else None
    return None if owner is None else owner if isinstance(owner, type) else type(owner)


def methods_of(own: Function, cls: type | None) -> list[Function]:
    """The methods of a class and of its bases, or of the class that a function stands in."""
    if cls is not None:
        bases = [base for base in cls.__mro__ if base is not object]
        found = [read(value) for base in bases for value in list(vars(base).values())]
        return [method for method in found if method is not None]
    body = own.owner.body if own.owner else []
    return [Function(node, own.owner, own.lines, own.names) for node in body if isinstance(node, _Def)]


# ---------------------------------------------------------------------------------------------------------- syntax


@functools.lru_cache(maxsize=1024)
def walk(node: ast.AST) -> tuple[Any, ...]:
    """A node and every node below, in the order of the text."""
    found, stack = [], [node]
    while stack:
        node = stack.pop()
        found.append(node)
        stack += reversed(list(ast.iter_child_nodes(node)))
    return tuple(found)


def text_of(node: ast.AST | None) -> str:
    """An expression as text: `x`, `self.x`, `p['mode']`, also for p.get('mode', …)."""
    match node:
        case ast.Name():
            return node.id
        case ast.Attribute():
            return f"{text_of(node.value)}.{node.attr}"
        case ast.Subscript(slice=ast.Constant(value=key)):
            return f"{text_of(node.value)}[{key!r}]"
        case ast.Call(func=ast.Attribute(value=value, attr="get" | "pop" | "setdefault"), args=[ast.Constant(k), *_]):
            return f"{text_of(value)}[{k!r}]"
    return "?"


def item_text(name: str, key: str) -> str:
    """How `text_of` writes the item of a dict: `p['mode']`."""
    return f"{name}[{key!r}]"


def name_of(node: ast.AST | None) -> str:
    """The last name of a name or an attribute: `pad` in `np.pad`."""
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def items_of(node: ast.expr) -> list[ast.expr]:
    """The items of a tuple or a list that is written out; any other expression is its only item."""
    return node.elts if isinstance(node, ast.Tuple | ast.List) else [node]


def literal(node: ast.AST | None, otherwise: Any = None) -> Any:
    """The value of a literal."""
    try:
        return ast.literal_eval(node)  # type: ignore[arg-type]
    except Exception:
        return otherwise


def unread_names(nodes: Iterable[ast.AST]) -> frozenset[str]:
    """The names that some nodes bind, and none of them reads."""
    names = [node for node in nodes if isinstance(node, ast.Name)]
    return frozenset(n.id for n in names) - {n.id for n in names if not isinstance(n.ctx, ast.Store)}


def bindings(node: ast.AST) -> list[tuple[ast.expr, ast.expr | None]]:
    """What a statement binds, and to which expression, where that is one."""
    match node:
        case ast.Assign(targets=targets, value=value):
            return [pair for target in targets for pair in _paired(target, value)]
        case ast.AnnAssign(target=target, value=ast.expr() as value) | ast.NamedExpr(target=target, value=value):
            return [(target, value)]
        case ast.For(target=target):
            return _paired(target, None)
    return []


@functools.lru_cache(maxsize=1024)
def bound_in(node: ast.AST) -> tuple[tuple[Any, ast.expr, ast.expr | None], ...]:
    """The statements in a node that bind something, in order, each with what it binds, and to which expression."""
    return tuple((statement, *pair) for statement in walk(node) for pair in bindings(statement))


@functools.lru_cache(maxsize=1024)
def calls_in(node: ast.AST) -> tuple[ast.Call, ...]:
    """The calls in a node, in order."""
    return tuple(found for found in walk(node) if isinstance(found, ast.Call))


def _paired(target: ast.expr, value: ast.expr | None) -> list[tuple[ast.expr, ast.expr | None]]:
    if not isinstance(target, ast.Tuple | ast.List):
        return [(target, value)]
    if isinstance(value, ast.Tuple | ast.List) and len(value.elts) == len(target.elts):
        return [pair for t, v in zip(target.elts, value.elts, strict=True) for pair in _paired(t, v)]
    return [pair for t in target.elts for pair in _paired(t, None)]
