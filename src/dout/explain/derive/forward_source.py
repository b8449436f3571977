"""The source of a forward: where in it a value is at hand, and the same source with lines that keep values."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dout.explain.derive.forward_watch import Watch, digest, span_of, watching
from dout.explain.spelling.syntax_trees import is_text
from dout.files import dedented
from dout.run import copied, filled_cells, quiet

_SIMPLE = (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Expr)
_WRITTEN = "dout_lines"  # an attribute of a function that was written here: its lines, and where they begin in the file


@dataclass(frozen=True, eq=False)
class SourcePlace:
    """Where a value is at hand: under a `name` after the statement that ends at `line`, or as an `expression`.

    Of an argument, line is 0: it is there from the start. An attribute that forward itself sets needs nothing.
    """

    name: str = ""
    line: int = 0
    expression: ast.expr | None = None
    attribute: bool = False


@dataclass(frozen=True, eq=False)
class MadeValue:
    """A value that forward keeps and does not compute by itself: its expression, and what that reads by local names."""

    attribute: str
    text: str
    reads: tuple[tuple[str, SourcePlace], ...]


class ForwardSource:
    """The text of a function and its syntax tree; `first` is its line in the file."""

    def __init__(self, function: Any) -> None:
        """Read the source. Raises OSError, TypeError or SyntaxError where there is none."""
        self.function = inspect.unwrap(getattr(function, "__func__", function))
        text: tuple[list[str], int] = vars(self.function).get(_WRITTEN) or inspect.getsourcelines(self.function)
        lines, self.first = text
        self.rewritten(one_statement_a_line(dedented("".join(lines).expandtabs(4))))

    def rewritten(self, text: str) -> None:
        """Take another text in the place of that of the function, which does the same."""
        self.text = text
        self.tree = ast.parse(self.text)
        found = self.tree.body[0]
        if not isinstance(found, ast.FunctionDef) or len(self.tree.body) != 1:
            raise OSError("it is not written as a function of its own")
        self.definition: ast.FunctionDef = found

    @property
    def lines(self) -> list[str]:
        """The lines of the function, without decorators."""
        return self.text.splitlines()

    @property
    def parameters(self) -> list[str]:
        """The names of its arguments."""
        arguments = self.definition.args
        return [a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]

    @property
    def whole_numbers(self) -> set[int]:
        """The whole numbers that are written in it."""
        constants = (node.value for node in ast.walk(self.tree) if isinstance(node, ast.Constant))
        return {value for value in constants if type(value) is int}

    def statements(self) -> Iterator[ast.stmt]:
        """Every statement of the function itself, not of functions inside."""
        waiting: list[ast.AST] = list(reversed(self.definition.body))
        while waiting:
            node = waiting.pop()
            if isinstance(node, ast.stmt) and not isinstance(node, ast.FunctionDef | ast.ClassDef):
                yield node
                waiting += [n for n in ast.iter_child_nodes(node) if isinstance(n, ast.stmt | ast.ExceptHandler)][::-1]
            elif isinstance(node, ast.ExceptHandler):
                waiting += node.body[::-1]

    def watched(self, run: Callable[[Callable[..., Any]], Any], seed: int) -> Watch:
        """Run the function once, as `run` calls it, from a random state, and watch its values."""
        watch = Watch()
        function = self.compiled(watching(self.text, self._class_name), watch.hooks)
        with quiet(seed):
            run(function)
        return watch

    def compiled(self, definition: ast.FunctionDef, more: Mapping[str, Any], file: str = "<watched>") -> Any:
        """The function with another definition, which may also call what is in `more`."""
        cells = dict(filled_cells(self.function))
        outer = ast.parse(f"def __dout_outer__({', '.join(cells)}):\n    pass").body[0]
        assert isinstance(outer, ast.FunctionDef)
        outer.body = [definition, ast.Return(ast.Name(definition.name, ast.Load()))]
        space = {**self.function.__globals__, **more}
        exec(compile(ast.fix_missing_locations(ast.Module([outer], [])), file, "exec"), space)
        function = space["__dout_outer__"](**{name: cell.cell_contents for name, cell in cells.items()})
        function.__defaults__ = self.function.__defaults__
        function.__kwdefaults__ = self.function.__kwdefaults__
        return function

    @property
    def _class_name(self) -> str:
        """The class around the function, without leading underscores; "" of a function of its own."""
        outer = self.function.__qualname__.rpartition(".")[0].rpartition(".")[2]
        return "" if outer == "<locals>" else outer.lstrip("_")

    def places(self, watch: Watch, value: Any) -> Iterator[SourcePlace]:
        """Where a value is at hand, the simplest first."""
        wanted = digest(value)
        for (line, name), seen in watch.names.items():
            if len(seen) == 1 and seen[0][0] == wanted and digest(seen[0][1]) == wanted and watch.runs[line] == 1:
                yield SourcePlace(name, line)
        by_place = {span_of(n): n for n in self._liftable()}
        for key, found in watch.expressions.items():
            if len(found) == 1 and found[0][0] == wanted and digest(found[0][1]) == wanted and key in by_place:
                yield SourcePlace(expression=by_place[key])

    def _liftable(self) -> Iterator[ast.expr]:
        """The expressions that a line of their own before the statement computes just as well."""
        for statement in self.statements():
            if isinstance(statement, (*_SIMPLE, ast.Return)):
                yield from always_evaluated(statement)

    def returning(self, places: Sequence[int], count: int) -> Any:
        """The function that returns only the values at these places, of `count` that it returns, on the same lines.

        None where a return does not list so many. A line that only makes what is not returned any more is left out.
        """
        ends = [one for one in self.statements() if isinstance(one, ast.Return)]
        listed = [one.value.elts for one in ends if isinstance(one.value, ast.Tuple)]
        if len(listed) < len(ends) or any(len(items) != count for items in listed):
            return None
        dropped = [item for items in listed for i, item in enumerate(items) if i not in places]
        new = {one: "" for one in self.definition.body if self._makes_only(one, dropped)}
        for end, items in zip(ends, listed, strict=True):
            new[end] = f"return {', '.join(ast.unparse(items[place]) for place in places)}"
        lines = self.lines
        for one, words in new.items():
            last = one.end_lineno or one.lineno
            line = indent_of(lines[one.lineno - 1]) + words if words else ""
            lines[one.lineno - 1 : last] = [line, *[""] * (last - one.lineno)]
        text = "\n".join(lines) + "\n"
        tree = ast.increment_lineno(ast.parse(text), self.first - 1).body[0]
        assert isinstance(tree, ast.FunctionDef)
        made = self.compiled(tree, {}, self.function.__code__.co_filename)
        made.__module__, made.__qualname__ = self.function.__module__, self.function.__qualname__
        setattr(made, _WRITTEN, (text.splitlines(keepends=True), self.first))
        return made

    def _makes_only(self, statement: ast.stmt, items: Collection[ast.expr]) -> bool:
        """Whether a statement does nothing but to make a name that only these items of returns read."""
        if not isinstance(statement, ast.Assign) or any(isinstance(n, ast.Call) for n in ast.walk(statement.value)):
            return False
        made = {one.id for one in statement.targets if isinstance(one, ast.Name)}
        dropped, names = {n for item in items for n in ast.walk(item)}, set[str]()
        for node in ast.walk(self.definition):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node not in dropped:
                names.add(node.id)
        returned = {item.id for item in items if isinstance(item, ast.Name)}
        return len(made) == len(statement.targets) and made <= returned - names

    # --- the text with more lines -------------------------------------------------------------------------------------

    def keeping(
        self, kept: Sequence[tuple[str, SourcePlace]], extra: Mapping[str, str], made: Sequence[MadeValue] = ()
    ) -> list[str]:
        """The lines of the function, indented for a class, with `self.name = …` after what makes each value.

        `extra` are attributes with the expression that they keep from the start: shapes. Values that are `made` for
        backward's sake come after all that they read.
        """
        edits = _Edits(self)
        for attribute, text in extra.items():
            edits.at_start.append(f"self.{attribute} = {text}")
        for attribute, place in kept:
            if place.expression is not None:
                edits.lifted[place.expression] = attribute
                edits.kept.add(attribute)
            elif not place.attribute:
                edits.keep(attribute, place.name, [place])
        for one in made:
            for name, place in one.reads:
                if place.expression is not None:
                    edits.lifted.setdefault(place.expression, name)
            edits.keep(one.attribute, one.text, [place for _, place in one.reads])
        return edits.applied()


def is_rewritten(function: Any) -> bool:
    """Whether a function returns fewer values than the user's."""
    return _WRITTEN in vars(function)


