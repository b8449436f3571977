"""Expressions and statements of a derived class in; the same in another array library, as syntax trees, out."""

from __future__ import annotations

import ast
import builtins
import sys
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

import numpy as np

from dout.explain.spelling.syntax_trees import is_text, parsed
from dout.explain.spelling.written_text import indented, wrapped
from dout.explain.styles.call_rows import CallRow, CannotBindError
from dout.explain.styles.layer_parts import LayerParts, NoStyleError, said
from dout.explain.styles.seen_kinds import SeenKind, has_run, kind, with_kind
from dout.run import deep_copy

_MATH = {
    "exp", "log", "sqrt", "tanh", "sin", "cos", "tan", "sinh", "cosh", "log1p", "expm1", "log2", "log10", "floor",
    "ceil", "prod", "hypot", "arctan", "arcsin", "arccos", "cbrt",
}  # fmt: skip
_MATH_NAMES = {"arctan": "atan", "arcsin": "asin", "arccos": "acos"}
_CONSTANTS = {"pi": "math.pi", "e": "math.e", "inf": "math.inf", "nan": "math.nan"}
_BUILTINS = {
    "range", "len", "int", "float", "bool", "min", "max", "abs", "sum", "enumerate", "zip", "tuple", "list", "reversed",
    "slice", "round", "NotImplementedError", "ValueError", "TypeError",
}  # fmt: skip

Special = Callable[[Any, ast.Call, list[ast.expr], dict[str, ast.expr]], ast.expr | None]


