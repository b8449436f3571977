"""The statements of a user's backward, each with the nodes that it computes: found by their places in the source."""

from __future__ import annotations

import ast
import linecache
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import islice

from dout.explain.spelling.syntax_trees import items_of
from dout.graph import CONSTANT, INPUT, Node, Where
from dout.trace.model.recorded import LayerCall, RecordedRun

Function = ast.FunctionDef | ast.AsyncFunctionDef
Turns = tuple[Node, ...]  # what an expression gave, each time that it ran
_SIMPLE = (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Expr, ast.Return)
_Simple = ast.Assign | ast.AugAssign | ast.AnnAssign | ast.Expr | ast.Return
_WRITES = (ast.Name, ast.Attribute)


@dataclass(frozen=True, eq=False)
class Statement:
    """A statement that ran: the nodes it made, the results of each turn, and the names it assigned.

    An `alias` computes nothing: it gives a value that was there another name, or returns it. `layer` is the layer
    inside whose backward it calls.
    """

    where: Where
    source: str
    made: tuple[Node, ...]
    results: tuple[Turns, ...]
    targets: tuple[str, ...]
    alias: bool = False
    layer: LayerCall | None = None

    @property
    def last(self) -> tuple[Node, ...]:
        """The final value of each result."""
        return tuple(turns[-1] for turns in self.results)


def statements_of(trace: RecordedRun, call: LayerCall) -> tuple[Statement, ...]:
    """The statements of a layer's backward, and of the functions that it alone calls, in the order in which they ran.

    Statements that did not run, or whose source is not there, are left out.
    """
    return _Reader(trace, call).statements()


@dataclass(frozen=True)
class _Span:
    """A place in a file, from (line, column) to (line, column)."""

    start: tuple[int, int]
    end: tuple[int, int]

    @classmethod
    def of(cls, syntax: ast.stmt | ast.expr) -> _Span:
        end = syntax.end_lineno or syntax.lineno, syntax.end_col_offset or 0
        return cls((syntax.lineno, syntax.col_offset), end)

    def holds(self, other: _Span) -> bool:
        return self.start <= other.start and other.end <= self.end


@cache
def _lines(file: str) -> tuple[str, ...]:
    return tuple(linecache.getlines(file))