def outputs_alone(function: Any, ordered: Sequence[Any], keywords: Mapping[str, Any]) -> Any:
    """The function that returns its outputs alone: `return out` in the place of `return out, cache`.

    Behind the outputs, tuples, whole numbers, arrays that it was given, and an output once more are for a backward.
    """
    try:
        returned, given = _called(function, ordered, keywords)
        known = [*given, *returned]
        places = [
            i for i, one in enumerate(returned) if has_gradient(one) and not _is_among(one, known[: i - len(returned)])
        ]
        if type(returned) is not tuple or places != list(range(len(places))) or not 0 < len(places) < len(returned):
            return function
        alone = ForwardSource(function).returning(places, len(returned))
        found, _ = _called(alone, ordered, keywords)
        same = [found] if len(places) == 1 else found
        equal = all(np.array_equal(a, b, equal_nan=True) for a, b in zip(same, returned, strict=False))
    except Exception:  # the user's code raises it again where it is recorded; or there is no source
        return function
    return alone if equal else function


def _called(function: Any, ordered: Sequence[Any], keywords: Mapping[str, Any]) -> tuple[Any, list[Any]]:
    """What a function returns for copies of these arguments, and the copies."""
    given, named = [copied(item) for item in ordered], {name: copied(item) for name, item in keywords.items()}
    with quiet(0):
        return function(*given, **named), [*given, *named.values()]