class Translator(ast.NodeTransformer):
    """Writes the expressions of one method in another library; what it has no word for is refused.

    `names` are what paths are called; `like` is a tensor whose dtype and device new tensors take.
    """

    library = ""
    rows: Mapping[str, CallRow] = {}
    special: Mapping[str, Special] = {}
    methods: Mapping[str, Special] = {}
    dtypes: Mapping[str, str] = {}

    def __init__(self, parts: LayerParts, names: Mapping[str, str], like: str) -> None:
        self.parts, self.names, self.like = parts, names, like
        self.statement: ast.stmt | None = None

    # --- statements ---------------------------------------------------------------------------------------------------

    def translated(self, statement: ast.stmt) -> list[ast.stmt]:
        """A simple statement."""
        self.statement = statement
        made = self.visit(deep_copy(statement))
        return [made] if isinstance(made, ast.stmt) else list(made or [])

    def visit_Assign(self, node: ast.Assign) -> Any:
        """Drop what only gives a value the name that it has."""
        if len(node.targets) != 1:
            raise self.refused("a statement with several targets", node)
        target = node.targets[0]
        path = self.parts.path_of(target)
        if path is not None and any(p.startswith(f"{path}[") for p in self.parts.gradients):
            return None  # the container of gradients: each has a name
        if (
            isinstance(target, ast.Subscript)
            and isinstance(target.slice, ast.Constant)
            and target.slice.value is ...
            and self.parts.path_of(target.value) in self.parts.gradients
        ):
            node.targets = [target.value]
            target.value.ctx = ast.Store()  # type: ignore[attr-defined]
        self.generic_visit(node)
        return None if ast.unparse(node.targets[0]) == ast.unparse(node.value) else node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:
        """Leave the annotation out."""
        if node.value is None:
            return None
        return self.visit(ast.copy_location(ast.Assign([node.target], node.value), node))

    # --- names --------------------------------------------------------------------------------------------------------

    def visit_Name(self, node: ast.Name) -> Any:
        """A local name stays; a constant of the module is written out; anything else is refused."""
        if not isinstance(node.ctx, ast.Load) or node.id in self.locals:
            return node
        space = self.parts.seen.space
        if node.id in space:
            value = space[node.id]
            if isinstance(value, bool | int | float | str) and value is not None:
                return with_kind(ast.copy_location(ast.Constant(value), node), kind(node))
            raise self.refused(f"{node.id}, a {type(value).__name__} of the module,", node)
        if node.id in _BUILTINS and hasattr(builtins, node.id):
            return node
        raise self.refused(node.id, node)

    @property
    def locals(self) -> set[str]:
        """The names that the method binds."""
        found = set()
        for method in (self.parts.forward, self.parts.backward):
            found |= {n.id for n in ast.walk(method) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}
            found |= {a.arg for a in ast.walk(method) if isinstance(a, ast.arg)}
        return found

    def visit_Attribute(self, node: ast.Attribute) -> Any:
        """A value of the layer by its local name; a constant of NumPy; an attribute of an array."""
        if (path := self.parts.path_of(node)) is not None:
            return self._named(node, path)
        if (name := self.function_name(node)) is not None:
            return self._constant(name, node)
        node.value = self.visit(node.value)
        made = self.attribute(node)
        return with_kind(made, kind(node))

    def _named(self, node: ast.expr, path: str) -> ast.expr:
        if path in self.names:
            text = self.names[path]
        else:
            items = [name for p, name in self.names.items() if p.startswith(f"{path}[")]
            if not items:
                raise self.refused(path, node)
            text = f"({', '.join(items)},)"
        made = parsed(text)
        if hasattr(made, "ctx"):
            made.ctx = getattr(node, "ctx", ast.Load())
        return with_kind(ast.copy_location(made, node), kind(node))

    def _constant(self, name: str, node: ast.expr) -> ast.expr:
        if name == "newaxis":
            return with_kind(ast.Constant(None), SeenKind("none"))
        text = _CONSTANTS.get(name) or self.dtypes.get(name)
        if text is None:
            raise self.refused(f"np.{name}", node)
        return with_kind(parsed(text), kind(node))

    def function_name(self, node: ast.expr) -> str | None:
        """The name of a function of NumPy or SciPy: `exp`, `linalg.norm`, `scipy.special.expit`; else None."""
        if isinstance(node, ast.Name):
            if node.id in self.locals:
                return None
            value = self.parts.seen.space.get(node.id)
            return _name_of(value)
        if isinstance(node, ast.Attribute):
            holder = self._module(node.value)
            if holder is not None:
                return f"{holder}.{node.attr}".removeprefix("numpy.")
        return None

    def _module(self, node: ast.expr) -> str | None:
        if isinstance(node, ast.Name) and node.id not in self.locals:
            value = self.parts.seen.space.get(node.id)
            return value.__name__ if isinstance(value, ModuleType) else None
        if isinstance(node, ast.Attribute) and (holder := self._module(node.value)):
            return f"{holder}.{node.attr}"
        return None

    def visit_Subscript(self, node: ast.Subscript) -> Any:
        """A value of the layer in a container, or an index."""
        if (path := self.parts.path_of(node)) is not None:
            return self._named(node, path)
        self.generic_visit(node)
        return with_kind(self.index(node), kind(node)) if kind(node.value).is_tensor else node

    # --- calls --------------------------------------------------------------------------------------------------------

    def visit_Call(self, node: ast.Call) -> Any:
        """A call of NumPy's by the table, of an array's method likewise; of Python's as it is."""
        name = self.function_name(node.func)
        if name is None and isinstance(node.func, ast.Attribute):
            if self.parts.path_of(node.func) is not None:
                raise self.refused(f"a call of {ast.unparse(node.func)}", node)
            node.func.value = self.visit(node.func.value)
            if not kind(node.func.value).is_tensor:
                if kind(node).is_plain or kind(node.func.value).what == "items":
                    self._visit_arguments(node)
                    return node
                raise self.refused(ast.unparse(node.func), node)
            name, owner = node.func.attr, node.func.value
            self._visit_arguments(node)
            return self._called(node, name, [owner, *node.args], is_method=True)
        self._visit_arguments(node)
        if name is None:
            node.func = self.visit(node.func)
            return self.builtin(node) or node
        return self._called(node, name, list(node.args), is_method=False)

    def _visit_arguments(self, node: ast.Call) -> None:
        node.args = [self.visit(argument) for argument in node.args]
        for keyword in node.keywords:
            keyword.value = self.visit(keyword.value)

    def _called(self, node: ast.Call, name: str, arguments: list[ast.expr], *, is_method: bool) -> ast.expr:
        if any(k.arg is None for k in node.keywords):
            raise self.refused(f"** in a call of {name}", node)
        keywords = {k.arg: k.value for k in node.keywords if k.arg is not None}
        of_math = name if name.startswith("math.") else f"math.{_MATH_NAMES.get(name, name)}" if name in _MATH else ""
        if is_number(node) and of_math and not keywords and all(kind(a).is_plain for a in arguments):
            return with_kind(ast.Call(parsed(of_math), arguments, []), kind(node))
        made = None
        if is_method and name in self.methods:
            made = self.methods[name](self, node, arguments, keywords)
        elif name in self.special:
            made = self.special[name](self, node, arguments, keywords)
        if made is None and name in self.rows:
            try:
                made = self.bound(self.rows[name], node, arguments, keywords, is_method)
            except CannotBindError as error:
                raise self.refused(f"np.{name} with {error}", node) from None
        if made is None:
            raise self.refused(name if name.startswith(("scipy.", "math.")) else f"np.{name}", node)
        return with_kind(ast.copy_location(made, node), kind(node))

    # --- what a library decides ---------------------------------------------------------------------------------------

    def bound(
        self, row: CallRow, node: ast.Call, arguments: list[ast.expr], keywords: dict[str, ast.expr], is_method: bool
    ) -> ast.expr:
        """A call by its row."""
        raise NotImplementedError

    def attribute(self, node: ast.Attribute) -> ast.expr:
        """An attribute of something."""
        raise NotImplementedError

    def index(self, node: ast.Subscript) -> ast.expr:
        """An index into a tensor."""
        raise NotImplementedError

    def truth(self, node: ast.expr) -> ast.expr:
        """The test of a branch."""
        made: ast.expr = self.visit(node)
        return made

    def builtin(self, node: ast.Call) -> ast.expr | None:
        """A call of a function of Python."""
        return None

    # --- refusing -----------------------------------------------------------------------------------------------------

    def refused(self, what: str, node: ast.AST) -> NoStyleError:
        """What to raise where something has no form, with its line."""
        return NoStyleError(f"{what} has no form in {self.library}: {said(self.statement or node)}")