@cache
def _tree(file: str) -> ast.Module:
    try:
        return ast.parse("".join(_lines(file)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ast.Module([], [])


@cache
def _functions(file: str) -> tuple[tuple[_Span, Function], ...]:
    """The functions of a file, inner ones first."""
    found = [(_Span.of(node), node) for node in ast.walk(_tree(file)) if isinstance(node, Function)]
    return tuple(reversed(found))


def _simple(function: Function) -> Iterator[_Simple]:
    """The simple statements of a function, in the order of the text; without those of functions inside."""
    stack: list[ast.AST] = list(reversed(function.body))
    while stack:
        node = stack.pop()
        if isinstance(node, _SIMPLE):
            yield node
        elif not isinstance(node, Function | ast.ClassDef | ast.expr):
            stack += reversed(list(ast.iter_child_nodes(node)))


def _around(where: Where) -> Function | None:
    """The innermost function around a line."""
    inside = (f for span, f in _functions(where.file) if span.start[0] <= where.line <= span.end[0])
    return next(inside, None)


def _holding(function: Function, span: _Span) -> _Simple | None:
    """The simple statement of a function around a place; where only the line is known, the first on it."""
    line_only = span.start[1] == span.end[1] == 0
    for statement in _simple(function):
        whole = _Span.of(statement)
        on_line = line_only and whole.start[0] <= span.start[0] <= whole.end[0]
        if on_line or whole.holds(span):
            return statement
    return None


class _Reader:
    def __init__(self, trace: RecordedRun, call: LayerCall) -> None:
        self.trace, self.call = trace, call
        self.order = {node: i for i, node in enumerate(trace.graph.nodes)}
        self.inner = [c for c in trace.calls if c.parent is call]

    # ------------------------------------------------------------------------------------------------------ places

    def _is_own(self, node: Node) -> bool:
        plain = node.primitive not in (CONSTANT, INPUT) and node.where is not None
        return plain and node in self.trace.backward and self.trace.call_of.get(node) is self.call

    def _span(self, node: Node) -> _Span:
        """The place of a node; the whole line where the recording was read from a document."""
        site, where = self.trace.sites.get(node), node.where
        assert where is not None
        if site is not None:
            at = next(islice(site.f_code.co_positions(), site.f_lasti // 2, None), (None,) * 4)
            if None not in at:
                line, end, column, end_column = (item or 0 for item in at)
                return _Span((line, column), (end, end_column))
        return _Span((where.line, 0), (where.line, 0))

    @cached_property
    def _made(self) -> dict[ast.AST, list[Node]]:
        """The nodes of each simple statement of the functions of backward."""
        made: dict[ast.AST, list[Node]] = {}
        for node in filter(self._is_own, self.trace.graph.nodes):
            if (statement := self._statement(node)) is not None:
                made.setdefault(statement, []).append(node)
        return made

    def _statement(self, node: Node) -> _Simple | None:
        """The simple statement that made a node."""
        assert node.where is not None
        span, file = self._span(node), node.where.file
        function = next((f for inside, f in _functions(file) if inside.holds(span)), None) or _around(node.where)
        return None if function is None else _holding(function, span)

    @cached_property
    def _of_forward(self) -> frozenset[ast.AST | None]:
        """The statements that forward runs: of a function that is both, `if derivative: return …`, not all of them."""
        trace = self.trace
        return frozenset(self._statement(n) for n in trace.graph.nodes if n.where and n not in trace.backward)

    @cached_property
    def _bodies(self) -> dict[Function, str]:
        """The functions whose lines are shown, each with its file: backward, and functions that ran only inside it."""
        trace = self.trace
        shared = {_around(n.where) for n in trace.graph.nodes if n.where and n not in trace.backward}
        files = {n.where.file for n in trace.graph.nodes if n.where and trace.call_of.get(n) is self.call}
        found: dict[Function, str] = {}
        for file in sorted(files | ({self.call.where.file} if self.call.where else set())):
            entry = _method(_tree(file), self.call.cls)
            ran = [f for _, f in reversed(_functions(file)) if any(s in self._made for s in _simple(f))]
            own = [f for f in ran if f not in shared or any(s in self._made for s in self._simple(f))]
            found.update(dict.fromkeys(([entry] if entry and entry not in shared else []) + own, file))
        return found

    def _simple(self, function: Function) -> Iterator[_Simple]:
        """The simple statements of a function, without those that forward runs, too."""
        return (s for s in _simple(function) if s not in self._of_forward)

    # -------------------------------------------------------------------------------------------------- statements

    def statements(self) -> tuple[Statement, ...]:
        found: list[tuple[int, Statement]] = []
        for function, file in self._bodies.items():
            at = 0
            for syntax in self._simple(function):
                made = self._made.get(syntax, [])
                results = self._results(syntax, function)
                if results and all(results):
                    at = max([at, *map(self._when, made)])
                    found.append((at, self._as_statement(syntax, file, made, results)))
        return tuple(statement for _, statement in sorted(found, key=lambda pair: pair[0]))

    def _as_statement(self, syntax: _Simple, file: str, made: list[Node], results: Sequence[Turns]) -> Statement:
        alias = not made and not any(isinstance(value, ast.Call) for value in _values(syntax))
        where = Where(file, syntax.lineno)
        value = syntax.value
        layer = self._layer(value) if isinstance(value, ast.Call) else None
        return Statement(where, _text(file, syntax), tuple(made), tuple(results), _targets(syntax), alias, layer)

    def _results(self, syntax: _Simple, function: Function) -> list[Turns]:
        values = _values(syntax)
        made = self._made.get(syntax, [])
        if len(values) < 2:
            return self._given(values[0], made, function, syntax) if values else []
        found: list[Turns] = []
        for value in values:
            inside = _Span.of(value)
            own = [node for node in made if inside.holds(self._span(node))]
            known = self._given(value, own, function, syntax)
            if len(known) == 1:
                found += known
        return found

    def _given(self, value: ast.expr, made: list[Node], function: Function, syntax: _Simple) -> list[Turns]:
        """The last nodes of an expression: its own, those of a function it calls, or those of a name."""
        if isinstance(value, ast.Call) and not isinstance(syntax, ast.AugAssign):
            outermost = _Span.of(value)
            written = any(isinstance(t, ast.Subscript) for t in getattr(syntax, "targets", ()))
            placed = bool(made) and self.trace.sites.get(made[-1]) is not None
            if not written and not (placed and any(self._span(node) == outermost for node in made)):
                called = self._called(value, function)
                if called or placed or not made:
                    return called or self._returned(syntax, function)
        if isinstance(value, ast.IfExp):
            sides = (_Span.of(value.body), _Span.of(value.orelse))
            if outcomes := tuple(node for node in made if self._span(node) in sides):
                return [outcomes]
        if made:
            last = made[-1]
            span = self._span(last)
            return [tuple(n for n in made if n.primitive is last.primitive and self._span(n) == span)]
        return [(node,)] if (node := self._named(value, function, syntax)) is not None else []

    def _called(self, value: ast.Call, function: Function) -> list[Turns]:
        """What a layer inside, or a function of the user's, returned."""
        called = value.func
        name = called.attr if isinstance(called, ast.Attribute) else called.id if isinstance(called, ast.Name) else ""
        layer = self._layer(value)
        layers = [layer] if layer else [c for c in self.inner if c.gradients] if name == "backward" else []
        if layers:
            each = zip(*(c.gradients or () for c in layers), strict=False)
            known = [[node for node in column if node is not None] for column in each]
            return [tuple(sorted(column, key=self._when)) for column in known if column]
        for other in self._bodies:
            if other is not function and other.name == name:
                for syntax in reversed(list(_simple(other))):
                    if isinstance(syntax, ast.Return) and (results := self._results(syntax, other)):
                        return results
        return []

    def _returned(self, syntax: _Simple, function: Function) -> list[Turns]:
        """The gradients that backward returns under the names that a statement of a helper assigns."""
        ends = [s for s in _simple(function) if isinstance(s, ast.Return)]
        names = [ast.unparse(value) for value in _values(ends[-1])] if ends and function.name == "backward" else []
        last = {target: s for s in _simple(function) for target in _targets(s)}
        given = dict(zip(names, self.call.gradients or (), strict=False))
        nodes = [given.get(target) for target in _targets(syntax) if last[target] is syntax]
        return [(node,) for node in nodes if node is not None]

    def _when(self, node: Node) -> int:
        return self.order.get(node, -1)

    def _layer(self, value: ast.Call) -> LayerCall | None:
        """The layer inside whose backward an expression calls, by its name."""
        if not isinstance(value.func, ast.Attribute):
            return None
        receiver = ast.unparse(value.func.value).removeprefix("self.")
        return next((c for c in self.inner if c.name == receiver and c.gradients), None)

    def _named(self, value: ast.expr, function: Function, before: _Simple) -> Node | None:
        """The node that a name stands for: what was last assigned to it, or an upstream gradient."""
        if not isinstance(value, _WRITES):
            return None
        text = ast.unparse(value)
        found: Node | None = self._argument(text, function)
        for syntax in _simple(function):
            if syntax is before:
                break
            targets = _targets(syntax)
            if text in targets and (results := self._results(syntax, function)):
                found = results[min(targets.index(text), len(results) - 1)][-1]
        return found

    def _argument(self, name: str, function: Function) -> Node | None:
        names = [a.arg for a in (*function.args.posonlyargs, *function.args.args)]
        douts = self.call.douts or ()
        given = names[len(names) - len(douts) :] if function.name == "backward" else []
        if names[:1] == ["self"]:
            given = names[1:] if function.name == "backward" else []
        return dict(zip(given, douts, strict=False)).get(name)


def _method(tree: ast.Module, cls: str) -> Function | None:
    """The `backward` of a class, or of a class that it inherits from, in one file."""
    classes = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    waiting, seen = [cls], set[str]()
    while waiting:
        name = waiting.pop(0)
        if name in classes and name not in seen:
            seen.add(name)
            for node in classes[name].body:
                if isinstance(node, Function) and node.name == "backward":
                    return node
            waiting += [base.id for base in classes[name].bases if isinstance(base, ast.Name)]
    return None


def _values(syntax: _Simple) -> list[ast.expr]:
    """The expressions whose values a statement gives on: of a tuple, each."""
    return items_of(syntax.value) if syntax.value is not None else []


def _targets(syntax: _Simple) -> tuple[str, ...]:
    """The names that a statement gives its values, one each; of `dx[mask] = 0`, dx."""
    if isinstance(syntax, ast.Assign):
        last = syntax.targets[-1]
        every: Iterable[ast.expr] = last.elts if isinstance(last, ast.Tuple | ast.List) else [last]
    elif isinstance(syntax, ast.AugAssign | ast.AnnAssign):
        every = [syntax.target]
    elif isinstance(syntax, ast.Expr) and isinstance(syntax.value, ast.Call) and syntax.value.args:
        every = syntax.value.args[:1]  # np.add.at(dW, …)
    else:
        return ()
    return tuple(ast.unparse(_written(target)) for target in every)


def _written(target: ast.expr) -> ast.expr:
    while isinstance(target, ast.Subscript):
        target = target.value
    return target


def _text(file: str, syntax: _Simple) -> str:
    """The source of a statement; of a long one its first line."""
    line = _lines(file)[syntax.lineno - 1]
    whole = syntax.end_lineno == syntax.lineno
    encoded = line.encode()[syntax.col_offset : syntax.end_col_offset if whole else None]
    return encoded.decode().rstrip() + ("" if whole else " …")
