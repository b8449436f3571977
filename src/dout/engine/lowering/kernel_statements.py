"""Statements of a kernel, or of a function that it calls, one after the other, each written as it is met."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import Any

from dout.engine.lowering.function_syntax import changing, surroundings, syntax_of
from dout.engine.lowering.kernel_expressions import KernelExpressions
from dout.engine.lowering.parallel_loop import shared
from dout.engine.lowering.routine import Routine, StackVariable
from dout.engine.lowering.typed_values import Range, TypedArray, TypedNumber, cast, element, is_symbolic, number, store


class Body(KernelExpressions):
    """The body of one function, written into a routine: `names` are those around it, `changing` those that change."""

    def __init__(self, routine: Routine, names: Mapping[str, Any], changing: frozenset[str], rounding: Any) -> None:
        super().__init__(routine, names, rounding)
        self.changing = changing
        self.loops: list[tuple[Any, Any]] = []  # where a turn and where the loop ends
        self.result: StackVariable | None = None
        self.end: Any = None  # where a function ends that returns early

    def run(self, body: Sequence[ast.stmt]) -> None:
        """Write statements, as far as the first that ends them."""
        for statement in body:
            if self.builder.block.is_terminated:
                return
            getattr(self, f"_{type(statement).__name__.lower()}")(statement)

    def set(self, name: str, value: Any) -> None:
        """Give a name a value."""
        if name not in self.changing:
            self.values[name] = value
            return
        if name not in self.values:
            self.values[name] = StackVariable(self.routine, value)
        self.values[name].store(value)

    def called(self, function: Any, arguments: Sequence[Any], rounding: Any) -> Any:
        """What a function returns that is written in place of its call."""
        definition = syntax_of(function)
        inner = Body(self.routine, surroundings(function), changing(definition), rounding)
        for argument, value in zip(definition.args.args, arguments, strict=True):
            inner.set(argument.arg, value)
        outer, self.builder.rounding = self.builder.rounding, rounding
        try:
            return inner.returned(definition.body)
        finally:
            self.builder.rounding = outer

    def returned(self, body: Any) -> Any:
        """The value that the body of a function returns."""
        if not isinstance(body, list):
            return self.value(body)
        *before, last = body
        if isinstance(last, ast.Return) and not any(isinstance(n, ast.Return) for s in before for n in ast.walk(s)):
            self.run(before)
            return None if last.value is None else self.value(last.value)
        self.end = self.routine.function.append_basic_block()
        self.run(body)
        self.builder.position_at_end(self.end)
        return self.result.load() if self.result else None

    # --- statements ---------------------------------------------------------------------------------------------------

    def _return(self, statement: ast.Return) -> None:
        value = None if statement.value is None else self.value(statement.value)
        if value is not None:
            self.result = self.result or StackVariable(self.routine, value)
            self.result.store(value)
        self.builder.branch(self.end)

    def _expr(self, statement: ast.Expr) -> None:
        if not isinstance(statement.value, ast.Constant):
            self.value(statement.value)

    def _pass(self, statement: ast.Pass) -> None:
        pass

    def _assign(self, statement: ast.Assign) -> None:
        value = self.value(statement.value)
        for target in statement.targets:
            self._bind(target, value)

    def _augassign(self, statement: ast.AugAssign) -> None:
        target: Any = statement.target
        old = ast.Name(target.id) if isinstance(target, ast.Name) else ast.Subscript(target.value, target.slice)
        self._bind(target, self.binary(statement.op, self.value(old), self.value(statement.value)))

    def _bind(self, target: ast.expr, value: Any) -> None:
        if isinstance(target, ast.Name):
            self.set(target.id, value)
        elif isinstance(target, ast.Tuple):
            for one, part in zip(target.elts, value, strict=True):
                self._bind(one, part)
        elif isinstance(target, ast.Subscript):
            array = self.value(target.value)
            if not isinstance(array, TypedArray):
                raise TypeError(f"a kernel cannot write into {ast.unparse(target.value)}")
            store(self.builder, number(value), element(self.builder, array, self.index(target.slice)), array.dtype)
        else:
            raise TypeError(f"a kernel cannot set {ast.unparse(target)}")

    def _if(self, statement: ast.If) -> None:
        condition = self.value(statement.test)
        if not is_symbolic(condition):
            self.run(statement.body if condition else statement.orelse)
            return
        truth = self.truth(condition)
        if not statement.orelse:
            with self.builder.if_then(truth):
                self.run(statement.body)
            return
        with self.builder.if_else(truth) as (then, otherwise):
            with then:
                self.run(statement.body)
            with otherwise:
                self.run(statement.orelse)

    def _for(self, statement: ast.For) -> None:
        turns = self.value(statement.iter)
        if not isinstance(turns, Range):
            raise TypeError(f"a kernel cannot go over {ast.unparse(statement.iter)}")
        if turns.parallel:
            shared(self, statement, turns)
        else:
            self.loop(statement, turns)

    def loop(self, statement: ast.For, turns: Range) -> None:
        """Write a loop over whole numbers."""
        builder, function = self.builder, self.routine.function
        kind = "uint64" if turns.first.kind == turns.last.kind == "uint64" else "int64"
        first, last = (cast(builder, one, kind).value for one in (turns.first, turns.last))
        before = builder.block
        head, inside, latch, after = (function.append_basic_block() for _ in range(4))
        builder.branch(head)
        builder.position_at_end(head)
        place = builder.phi(first.type)
        place.add_incoming(first, before)
        compare = builder.icmp_unsigned if kind == "uint64" else builder.icmp_signed
        builder.cbranch(compare("<" if turns.step > 0 else ">", place, last), inside, after)
        builder.position_at_end(inside)
        self.loops.append((latch, after))
        self._bind(statement.target, TypedNumber(place, kind))
        self.run(statement.body)
        self.loops.pop()
        if not builder.block.is_terminated:
            builder.branch(latch)
        builder.position_at_end(latch)
        place.add_incoming(builder.add(place, first.type(turns.step), flags=["nsw"]), latch)
        builder.branch(head)
        builder.position_at_end(after)

    def _break(self, statement: ast.Break) -> None:
        self.builder.branch(self.loops[-1][1])

    def _continue(self, statement: ast.Continue) -> None:
        self.builder.branch(self.loops[-1][0])
