"""The user's functions as syntax: their files, and every expression in them that a repair may replace."""

from __future__ import annotations

import ast
import builtins
import types
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from dout.adapt.interface.function_pairs import OfInstance
from dout.adapt.source.syntax import unread_names
from dout.check.repair.edits.parsed_file import ParsedFile
from dout.graph import Where
from dout.run import attributes_of
from dout.run.reached_functions import codes_in
from dout.trace.model.user_source import is_ours, is_user_code

_REPLACEABLE = (ast.BinOp, ast.UnaryOp, ast.Call, ast.Compare, ast.Attribute, ast.Name, ast.Subscript, ast.Constant)
_LEFT_ALONE = (ast.Lambda, ast.ClassDef, ast.JoinedStr, ast.Assert, ast.Raise)  # no repair goes there
_SIZES = ("shape", "dtype", "ndim", "size")
_MODULES = (types.ModuleType, type)
_ALONG = frozenset({"sum", "mean", "max", "min", "prod", "std", "var", "argmax", "argmin", "cumsum", "any", "all"})


@dataclass(frozen=True, eq=False)
class ScratchFunction:
    """A function of the user's with its syntax; `owner` is the class whose method it is, None for a helper."""

    source: ParsedFile
    node: ast.FunctionDef
    function: types.FunctionType
    owner: type | None

    @property
    def is_closure(self) -> bool:
        """Whether layers hold it, or a copy of it on cells of their own."""
        held = vars(self.owner).values() if self.owner else ()
        of_instance = any(isinstance(item, OfInstance) and item.__func__ is self.function for item in held)
        return of_instance or (self.owner is None and "<locals>" in self.function.__qualname__)

    @cached_property
    def home(self) -> ast.AST:
        """The syntax of its class, or of its file."""
        name = self.owner.__name__ if self.owner else ""
        own = (n for n in ast.walk(self.source.tree) if isinstance(n, ast.ClassDef) and n.name == name)
        return next(own, self.source.tree)

    @property
    def numbers(self) -> set[float]:
        """The numbers that it is written with."""
        above = [node for node in ast.walk(self.node) if isinstance(node, ast.BinOp | ast.Call)]
        parts = (part for node in above for part in ast.iter_child_nodes(node) if isinstance(part, ast.Constant))
        return {abs(number) for part in parts if isinstance(number := part.value, int | float)}

    @property
    def axes(self) -> set[str]:
        """What it calls the axes that are no numbers."""
        calls = (node for node in ast.walk(self.node) if isinstance(node, ast.Call))
        axes = (keyword.value for call in calls for keyword in call.keywords if keyword.arg == "axis")
        return {ast.unparse(axis) for axis in axes if _names_in([axis])}

    @cached_property
    def turned(self) -> str:
        """How its class turns matrices, of which there may be several in an array: `x.swapaxes(-1, -2)`, else `x.T`."""
        methods = [getattr(item, "__code__", None) for item in vars(self.owner).values()] if self.owner else []
        codes = [code for code in (self.function.__code__, *methods) if code is not None]
        return ".swapaxes(-1, -2)" if any("swapaxes" in code.co_names for code in codes) else ".T"

    @cached_property
    def counted(self) -> list[tuple[str, int]]:
        """The names that `for` alone sets, each with the last line of its loop."""
        nodes = [*ast.walk(self.node)]
        loops = [node for node in nodes if isinstance(node, ast.For)]
        targets = [(n, loop.end_lineno or 0) for loop in loops for n in ast.walk(loop.target)]
        inside = {id(n) for n, _ in targets}
        stored = (n for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store))
        others = {n.id for n in stored if id(n) not in inside}
        return [(n.id, last) for n, last in targets if isinstance(n, ast.Name) and n.id not in others]

    @property
    def constants(self) -> dict[str, float]:
        """The numbers that its class and its module hold, as it writes them."""
        bases = self.owner.__mro__[::-1] if self.owner else ()
        held = {
            f"{self.owner.__name__}.{name}": item for base in bases for name, item in vars(base).items() if self.owner
        }
        return {
            name: item for name, item in {**self.function.__globals__, **held}.items() if type(item) in (int, float)
        }

    @property
    def name(self) -> str:
        """Its name."""
        return self.node.name

    @property
    def attribute(self) -> str:
        """What its class calls it, as a pair of functions may call both ways of one that has a switch."""
        held = vars(self.owner).items() if self.owner else ()
        functions = ((key, getattr(item, "__func__", item)) for key, item in held)
        return next((key for key, item in functions if item is self.function), self.name)

    def has_line(self, line: int) -> bool:
        """Whether a line of its file is one of its own."""
        return self.node.lineno <= line <= (self.node.end_lineno or 0)

    @property
    def arguments(self) -> set[str]:
        """Its arguments. `+=` would write into what the caller holds."""
        return {argument.arg for argument in self.node.args.args}

    @property
    def locals(self) -> tuple[str, ...]:
        """The names of its arguments and local variables, and those of the functions in it."""
        return tuple(
            name for code in codes_in(self.function.__code__) for name in (*code.co_varnames, *code.co_cellvars)
        )

    @cached_property
    def unread(self) -> frozenset[str]:
        """The local names to which it assigns, and which it never reads: `dh_next` that is carried to no turn."""
        return unread_names(ast.walk(self.node))

    @cached_property
    def made_of(self) -> dict[str, set[str]]:
        """The local names that it assigns to, each with the names that are read for it."""
        found: dict[str, set[str]] = {}
        for node in ast.walk(self.node):
            if isinstance(node, ast.Assign) and isinstance(target := node.targets[0], ast.Name):
                found.setdefault(target.id, set()).update(_names_in([node.value]) - {target.id})
        return found

    @cached_property
    def unpacked(self) -> set[str]:
        """The local names that are unpacked from what forward has kept: `x, h = self.cache[t]`."""
        kept = (n for n in ast.walk(self.node) if isinstance(n, ast.Assign) and isinstance(n.targets[0], ast.Tuple))
        plain = (n for n in kept if isinstance(n.value, ast.Name | ast.Attribute | ast.Subscript))
        return {part.id for n in plain for part in ast.walk(n.targets[0]) if isinstance(part, ast.Name)}

    @property
    def numpy(self) -> str:
        """What its module calls NumPy; empty if it has no name there."""
        return next((name for name, item in self.function.__globals__.items() if item is np), "")

    def is_module(self, node: ast.AST) -> bool:
        """Whether an expression in it is the name of a module or class."""
        if not isinstance(node, ast.Name) or node.id in self.locals:
            return False
        return isinstance(self.function.__globals__.get(node.id), _MODULES)