def _is_among(item: Any, others: Iterable[Any]) -> bool:
    return any(item is one for one in others)


def has_gradient(item: Any) -> bool:
    """Whether something is a float, or an array of floats."""
    is_array = isinstance(item, np.ndarray | np.generic) and item.dtype.kind == "f"
    return is_array or isinstance(item, float)


def one_statement_a_line(text: str) -> str:
    """A text of Python in which each statement begins a line of its own: `def f(x): return x` has two then."""
    tree, lines = ast.parse(text), text.splitlines()
    breaks: list[tuple[int, int, int]] = []  # the line, the byte, and the spaces before it from then on
    for node in ast.walk(tree):
        for name in ("body", "orelse", "finalbody"):
            body = getattr(node, name, None)
            if not isinstance(body, list) or isinstance(node, ast.Module):
                continue
            starts = [len(indent_of(lines[statement.lineno - 1])) for statement in body]
            indent = starts[0] + 4 * (body[0].col_offset > starts[0]) if body else 0
            for statement, start in zip(body, starts, strict=True):
                if statement.col_offset > start:
                    breaks.append((statement.lineno, statement.col_offset, indent))
    for number, at, indent in sorted(breaks, reverse=True):
        before, after = lines[number - 1].encode()[:at].decode(), lines[number - 1].encode()[at:].decode()
        lines[number - 1] = f"{before.rstrip().removesuffix(';').rstrip()}\n{' ' * indent}{after}"
    return "\n".join(lines) + "\n"


def always_evaluated(statement: ast.stmt) -> Iterator[ast.expr]:
    """The expressions in a statement that are evaluated whenever it runs, outermost first."""
    waiting = [value for name, value in ast.iter_fields(statement) if isinstance(value, ast.expr) and name == "value"]
    while waiting:
        node = waiting.pop(0)
        if isinstance(
            node, ast.BoolOp | ast.IfExp | ast.Lambda | ast.ListComp | ast.GeneratorExp | ast.DictComp | ast.SetComp
        ):
            continue
        yield node
        waiting += [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)]
        waiting += [k.value for k in getattr(node, "keywords", [])]


