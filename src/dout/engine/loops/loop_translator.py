"""A loop of the user's, and what it is given at a call → the text of a kernel that does the same."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dout.engine.loop_source.liveness import Loop, Names
from dout.engine.loop_source.liveness import stored as stored_names
from dout.engine.loop_source.loop_refusal import LoopRefusal, cannot
from dout.engine.loops.loop_expressions import SIGNS, Expressions
from dout.engine.loops.loop_text import LoopText, element, reindexed
from dout.engine.loops.loop_turns import turns
from dout.engine.loops.loop_values import FORMS, GIVEN, KINDS, WIDEST, Items, Known, LoopArray, LoopNumber, Value
from dout.engine.runtime.kernel_cache import ArrayType, KernelType

_ROUNDS = 8  # until the types of all names are known
_TOP = """import numpy as np
from numba import njit
"""


@dataclass(frozen=True)
class LoopArgument:
    """What stands in one place at a call: an array ("A"), a number, a tuple of whole numbers, or an object.

    A small whole number may have the `item` that it was at first: the kernel takes any, but is faster with that one.
    """

    kind: str  # "A", a kind of number, "items", "object"
    letter: str = ""
    axes: int = 0
    contiguous: bool = True
    item: object = None


@dataclass(frozen=True)
class LoopKernel:
    """The text of a kernel for a loop.

    After what stands in the places it takes how many turns a loop may have at `most`: of longer ones it does the first.
    It returns whether it came to the end, how many turns it took, and of each of the `results`, names that the loop
    sets, its value and its kind: 0 where the loop never set it, otherwise one more than its place in `KINDS`. `written`
    are the places of arrays that it writes into. Where it computes in another way than NumPy, it `rounds` as numbers of
    this letter do.
    """

    text: str
    types: tuple[KernelType, ...]
    returned: tuple[np.dtype[Any], ...]
    results: tuple[str, ...]
    written: frozenset[str]
    rounds: str
    may_leave: bool


def translated(
    loop: Loop,
    places: Mapping[str, ast.expr],
    given: Mapping[str, LoopArgument],
    live: Names,
    entering: Mapping[ast.stmt, Names],
) -> LoopKernel:
    """Write the kernel of a loop. `live` are the names that are read after it, `entering` those before each statement.

    Raises LoopRefusal where no kernel can stand for it.
    """
    kinds: dict[str, LoopNumber] = {}
    for _ in range(_ROUNDS):
        attempt = _Translator(loop, given, live, entering, dict(kinds))
        attempt.whole()
        if attempt.kinds == kinds:
            return attempt.kernel()
        kinds = attempt.kinds
    raise LoopRefusal("the types of its numbers never settle", loop)


class _Translator:
    def __init__(
        self,
        loop: Loop,
        given: Mapping[str, LoopArgument],
        live: Names,
        entering: Mapping[ast.stmt, Names],
        kinds: dict[str, LoopNumber],
    ) -> None:
        self.loop, self.entering, self.kinds = loop, entering, kinds
        self.types: list[KernelType] = []
        self.parameters: list[str] = []
        self.arrays: dict[str, str] = {}  # places of arrays by their names in the kernel
        self.written: set[str] = set()
        self.head: list[str] = []
        self.changed = stored_names(loop)
        self.set_once: set[str] = set()
        self.usual: dict[str, int] = {}
        self.weighs: ast.stmt | None = None  # which ends a loop by numbers that rounding may change
        outside = {place: self._entered(place, one) for place, one in given.items()}
        self.numbers = sorted(name for name in self.changed if name in kinds)
        self.results = tuple(name for name in self.numbers if name in live)
        self.live = live
        returned = "".join(f", v_{name}, s_{name}" for name in self.results)
        self.text = LoopText(f"return (np.int64(0), turns{returned})")
        self.text.usual |= self.usual
        self.reader = Expressions(self.text, {p: v for p, v in outside.items() if p not in self.changed})
        self.started = {place: value for place, value in outside.items() if place in self.changed}
        self.ending = f"return (np.int64(1), turns{returned})"

    def _entered(self, place: str, one: LoopArgument) -> Value:
        name = f"p{len(self.parameters)}_" + re.sub(r"\W+", "_", place)
        if one.kind == "object":
            return Known(one.item)
        self.parameters.append(name)
        if one.kind == "A":
            self.types.append(ArrayType(np.dtype(one.letter), one.axes, "C" if one.contiguous else "A"))
            self.arrays[name] = place
            lengths = tuple(f"n_{name}_{axis}" for axis in range(one.axes))
            self.head.append(f"{', '.join(lengths)}, = {name}.shape")
            return LoopArray(lengths, one.letter, lambda at: element(name, at), frozenset([name]), True, one.contiguous)
        if one.kind == "items":
            self.types.append(ArrayType(np.dtype("l"), 1, "C"))
            items = [LoopNumber(f"{name}[{i}]", frozenset(["int"]), GIVEN) for i in range(one.axes)]
            return Items(tuple(items))
        self.types.append(np.dtype(FORMS[one.kind]))
        if isinstance(one.item, int):
            self.usual[name] = one.item
        return LoopNumber(name, frozenset([one.kind]), GIVEN if one.kind == "int" else 0)

    def whole(self) -> None:
        """Write all of it."""
        for name, value in self.started.items():
            if isinstance(value, LoopNumber):
                self._learn(name, value)
                self.reader.names[name] = self.kinds[name]
            else:  # an array of the user's, which may only be changed in place
                self.reader.names[name] = value
        for name in self.numbers:
            self.reader.names.setdefault(name, self.kinds[name])
        self._statement(self.loop)

    def kernel(self) -> LoopKernel:
        """The kernel that was written."""
        if self.weighs and self.text.rounds:
            raise LoopRefusal("rounding may change how many turns it takes", self.weighs)
        for name in self.live & self.changed:
            if name not in self.results and name not in self.started:
                raise LoopRefusal(f"{name} is an array that is used after the loop", self.loop)
        head = list(self.head)
        dtypes: list[np.dtype[Any]] = [np.dtype("l"), np.dtype("l")]
        for name in self.numbers:
            form = self.kinds[name].stored
            start = self.started.get(name)
            head.append(f"v_{name} = np.{form}({start.text if isinstance(start, LoopNumber) else 0})")
            if name in self.results:
                head.append(f"s_{name} = np.int64(0)")
                dtypes += [np.dtype(form), np.dtype("l")]
        helpers = sorted(self.text.helpers)
        imports = f"from dout.engine.math.loop_helpers import {', '.join(helpers)}\n" if helpers else ""
        body = (
            ["    " + line for line in (*head, *self.text.before, "turns = np.int64(0)")]
            + self.text.lines
            + ["    " + self.ending]
        )
        top = f'\n\n@njit(error_model="numpy")\ndef loop({", ".join([*self.parameters, "most"])}):\n'
        written = frozenset(self.arrays[name] for name in self.written)
        types = [one._replace(written=True) if isinstance(one, ArrayType) and name in self.written else one
                 for name, one in zip(self.parameters, self.types, strict=True)]  # fmt: skip
        rounds = "d" if self.text.rounds else ""
        text = _TOP + imports + top + "\n".join(body) + "\n"
        return LoopKernel(
            text, (*types, np.dtype("l")), tuple(dtypes), self.results, written, rounds, self.text.may_leave
        )

    # --- statements ---------------------------------------------------------------------------------------------------

    def _block(self, body: Sequence[ast.stmt]) -> None:
        for statement in body:
            self._statement(statement)

    def _statement(self, one: ast.stmt) -> None:
        try:
            match one:
                case ast.For():
                    self._for(one)
                case ast.While():
                    self._while(one)
                case ast.If():
                    self._if(one)
                case ast.Assign():
                    self._assign(one.targets, one.value)
                case ast.AugAssign():
                    self._change(one)
                case ast.Pass() | ast.Expr(value=ast.Constant()):
                    pass
                case ast.Break():
                    self.text.add("break")
                case ast.Continue():
                    self.text.add("continue")
                case _:
                    raise cannot(one)
        except LoopRefusal as why:
            if why.node is None:
                raise LoopRefusal(str(why), one) from None
            raise

    def _if(self, one: ast.If) -> None:
        if any(map(_ends_a_loop, (*one.body, *one.orelse))) and not self._is_counted(one.test):
            self.weighs = one
        with self.text.inside(f"if {self.reader.condition(one.test)}:"):
            self._block(one.body)
        if one.orelse:
            with self.text.inside("else:"):
                self._block(one.orelse)

    def _assign(self, targets: Sequence[ast.expr], node: ast.expr) -> None:
        value = self.reader.value(node)
        if len(targets) > 1:
            if not isinstance(value, LoopNumber):
                raise LoopRefusal(f"it sets several names to {ast.unparse(node)}"[:80], node)
            value = self._held(value)
        for target in targets:
            if isinstance(target, ast.Subscript):
                self._store(self.reader.place(self._written(target), target.slice), value)
            else:
                self._bind(target, value)

    def _held(self, value: Value) -> Value:
        if not isinstance(value, LoopNumber):
            return value
        return LoopNumber(self.text.let("x", value.text), value.kinds, value.bits)

    def _bind(self, target: ast.expr, value: Value) -> None:
        """Give a name to a value, or names to those of a tuple."""
        if isinstance(target, ast.Tuple) and isinstance(value, Items) and len(target.elts) == len(value.items):
            for part, item in list(zip(target.elts, map(self._held, value.items), strict=True)):
                self._bind(part, item)
            return
        if not isinstance(target, ast.Name):
            raise LoopRefusal(f"it sets {ast.unparse(target)}"[:80], target)
        name = target.id
        if isinstance(value, LoopNumber):
            if name in self.set_once:
                raise LoopRefusal(f"{name} is sometimes an array and sometimes a number", target)
            self._learn(name, value)
            self.text.set(f"v_{name}", value.to(self.kinds[name].stored))
            if name in self.results:
                if len(value.kinds) > 1:
                    raise LoopRefusal(f"the type of {name} is not known", target)
                self.text.add(f"s_{name} = np.int64({KINDS.index(next(iter(value.kinds))) + 1})")
            self.reader.names.setdefault(name, self.kinds[name])
            return
        counted = stored_names(self.loop.target) if isinstance(self.loop, ast.For) else frozenset[str]()
        kept = self.entering[self.loop.body[0]] - counted
        if name in {*self.set_once, *self.started, *self.kinds, *kept}:
            raise LoopRefusal(f"{name} is an array, and set in two places or kept for the next turn", target)
        self.set_once.add(name)
        self.reader.names[name] = self.text.made(value) if isinstance(value, LoopArray) and not value.view else value

    def _learn(self, name: str, value: LoopNumber) -> None:
        """Note that a name is this number, too. LoopRefusal where nothing in a kernel can hold all that it is."""
        old = self.kinds.get(name, value)
        bits = old.bits if value.bits <= old.bits else WIDEST
        found = LoopNumber(f"v_{name}", old.kinds | value.kinds, bits, old.natural and value.natural)
        assert found.stored
        self.kinds[name] = found

    def _change(self, one: ast.AugAssign) -> None:
        target, value = one.target, self.reader.value(one.value)
        if type(one.op) not in SIGNS:
            raise cannot(one)
        sign = SIGNS[type(one.op)]
        if isinstance(target, ast.Subscript):
            owner = self._written(target)
            old = self.reader.place(owner, target.slice)
        else:
            held = self.reader.value(target)
            if isinstance(held, LoopNumber):
                self._bind(target, self.reader.functions.binary(sign, held, value))
                return
            if not isinstance(held, LoopArray) or not held.view:
                raise cannot(one)
            old = held
            self.written |= held.reads & set(self.arrays)
        if isinstance(value, LoopArray) and value.reads & old.reads:
            value = self.text.made(value)
        if not old.lengths and isinstance(target, ast.Subscript):
            new = self.reader.functions.binary(sign, self.reader.part(old), value)
        else:
            new = self.reader.functions.binary(sign, old, value)
            if isinstance(new, LoopArray) and (old.letter == "l") != (new.letter == "l"):
                raise LoopRefusal("whole numbers are changed by others", one)
        self._store(old, new, aligned=True)

    def _written(self, target: ast.Subscript) -> LoopArray:
        owner = self.reader.value(target.value)
        if not isinstance(owner, LoopArray) or not owner.view:
            raise LoopRefusal(f"it writes into {ast.unparse(target.value)}"[:80], target)
        self.written |= owner.reads & set(self.arrays)
        return owner

    def _store(self, target: LoopArray, value: Value, *, aligned: bool = False) -> None:
        """Write elements; a value that reads the same memory is computed before."""
        form = FORMS[target.letter]
        if isinstance(value, LoopNumber):
            self._fits(value.stored, form)
            text = self.text.let("x", value.to(form))
            with self.text.over(target.lengths) as at:
                self.text.add(f"{target.element(at)} = {text}")
            return
        if not isinstance(value, LoopArray) or len(value.lengths) > len(target.lengths):
            raise LoopRefusal("it writes what is no number or array that fits")
        self._fits(FORMS[value.letter], form)
        if value.reads & target.reads and not aligned:
            value = self.text.made(value)
        own = target.lengths[len(target.lengths) - len(value.lengths) :]
        for length, wanted in zip(value.lengths, own, strict=True):
            self.text.agree(length, wanted)
        with self.text.over(target.lengths) as at:
            self.text.add(f"{target.element(at)} = np.{form}({reindexed(value, at)})")

    @staticmethod
    def _fits(given: str, form: str) -> None:
        if given != form and (form not in ("float32", "float64") or given == "bool_"):
            raise LoopRefusal(f"it writes {given} into an array of {form}")

    def _for(self, loop: ast.For) -> None:
        if loop.orelse:
            raise LoopRefusal("it has an else", loop)
        count, item = turns(self.reader, loop.iter)
        counter = self.text.new("t")
        with self.text.inside(f"for {counter} in range({count} if {count} < most else most):"):
            self.text.add("turns += 1")
            self._bind(loop.target, item(counter))
            self._block(loop.body)

    def _while(self, loop: ast.While) -> None:
        if loop.orelse:
            raise LoopRefusal("it has an else", loop)
        with self.text.inside(f"for {self.text.new('t')} in range(most):"):
            with self.text.inside(f"if not {self.reader.condition(loop.test)}:"):
                self.text.add("break")
            self.text.add("turns += 1")
            self._block(loop.body)
        if not self._is_counted(loop.test):
            self.weighs = loop

    def _is_counted(self, test: ast.expr) -> bool:
        """Whether a condition compares whole numbers and lengths alone, which no rounding changes."""
        match test:
            case ast.BoolOp():
                return all(map(self._is_counted, test.values))
            case ast.UnaryOp(op=ast.Not()):
                return self._is_counted(test.operand)
            case ast.Compare():
                return all(map(self.reader.counts, (test.left, *test.comparators)))
        return isinstance(test, ast.Constant)


def _ends_a_loop(statement: ast.stmt) -> bool:
    """Whether a statement ends the loop that it stands in."""
    if isinstance(statement, ast.If):
        return any(map(_ends_a_loop, (*statement.body, *statement.orelse)))
    return isinstance(statement, ast.Break)
