"""An example on which a layer raised, with what stood at the line that raised: which input, which argument it was."""

from __future__ import annotations

import ast
import linecache
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import FrameType, TracebackType
from typing import Any

import numpy as np

from dout.adapt.repository.project_files import statements_in
from dout.adapt.search.argument_repair import BY_MESSAGE, Change, Failed, arguments_at
from dout.adapt.source.syntax import written
from dout.run import attributes_of, names_of
from dout.trace.model.user_source import is_user_code

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Failure:
    """An example on which a layer raised: constructor arguments, inputs by name, and the error; `free` may change."""

    init: Values
    inputs: Values
    error: Exception
    free: frozenset[str]
    optional: tuple[str, ...] = ()  # inputs with a default of None

    @property
    def key(self) -> tuple[Any, ...]:
        """Where it raised and what it said: a change of inputs after which this is the same has changed nothing."""
        frame, line = self._frames[-1] if self._frames else (None, 0)
        init = [item.tobytes() if isinstance(item, np.ndarray) else repr(item) for item in self.init.values()]
        return (frame.f_code.co_filename if frame else "", line, str(self.error), *init)

    @cached_property
    def _steps(self) -> list[TracebackType]:
        """The way through the user's code, the innermost function last."""
        found, step = [], self.error.__traceback__
        while step is not None:
            if is_user_code(step.tb_frame.f_code.co_filename):
                found.append(step)
            step = step.tb_next
        return found

    @property
    def _frames(self) -> list[tuple[FrameType, int]]:
        """The functions of the user's that it came through, the innermost last, each with its line."""
        return [(step.tb_frame, step.tb_lineno) for step in self._steps]

    @cached_property
    def arguments(self) -> list[str]:
        """The constructor's arguments that stand in the expression that raised."""
        init = {name: item for name, item in self.init.items() if name in self.free}
        return arguments_at(self._steps[-1] if self._steps else None, init)

    def of_arguments(self) -> Iterator[Change]:
        """What to change of the constructor's arguments that stand in the expression that raised."""
        init, names = {n: item for n, item in self.init.items() if n in self.free}, self.arguments
        yield from ({name: value} for name, value in self._wanted() if name in init)
        known = {n: item for step in self._steps for n, item in step.tb_frame.f_globals.items()} if names else {}
        for inside in map(names_of, [*known.values()]):  # of modules; a table may raise where it is asked for a name
            known = {**inside, **known} if is_user_code(inside.get("__file__") or "") else known
        for pattern, change in BY_MESSAGE if names else ():
            if match := re.search(pattern, str(self.error)):
                yield from change(Failed(names, init, known), *match.groups())

    def _wanted(self) -> Iterator[tuple[str, Any]]:
        """What the code that refused compares a whole number with: `if n != len(sizes): raise`, `assert n == 2 * m`."""
        for part in self._tested:
            match part:
                case ast.Compare(left=left, ops=[ast.Eq() | ast.NotEq()], comparators=[right]):
                    for one, other in ((left, right), (right, left)):
                        if isinstance(one, ast.Name) and isinstance(value := _valued(other, self._frames[-1][0]), int):
                            yield one.id, value

    def remainders(self) -> Iterator[tuple[int, int]]:
        """The numbers, each with what should divide it, that the code that refused tests: `assert c % (r * r) == 0`."""
        for part in self._tested:
            match part:
                case ast.BinOp(left=left, op=ast.Mod(), right=right):
                    number, divisor = (_valued(side, self._frames[-1][0]) for side in (left, right))
                    if type(number) is int and type(divisor) is int and divisor > 1 and number % divisor:
                        yield number, divisor

    @property
    def _tested(self) -> list[ast.AST]:
        """The parts of the conditions around the line that raised."""
        if not self._frames:
            return []
        frame, line = self._frames[-1]
        function = written(frame.f_code, "".join(linecache.getlines(frame.f_code.co_filename)))
        every = ast.walk(function) if function is not None else ()
        asked = [n for n in every if isinstance(n, ast.If | ast.Assert) and n.lineno <= line <= (n.end_lineno or line)]
        return [part for one in asked for part in ast.walk(one.test)]

    @property
    def building(self) -> bool:
        """Whether the constructor raised: no input was given yet."""
        return bool(self._frames) and self._frames[0][0].f_code.co_name == "__init__"

    @property
    def progress(self) -> int:
        """How far the outermost of the user's functions came: its line."""
        return self._frames[0][1] if self._frames else 0

    @property
    def line(self) -> str:
        """The text of the line that raised."""
        frame, line = self._frames[-1] if self._frames else (None, 0)
        return linecache.getline(frame.f_code.co_filename, line) if frame else ""

    def asserted_shapes(self) -> Iterator[tuple[Any, tuple[int, ...]]]:
        """The arrays whose shape the line that raised asserts, each with that: `assert x.shape == (n, self.d)`."""
        if not self._frames:
            return
        frame, _ = self._frames[-1]
        for node in (part for statement in statements_in(self.line.strip()) for part in ast.walk(statement)):
            match node:
                case ast.Compare(left=ast.Attribute(value=value, attr="shape"), ops=[ast.Eq()], comparators=[right]):
                    array, shape = (_valued(part, frame) for part in (value, right))
                    if isinstance(array, np.ndarray) and isinstance(shape, tuple):
                        yield array, shape

    @cached_property
    def arrays(self) -> dict[str, Any]:
        """The inputs that are arrays and may change; first those to be seen where it raised, from the inside out."""
        free = {n: x for n, x in self.inputs.items() if n in self.free and isinstance(x, np.ndarray)}
        for frame, _ in reversed(self._frames):
            here = [item for item in frame.f_locals.values() if isinstance(item, np.ndarray)]
            seen = [name for name, x in free.items() if any(_same_numbers(x, item) for item in here)]
            if seen:
                return {name: free[name] for name in (*seen, *(n for n in free if n not in seen))}
        return free

    @cached_property
    def held(self) -> list[Any]:
        """The arrays that the objects in the innermost function hold: parameters."""
        frame = self._frames[-1][0] if self._frames else None
        owners = [item for item in (frame.f_locals if frame else {}).values() if hasattr(item, "__dict__")]
        return [a for owner in owners[:3] for a in attributes_of(owner).values() if isinstance(a, np.ndarray)]


_PLAIN = (ast.Name, ast.Attribute, ast.Subscript, ast.Tuple, ast.Constant, ast.BinOp, ast.operator, ast.expr_context)


def _valued(node: ast.expr, frame: FrameType) -> Any:
    """What an expression of names and numbers stands for in a function; None for any other."""
    if not all(isinstance(part, _PLAIN) or _counts(part) for part in ast.walk(node)):
        return None
    try:
        return eval(compile(ast.Expression(node), "<asserted>", "eval"), frame.f_globals, frame.f_locals)
    except Exception:
        return None


def _counts(node: ast.AST) -> bool:
    """Whether this is a call of `len`."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "len"


def _same_numbers(one: Any, two: Any) -> bool:
    """Whether two arrays hold the same numbers, in any order of axes."""
    return one.size == two.size and one.dtype == two.dtype and np.array_equal(np.sort(one, None), np.sort(two, None))