def functions_at(places: Iterable[Where], objects: Iterable[Any], method: str) -> list[ScratchFunction]:
    """The functions that stand at these places, those that name them, and those called `method`.

    They are methods of the classes of `objects`, and helpers.
    """
    lines = {(where.file, where.line) for where in places}
    sources: dict[str, ParsedFile | None] = {}
    found, others = list[ScratchFunction](), list[ScratchFunction]()
    for function, owner in _known(objects).items():
        file, first = function.__code__.co_filename, function.__code__.co_firstlineno
        if file not in sources:
            sources[file] = None if is_ours(file) else ParsedFile.of(file)  # of an adapted layer we wrote the methods
        source = sources[file]
        node = source.functions.get(first) if source else None
        known = {*function.__globals__, *dir(builtins)}
        if source is None or node is None or not _names_in(node.decorator_list) <= known:  # a name of the class body
            continue
        runs = any((file, line) in lines for line in range(first, (node.end_lineno or first) + 1))
        runs = runs or (owner is not None and function.__name__ == method)
        (found if runs else others).append(ScratchFunction(source, node, function, owner))
    for one in found:  # grows: what is between computes nothing by itself
        named = [f for f in others if f not in found and f.name in one.function.__code__.co_names]
        naming = (f for f in others if f not in found and one.name in f.function.__code__.co_names)
        found += dict.fromkeys([*named, *(naming if one.owner is None else ())])
    return sorted(found, key=lambda f: (f.source.file, f.node.lineno))


def _names_in(expressions: Iterable[ast.expr]) -> set[str]:
    return {node.id for one in expressions for node in ast.walk(one) if isinstance(node, ast.Name)}


def function_of(code: types.CodeType, objects: Iterable[Any]) -> ScratchFunction | None:
    """The function with this code, of the classes of `objects` or a helper of theirs."""
    found = functions_at([Where(code.co_filename, code.co_firstlineno)], objects, "")
    return next((one for one in found if one.function.__code__ is code), None)