class _Edits:
    """Changes to the lines of a function."""

    def __init__(self, source: ForwardSource) -> None:
        self.source = source
        self.at_start: list[str] = []
        self.after: dict[int, list[str]] = {}  # by the line after which they stand
        self.before: dict[ast.stmt, list[str]] = {}  # of statements from which something is lifted
        self.lifted: dict[ast.expr, str] = {}  # expressions that get a name of their own
        self.kept: set[str] = set()  # names of them that are kept

    def keep(self, attribute: str, text: str, places: Sequence[SourcePlace]) -> None:
        """Keep a value as soon as all that its text reads is there."""
        line = f"self.{attribute} = {text}"
        named = max((place.line for place in places), default=0)
        lifted = [self._statement_of(place.expression) for place in places if place.expression is not None]
        last = max(lifted, key=lambda statement: statement.lineno, default=None)
        if last is not None and last.lineno > named:
            self.before.setdefault(last, []).append(line)
        elif named:
            self.after.setdefault(named, []).append(line)
        else:
            self.at_start.append(line)

    def applied(self) -> list[str]:
        """The changed lines."""
        lines = self.source.lines
        before: dict[int, list[str]] = {}
        text = "\n".join(lines)
        starts = [0]
        for line in lines:
            starts.append(starts[-1] + len(line) + 1)

        def span(node: ast.expr | ast.stmt) -> tuple[int, int]:
            last = (node.end_lineno or node.lineno) - 1
            first = starts[node.lineno - 1] + _letters(lines[node.lineno - 1], node.col_offset)
            return first, starts[last] + _letters(lines[last], node.end_col_offset or 0)

        by_statement: dict[ast.stmt, list[tuple[int, int, str]]] = {}
        for expression, name in self.lifted.items():
            by_statement.setdefault(self._statement_of(expression), []).append((*span(expression), name))
        for statement, lifts in by_statement.items():
            first, last = span(statement)
            indent = indent_of(lines[statement.lineno - 1])
            whole = isinstance(statement, ast.Return) and any(
                (a, b) == span(statement.value) for a, b, _ in lifts if statement.value is not None
            )
            new = []
            for a, b, name in sorted(lifts, key=lambda one: (one[1] - one[0], one[0])):
                new += f"{indent}{name} = {_rendered(text, a, b, lifts)}".splitlines()
                new += [f"{indent}self.{name} = {name}"] if name in self.kept else []
            new += [indent + line for line in self.before.get(statement, ())]
            before[statement.lineno] = [*new, *([""] if whole else [])]
            changed = (indent + _rendered(text, first, last, lifts, itself=True)).splitlines()
            end = statement.end_lineno or statement.lineno
            for i in range(statement.lineno - 1, end):
                lines[i] = _GONE
            lines[statement.lineno - 1] = "\n".join(changed) + text[last : starts[end] - 1]
        made: list[str] = []
        body_at = self._body_line()
        for number, line in enumerate(lines, start=1):
            if number == body_at:
                made += [indent_of(self.source.lines[body_at - 1]) + one for one in self.at_start]
            made += before.get(number, [])
            made += [] if line == _GONE else line.split("\n")
            for one in self.after.get(number, []):
                made.append(indent_of(self.source.lines[self._start_of(number) - 1]) + one)
        first_line = self.source.definition.lineno - 1  # decorators stand before it
        return made[first_line:] if self.source.definition.decorator_list else made

    def _body_line(self) -> int:
        body = self.source.definition.body
        return body[is_text(body[0]) and len(body) > 1].lineno

    def _statement_of(self, expression: ast.expr) -> ast.stmt:
        return next(
            s
            for s in self.source.statements()
            if isinstance(s, (*_SIMPLE, ast.Return)) and any(n is expression for n in ast.walk(s))
        )

    def _start_of(self, end: int) -> int:
        """The first line of the simple statement that ends at a line."""
        starts = [s.lineno for s in self.source.statements() if s.end_lineno == end]
        return min(starts, default=end)


_GONE = "\0"


def _letters(line: str, column: int) -> int:
    """A column in letters, which the syntax tree counts in bytes."""
    return len(line.encode()[:column].decode())


def _rendered(text: str, first: int, last: int, lifts: Sequence[tuple[int, int, str]], *, itself: bool = False) -> str:
    """A part of a text, with a name in the place of each lifted part inside."""
    inside = [
        one for one in lifts if first <= one[0] and one[1] <= last and (itself or (one[0], one[1]) != (first, last))
    ]
    outer = [a for a in inside if not any(b is not a and b[0] <= a[0] and a[1] <= b[1] for b in inside)]
    made, at = "", first
    for a, b, name in sorted(outer):
        before, after = text[at:a], text[b:last]
        bare = before.endswith("(") and after.startswith(")") and not before[:-1].endswith((*_WORDS, "]", ")"))
        made += (before[:-1] if bare else before) + name
        at = b + 1 if bare else b
    made += text[at:last]
    return f"({made})" if "\n" in made and not itself else made


_WORDS = tuple("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")


def indent_of(line: str) -> str:
    """The white space before a line."""
    return line[: len(line) - len(line.lstrip())]
