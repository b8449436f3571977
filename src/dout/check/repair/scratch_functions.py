"""The user's functions in a scratch namespace: with every expression replaceable, or with another text.

Nothing of the user's is touched: a copy of the layer gets a class of its own, whose methods are compiled from the
source with other globals. In them every expression E stands as `E if on != i else go()`, so that one compilation serves
all the repairs that are tried: `go` evaluates the text that takes E's place, in E's own frame.

Source: mutant schemata, Untch, Offutt and Harrold, "Mutation Analysis Using Mutant Schemata" (ISSTA, 1993).
"""

from __future__ import annotations

import ast
import linecache
import sys
import types
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from dout.graph import Where

ON, GO, TAP, TURN = "__dout_on__", "__dout_go__", "__dout_tap__", "__dout_turn__"
MOST_TURNS = 20_000  # of all `while` loops in one try: an edit may make one endless
_REPLACEABLE = (ast.BinOp, ast.UnaryOp, ast.Call, ast.Compare, ast.Attribute, ast.Name, ast.Subscript, ast.Constant)
_SIZES = ("shape", "dtype", "ndim", "size")
_MODULES = (types.ModuleType, type)


@dataclass(frozen=True, eq=False)
class ParsedFile:
    """The text of a file, parsed."""

    file: str
    text: str

    @classmethod
    def of(cls, file: str) -> ParsedFile | None:
        """The source of a file, a notebook cell or an `exec`'d text that linecache knows; None where there is none."""
        text = "".join(linecache.getlines(file))
        try:
            found = cls(file, text)
            return found if text and found.tree else None
        except (SyntaxError, ValueError):
            return None

    @cached_property
    def tree(self) -> ast.Module:
        """Its syntax tree."""
        return ast.parse(self.text)

    @cached_property
    def starts(self) -> list[int]:
        """Where each line begins, in bytes: the columns of the tree count bytes."""
        starts = [0]
        for line in self.text.splitlines(keepends=True):
            starts.append(starts[-1] + len(line.encode()))
        return starts

    @cached_property
    def data(self) -> bytes:
        """The text as bytes."""
        return self.text.encode()

    def span(self, node: ast.AST) -> tuple[int, int]:
        """Where an expression or statement stands, in bytes."""
        return (
            self.starts[node.lineno - 1] + node.col_offset,  # type: ignore[attr-defined]
            self.starts[node.end_lineno - 1] + node.end_col_offset,  # type: ignore[attr-defined]
        )

    def segment(self, node: ast.AST) -> str:
        """The text of an expression or statement."""
        start, end = self.span(node)
        return self.data[start:end].decode()


@dataclass(frozen=True, eq=False)
class ScratchFunction:
    """A function of the user's with its syntax: `owners` are the classes whose method it is, none for a helper."""

    source: ParsedFile
    node: ast.FunctionDef
    function: types.FunctionType
    owner: type | None

    @property
    def name(self) -> str:
        """Its name."""
        return self.node.name


def functions_at(places: Iterable[Where], objects: Iterable[Any], method: str) -> list[ScratchFunction]:
    """The functions that stand at these places, and those called `method`: of the classes of `objects`, and helpers."""
    lines: dict[str, set[int]] = {}
    known = _known(objects)
    methods = [place for place, (function, owner) in known.items() if owner and function.__name__ == method]
    for file, line in (*((where.file, where.line) for where in places), *methods):
        lines.setdefault(file, set()).add(line)
    found: list[ScratchFunction] = []
    for file, wanted in lines.items():
        source = ParsedFile.of(file)
        for node in _outermost(source.tree.body, wanted) if source else ():
            last = node.end_lineno or node.lineno
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            match = known.get((file, first))
            plain = all(isinstance(d, ast.Name) and d.id == "staticmethod" for d in node.decorator_list)
            if source and match and plain and any(first <= line <= last for line in wanted):
                found.append(ScratchFunction(source, node, *match))
    return found