def _known(objects: Iterable[Any]) -> dict[types.FunctionType, type | None]:
    """The methods of the classes of some objects, with their classes, and the functions of their modules."""
    found: dict[types.FunctionType, type | None] = {}
    for cls in {base: None for item in objects for base in type(item).__mro__ if base is not object}:
        own: dict[types.FunctionType, type | None] = {}
        for key, item in list(vars(cls).items()):
            function = item.__func__ if isinstance(item, staticmethod | classmethod) else item
            if isinstance(function, types.FunctionType):
                own[function if isinstance(item, OfInstance) else bare(function, key)] = cls
        found = {**own, **found}
    for held in (item for layer in objects for item in attributes_of(layer).values()):
        is_made = isinstance(held, types.FunctionType) and "<locals>" in held.__qualname__
        if is_made and is_user_code(held.__code__.co_filename):
            found.setdefault(held, None)  # by the constructor
    for names in {id(function.__globals__): function.__globals__ for function in found}.values():
        for key, item in list(names.items()):
            if isinstance(item, types.FunctionType) and bare(item, key).__globals__ is names:
                found.setdefault(bare(item, key), None)
    return found


def bare(function: types.FunctionType, name: str) -> types.FunctionType:
    """The function of this name without its decorators: what their own functions wrap, or close over."""
    if is_ours(function.__code__.co_filename):
        return function
    inner = [getattr(function, "__wrapped__", None)]
    for cell in function.__closure__ or () if function.__name__ != name else ():
        with suppress(ValueError):  # it is empty yet
            inner.append(cell.cell_contents)
    found = next((f for f in inner if isinstance(f, types.FunctionType)), None)
    return function if found is None else bare(found, name)


# --- places that can be replaced --------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class ExpressionPlace:
    """An expression of the user's that can be replaced: number `i`, with the statement it belongs to."""

    i: int
    node: ast.expr
    statement: ast.stmt
    parents: tuple[ast.AST, ...]  # nearest first, the statement last
    function: ScratchFunction

    @cached_property
    def text(self) -> str:
        """Its source."""
        return self.function.source.segment(self.node)

    @property
    def called(self) -> str:
        """The name of the function that it calls; empty if it is no call."""
        function = getattr(self.node, "func", None)
        return getattr(function, "attr", "") or getattr(function, "id", "")

    @property
    def is_of_module(self) -> bool:
        """Whether it calls a function of a module: `np.zeros(3)`."""
        function = getattr(self.node, "func", None)
        return isinstance(function, ast.Attribute) and self.function.is_module(function.value)

    @cached_property
    def stale(self) -> frozenset[str]:
        """The names that only loops set, none of which is around it."""
        first = self.statement.lineno
        ended = [name for name, last in self.function.counted if last < first]
        return frozenset(ended) - {name for name, last in self.function.counted if last >= first}

    @property
    def is_on_one_side(self) -> bool:
        """Whether its statement runs on one side of a condition alone."""
        return any(
            self.statement in [*n.body, *n.orelse] for n in ast.walk(self.function.node) if isinstance(n, ast.If)
        )

    @cached_property
    def is_transposed(self) -> bool:
        """Whether `.T` follows it, or ends it."""
        parent = self.parents[0]
        return self.text.endswith(".T") or (isinstance(parent, ast.Attribute) and parent.attr == "T")

    @cached_property
    def is_axis(self) -> bool:
        """Whether it is the number of an axis: x.sum(-1), np.sum(x, axis=-1)."""
        if not isinstance(self.node.operand if isinstance(self.node, ast.UnaryOp) else self.node, ast.Constant):
            return False
        parent = next((p for p in self.parents if not isinstance(p, ast.UnaryOp)), None)
        if isinstance(parent, ast.keyword):
            return parent.arg == "axis"
        return isinstance(parent, ast.Call) and isinstance(parent.func, ast.Attribute) and parent.func.attr in _ALONG

    @property
    def is_another_name(self) -> bool:
        """Whether a statement gives another name to it, and computes nothing."""
        return isinstance(self.parents[0], ast.Assign) and isinstance(self.node, ast.Name | ast.Attribute)

    @property
    def is_divisor(self) -> bool:
        """Whether something is divided by it."""
        above = self.parents[0]
        return isinstance(above, ast.BinOp) and isinstance(above.op, ast.Div) and above.right is self.node

    @property
    def is_exponent(self) -> bool:
        """Whether something is raised to it."""
        above = self.parents[0]
        return isinstance(above, ast.BinOp) and isinstance(above.op, ast.Pow) and above.right is self.node

    def is_operand_of(self, *operators: type[ast.operator]) -> bool:
        """Whether it is an operand of one of these operators."""
        return isinstance(self.parents[0], ast.BinOp) and isinstance(self.parents[0].op, operators)

    def replaced(self, part: ast.AST, text: str) -> str:
        """Its source with one part replaced."""
        return self.function.source.with_parts(self.node, {part: text})