class StatementLines:
    """The statements of a method, as lines, with the comments of the source between them."""

    def __init__(self, source: str, translator: Translator, at_return: Callable[[ast.expr], list[str]]) -> None:
        self.lines, self.translator, self.at_return = source.splitlines(), translator, at_return
        self.returns = 0

    def of_method(self, method: ast.FunctionDef) -> list[str]:
        """The lines of a method below its head."""
        return self.of(method.body, method.args.args[-1].end_lineno or method.lineno)

    def of(self, body: Sequence[ast.stmt], first: int) -> list[str]:
        """The lines of statements, after the line `first` of the source; comments and empty lines stay."""
        made: list[str] = []
        for statement in body:
            between = [line.strip() for line in self.lines[first : statement.lineno - 1]]
            first = statement.end_lineno or statement.lineno
            if is_text(statement):
                continue
            lines = self._statement(statement)
            made += [line for line in between if not line or line.startswith("#")] if lines else []
            made += lines
        return made

    def _statement(self, statement: ast.stmt) -> list[str]:
        t = self.translator
        t.statement = statement
        if isinstance(statement, ast.Return):
            self.returns += 1
            if statement.value is None or self.returns > 1:
                raise t.refused("a return in several places", statement)
            assert statement.value is not None
            return self.at_return(t.visit(deep_copy(statement.value)))
        if isinstance(statement, ast.If):
            return self._branches(statement)
        if isinstance(statement, ast.For) and not statement.orelse:
            head = f"for {ast.unparse(statement.target)} in {ast.unparse(t.visit(deep_copy(statement.iter)))}:"
            return [head, *self._inside(statement.body, statement.lineno)]
        if isinstance(statement, ast.With) and all("errstate" in ast.unparse(i.context_expr) for i in statement.items):
            return self.of(statement.body, statement.lineno)
        if isinstance(statement, ast.Pass | ast.Break | ast.Continue):
            return [ast.unparse(statement)]
        if not isinstance(statement, ast.Assign | ast.AugAssign | ast.AnnAssign | ast.Expr | ast.Assert):
            raise t.refused(type(statement).__name__.lower(), statement)
        texts = [ast.unparse(ast.fix_missing_locations(one)) for one in t.translated(statement)]
        return [line for text in texts for line in (wrapped(text, "") if len(text) > 100 else [text])]

    def _branches(self, statement: ast.If) -> list[str]:
        test = ast.unparse(self.translator.truth(deep_copy(statement.test)))
        made = [f"if {test}:", *self._branch(statement.body, statement.lineno)]
        if statement.orelse:
            made += ["else:", *self._branch(statement.orelse, statement.body[-1].end_lineno or statement.lineno)]
        return made

    def _branch(self, body: list[ast.stmt], first: int) -> list[str]:
        """A branch; the backward is not that of a branch which did not run."""
        if not has_run(body[0]):
            return ['    raise NotImplementedError("the backward was derived for the other case")']
        return self._inside(body, first)

    def _inside(self, body: list[ast.stmt], first: int) -> list[str]:
        return indented(self.of(body, first)) or ["    pass"]


def listed(node: ast.expr) -> str:
    """An expression as `return` has it: a tuple without parentheses."""
    if isinstance(node, ast.Tuple) and len(node.elts) > 1:
        return ", ".join(map(ast.unparse, node.elts))
    return ast.unparse(node)


def is_number(node: ast.expr) -> bool:
    """Whether an expression is a number of Python's."""
    return kind(node).what == "number"


def _name_of(value: Any) -> str | None:
    """The name of a function that was imported by itself."""
    name = getattr(value, "__name__", "")
    if not name or isinstance(value, ModuleType):
        return None
    if getattr(np, name, None) is value:
        return str(name)
    if getattr(np.lib.stride_tricks, name, None) is value:
        return f"lib.stride_tricks.{name}"
    special = sys.modules.get("scipy.special")
    return f"scipy.special.{name}" if special is not None and getattr(special, name, None) is value else None