def _known(objects: Iterable[Any]) -> dict[tuple[str, int], tuple[types.FunctionType, type | None]]:
    found: dict[tuple[str, int], tuple[types.FunctionType, type | None]] = {}
    for cls in {base: None for item in objects for base in type(item).__mro__ if base is not object}:
        for item in list(vars(cls).values()):
            function = item.__func__ if isinstance(item, staticmethod) else item
            if isinstance(function, types.FunctionType):
                found.setdefault((function.__code__.co_filename, function.__code__.co_firstlineno), (function, cls))
    for function, _ in list(found.values()):
        for item in list(function.__globals__.values()):
            if isinstance(item, types.FunctionType) and item.__globals__ is function.__globals__:
                found.setdefault((item.__code__.co_filename, item.__code__.co_firstlineno), (item, None))
    return found


def _outermost(body: Iterable[ast.stmt], lines: Collection[int] | None = None) -> Iterator[ast.FunctionDef]:
    """Functions and methods, around these lines; of nested ones the outermost, of a class in a function its methods."""
    for item in body:
        first = min([item.lineno, *(d.lineno for d in getattr(item, "decorator_list", ()))])
        if lines is not None and not any(first <= line <= (item.end_lineno or first) for line in lines):
            continue
        if isinstance(item, ast.FunctionDef):
            classes = [inner for inner in ast.walk(item) if isinstance(inner, ast.ClassDef)]
            yield item
            for cls in classes:
                yield from _outermost(cls.body, lines)
        elif isinstance(item, ast.ClassDef | ast.If | ast.Try | ast.With):
            yield from _outermost(item.body, lines)


# --- places that can be replaced --------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class ExpressionPlace:
    """An expression of the user's that can be replaced: number `i`, with the statement it belongs to."""

    i: int
    node: ast.expr
    statement: ast.stmt
    parents: tuple[ast.AST, ...]  # nearest first, the statement last
    function: ScratchFunction

    @property
    def line(self) -> int:
        """Its first line."""
        return self.node.lineno


def places(functions: Iterable[ScratchFunction]) -> list[ExpressionPlace]:
    """Every expression of these functions that can be replaced, in the order of the source."""
    found: list[ExpressionPlace] = []
    for function in functions:
        stack: list[tuple[ast.AST, ast.stmt | None, tuple[ast.AST, ...]]] = [
            (child, None, ()) for child in reversed(function.node.body)
        ]
        while stack:
            node, statement, parents = stack.pop()
            if isinstance(node, ast.stmt):
                statement, parents = node, ()
            if statement is not None and isinstance(node, ast.expr) and _replaceable(node, parents, function):
                found.append(ExpressionPlace(len(found), node, statement, (*parents, statement), function))
            below = parents if isinstance(node, ast.stmt) else (node, *parents)
            children = [child for child in ast.iter_child_nodes(node) if not _left_alone(child, node)]
            stack += [(child, statement, below) for child in reversed(children)]
    return found


def _left_alone(child: ast.AST, parent: ast.AST) -> bool:
    """Whether a part of the syntax is none that a repair goes into: names of functions and modules, `self`, loops."""
    if isinstance(parent, ast.While) and child is parent.test:
        return True
    return isinstance(child, ast.Lambda | ast.FunctionDef | ast.ClassDef | ast.JoinedStr | ast.Assert | ast.Raise)