def places(functions: Iterable[ScratchFunction]) -> list[ExpressionPlace]:
    """Every expression of these functions that can be replaced, in the order of the source."""
    found: list[ExpressionPlace] = []

    def visit(node: ast.AST, statement: ast.stmt, parents: tuple[ast.AST, ...], function: ScratchFunction) -> None:
        if isinstance(node, ast.expr) and _replaceable(node, parents, function):
            found.append(ExpressionPlace(len(found), node, statement, (*parents, statement), function))
        below = () if isinstance(node, ast.stmt) else (node, *parents)
        for child in ast.iter_child_nodes(node):
            in_test = isinstance(node, ast.While) and child is node.test
            if not in_test and not isinstance(child, _LEFT_ALONE):
                visit(child, child if isinstance(child, ast.stmt) else statement, below, function)

    for function in functions:
        if "as_strided" not in function.function.__code__.co_names:  # another number there reads beyond an array
            for statement in function.node.body:
                visit(statement, statement, (), function)
    return found


_JOINS = ("concatenate", "stack", "append")


def _replaceable(node: ast.expr, parents: tuple[ast.AST, ...], function: ScratchFunction) -> bool:
    if isinstance(node, ast.Tuple | ast.List):  # what is returned, assigned to several names, or joined
        joins = isinstance(parents[0], ast.Call) and ast.unparse(parents[0].func).endswith(_JOINS) if parents else True
        return joins and isinstance(node.ctx, ast.Load)
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
        known = node.id in function.locals or node.id in function.function.__globals__
        return known and node.id != "self" and not function.is_module(node)
    if isinstance(node, ast.Attribute):
        of_name = isinstance(node.value, ast.Name) and not parents
        in_product = isinstance(parent, ast.BinOp)
        return (node.attr not in _SIZES or of_name or in_product) and not function.is_module(node.value)
    return not isinstance(parent, ast.keyword) or parent.arg not in ("axis", "keepdims", "dtype", "shape")


# --- what stands elsewhere --------------------------------------------------------------------------------------------


def at_other_indices(parts: Iterable[str], function: ScratchFunction) -> list[str]:
    """Parts with an index that the function takes elsewhere: `slope(zs[-k])` of `slope(zs[-1])`, in a loop over k.

    And the other part of what is cut in two: `dout[:, :k]` beside `dout[:, k:]`.
    """
    own = [node.slice for node in ast.walk(function.node) if isinstance(node, ast.Subscript)]
    indices = [one for one in own if isinstance(one, ast.UnaryOp | ast.BinOp | ast.Name)]
    texts: list[str] = []
    for text in parts:
        tree = ast.parse(text, mode="eval")
        fixed = [n for n in ast.walk(tree) if isinstance(n, ast.Subscript) and _is_whole(n.slice)]
        for index in indices if len(fixed) == 1 else ():
            fixed[0].slice = index
            texts.append(ast.unparse(tree))
        cut = [n for n in ast.walk(tree) if isinstance(n, ast.Slice) and n.step is None]
        if len(halves := [n for n in cut if (n.lower is None) != (n.upper is None)]) == 1:
            halves[0].lower, halves[0].upper = halves[0].upper, halves[0].lower
            texts.append(ast.unparse(tree))
    return list(dict.fromkeys(texts))


def _is_whole(index: ast.expr) -> bool:
    """Whether an index is a number that is written there."""
    number = index.operand if isinstance(index, ast.UnaryOp) else index
    return isinstance(number, ast.Constant) and type(number.value) is int