def _replaceable(node: ast.expr, parents: tuple[ast.AST, ...], function: ScratchFunction) -> bool:
    if isinstance(node, ast.Tuple):
        return not parents and isinstance(node.ctx, ast.Load)  # what is returned, or assigned to several names
    if not isinstance(node, _REPLACEABLE) or not isinstance(getattr(node, "ctx", ast.Load()), ast.Load):
        return False
    parent = parents[0] if parents else None
    if isinstance(parent, ast.Call) and node is parent.func:
        return False
    if isinstance(parent, ast.Subscript) and isinstance(parent.ctx, ast.Store) and node is parent.value:
        return False  # what is written into
    if isinstance(node, ast.Constant):
        plain = type(node.value) in (int, float) and not isinstance(parent, ast.keyword | ast.UnaryOp)
        return plain and not any(isinstance(p, ast.Subscript | ast.Tuple | ast.Slice) for p in parents[:2])
    if isinstance(node, ast.Name):
        known = function.function.__globals__.get(node.id)
        local = node.id in function.function.__code__.co_varnames
        return node.id != "self" and (local or not (known is None or isinstance(known, _MODULES)))
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and not isinstance(parent, ast.keyword):
        held = function.function.__globals__.get(node.value.id)
        return (node.attr not in _SIZES or not parents) and not isinstance(held, _MODULES)
    if isinstance(node, ast.Attribute):
        return node.attr not in _SIZES
    return not isinstance(parent, ast.keyword) or parent.arg not in ("axis", "keepdims", "dtype", "shape")


class _Wrap(ast.NodeTransformer):
    def __init__(self, numbers: Mapping[Any, int], wrapper: Callable[[ast.expr, int], ast.expr]) -> None:
        self.numbers = numbers
        self.wrapper = wrapper

    def visit(self, node: ast.AST) -> Any:
        number = self.numbers.get(node)
        changed = _rebuilt(self, node)
        return changed if number is None else ast.copy_location(self.wrapper(changed, number), node)


class _Counted(_Wrap):
    """Counts the turns of `while` loops."""

    def visit(self, node: ast.AST) -> Any:
        changed = super().visit(node)
        if isinstance(changed, ast.While):
            turn = ast.Call(ast.Name(TURN, ast.Load()), [], [])
            changed.test = ast.BoolOp(ast.And(), [turn, changed.test])
        return changed


def _rebuilt(transformer: _Wrap, node: ast.AST) -> Any:
    """A copy of the node with its children transformed: the parsed tree itself stays as it is."""
    fields: dict[str, Any] = {}
    for name, value in ast.iter_fields(node):
        if isinstance(value, list):
            fields[name] = [transformer.visit(v) if isinstance(v, ast.AST) else v for v in value]
        else:
            fields[name] = transformer.visit(value) if isinstance(value, ast.AST) else value
    return ast.copy_location(type(node)(**fields), node)


def _switch(expression: ast.expr, i: int) -> ast.expr:
    test = ast.Compare(ast.Name(ON, ast.Load()), [ast.NotEq()], [ast.Constant(i)])
    return ast.IfExp(test, expression, ast.Call(ast.Name(GO, ast.Load()), [], []))


def _tap(expression: ast.expr, i: int) -> ast.expr:
    return ast.Call(ast.Name(TAP, ast.Load()), [ast.Constant(i), expression], [])


# --- compiled anew ----------------------------------------------------------------------------------------------------


def code_of(function: ScratchFunction, node: ast.FunctionDef) -> types.CodeType:
    """Compile a function's syntax where the original stands: in its class, with the same free variables."""
    bare = _rebuilt(_Counted({}, _switch), node)
    bare.decorator_list = []
    inner: ast.stmt = bare
    if function.owner is not None:
        inner = ast.ClassDef(function.owner.__name__, [], [], [inner], [])
    free = [name for name in function.function.__code__.co_freevars if name != "__class__"]
    given = ast.arguments([], [ast.arg(name) for name in free], None, [], [], None, [])
    module = ast.Module([ast.FunctionDef("scratch", given, [inner], [])], [])
    code = compile(ast.fix_missing_locations(module), function.source.file, "exec")
    found = _inside(code, ["scratch", *([function.owner.__name__] if function.owner else []), node.name])
    return found


def _inside(code: types.CodeType, path: list[str]) -> types.CodeType:
    for name in path:
        code = next(c for c in code.co_consts if isinstance(c, types.CodeType) and c.co_name == name)
    return code


def switched(function: ScratchFunction, numbered: Iterable[ExpressionPlace], *, tapped: bool = False) -> types.CodeType:
    """The function with every one of these places replaceable, or, `tapped`, with every value of theirs told."""
    numbers = {place.node: place.i for place in numbered if place.function is function}
    return code_of(function, _Wrap(numbers, _tap if tapped else _switch).visit(function.node))


def patched(function: ScratchFunction, text: str) -> types.CodeType | None:
    """The function as it stands in another text of its file; None where it is not found there."""
    tree = ast.parse(text)
    before = [f for f in _outermost(function.source.tree.body) if f.name == function.name]
    after = [f for f in _outermost(tree.body) if f.name == function.name]
    if len(before) != len(after):
        return None
    return code_of(function, after[before.index(function.node)])


def _subclass(cls: type, names: dict[str, Any]) -> type:
    return types.new_class(cls.__name__, (cls,), {}, lambda space: space.update(names))


class Scratch:
    """Functions under test in namespaces of their own, and how to put them into a copy of a layer."""

    def __init__(self, codes: Mapping[ScratchFunction, types.CodeType]) -> None:
        self.spaces: dict[int, dict[str, Any]] = {}
        self.turns = 0
        self.replacement: types.CodeType | None = None
        self.told: Callable[[int, Any, types.FrameType], Any] | None = None
        methods: dict[type, dict[str, Any]] = {}
        for function, code in codes.items():
            made = self._made(function, code)
            if function.owner is None:
                self._space(function)[function.function.__name__] = made
            else:
                static = isinstance(vars(function.owner).get(function.name), staticmethod)
                methods.setdefault(function.owner, {})[function.name] = staticmethod(made) if static else made
        self.methods = methods
        self.classes: dict[type, type] = {}

    def _space(self, function: ScratchFunction) -> dict[str, Any]:
        names = function.function.__globals__
        if id(names) not in self.spaces:
            self.spaces[id(names)] = {**names, ON: -1, GO: self._go, TAP: self._tap, TURN: self._turn}
        return self.spaces[id(names)]

    def _made(self, function: ScratchFunction, code: types.CodeType) -> types.FunctionType:
        original = function.function
        cells = dict(zip(original.__code__.co_freevars, original.__closure__ or (), strict=True))
        closure = tuple(cells[name] for name in code.co_freevars)
        made = types.FunctionType(code, self._space(function), original.__name__, original.__defaults__, closure)
        made.__kwdefaults__ = original.__kwdefaults__
        made.__qualname__, made.__module__ = original.__qualname__, original.__module__
        return made

    def install(self, objects: Iterable[Any]) -> None:
        """Give these objects classes with the functions under test. They must be copies."""
        for item in objects:
            cls = type(item)
            if cls not in self.classes:
                own = {
                    name: method
                    for base in cls.__mro__
                    for name, method in self.methods.get(base, {}).items()
                    if next((b for b in cls.__mro__ if name in vars(b)), None) is base
                }
                names = {"__slots__": (), "__module__": cls.__module__, "__qualname__": cls.__qualname__}
                self.classes[cls] = _subclass(cls, {**own, **names}) if own else cls
            if self.classes[cls] is not cls:
                item.__class__ = self.classes[cls]

    def use(self, i: int, replacement: types.CodeType | None) -> None:
        """From now on the place `i` gives what `replacement` does; -1 for none."""
        self.replacement, self.turns = replacement, 0
        for space in self.spaces.values():
            space[ON] = i

    def _go(self) -> Any:
        assert self.replacement is not None
        frame = sys._getframe(1)
        return eval(self.replacement, {**frame.f_globals, **frame.f_locals, ON: -1})  # the user's own names

    def _turn(self) -> bool:
        self.turns += 1
        if self.turns > MOST_TURNS:
            raise RuntimeError("the loop does not end")
        return True

    def _tap(self, i: int, value: Any) -> Any:
        return value if self.told is None else self.told(i, value, sys._getframe(1))
