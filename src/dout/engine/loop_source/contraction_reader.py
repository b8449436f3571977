"""A loop nest of the user's, read with counters in the place of its numbers: contractions, if it is nothing else."""

from __future__ import annotations

import ast
import builtins
import collections
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from dout.engine.loop_source.called_functions import written_name
from dout.engine.loop_source.contraction_terms import (
    ALL,
    ELEMENTS,
    LARGEST,
    NEW_AXIS,
    SMALLEST,
    AffineIndex,
    Contraction,
    Counter,
    Elements,
    Index,
    ProductTerm,
    broadcast,
    counted,
)
from dout.engine.loop_source.liveness import Loop, Names, loaded, stored
from dout.engine.loop_source.loop_refusal import LoopRefusal, cannot
from dout.engine.loop_source.product_sums import Sum, added, along, matrices, product, summed_axes, times
from dout.engine.loop_source.surroundings import changed_in_place, place_of
from dout.engine.loop_source.turn_order import refuse_order_dependence

_NUMBERS = (float, np.float64, np.float32)
_ORDERS: dict[type[ast.cmpop], tuple[int, bool]] = {
    ast.Lt: (1, True), ast.LtE: (1, False), ast.Gt: (-1, True), ast.GtE: (-1, False)
}  # fmt: skip
_LETTERS = "fd"  # of arrays: products of others are not faster than a kernel


def contractions(loop: Loop, given: Mapping[str, Any], most: int) -> tuple[list[Contraction], int]:
    """The contractions of a loop, and its number of turns in all. `given` are the values of the places around it.

    Each loop takes `most` turns at most. Raises LoopRefusal where it does anything but multiply and add up.
    """
    set_anew = stored(loop) - changed_in_place(loop, given)
    reader = _Reader({place: item for place, item in given.items() if place not in set_anew}, most)
    for place in set_anew & given.keys():
        if type(given[place]) is int:
            reader.set_name(place, AffineIndex(given[place]))
    reader.statement(loop)
    refuse_order_dependence(reader.found)
    return reader.found, reader.turns


class _Reader:
    def __init__(self, given: Mapping[str, Any], most: int) -> None:
        self.given, self.most = given, most
        self.names: dict[str, Any] = {}
        self.growing: dict[str, tuple[Sum, int]] = {}  # sums that the turns of a loop add to, and the loops around them
        self.depth: dict[str, int] = {}  # of names: in how many loops they were set
        self.since: dict[str, int] = {}  # and after how many contractions
        self.counters: tuple[Counter, ...] = ()
        self.found: list[Contraction] = []
        self.turns = 0

    # --- statements ---------------------------------------------------------------------------------------------------

    def statement(self, one: ast.stmt) -> None:
        match one:
            case ast.For(orelse=[], target=ast.Name(id=name)):
                begin, length, step = self._turns(one.iter)
                counter = Counter(written_name(name), min(length, self.most))
                self._loop(one, counter, {name: counted(counter, begin, step)}, {})
            case ast.While(orelse=[]):
                self._while(one)
            case ast.Assign(targets=[ast.Name(), *_] as targets):
                value = self.value(one.value)
                for target in targets:
                    self._name(target, value if len(targets) == 1 else self._whole(one.value))
            case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Tuple(elts=values)) if len(names) == len(values):
                several = [self.value(value) for value in values]
                for each, value in zip(names, several, strict=True):
                    self._name(each, value)
            case ast.Assign(targets=[ast.Subscript() as target]):
                self._store(target, self._sum(self.value(one.value)), adds=False)
            case ast.AugAssign(op=ast.Add() | ast.Sub(), target=target) if self._is_array(target):
                sign = 1 if isinstance(one.op, ast.Add) else -1
                self._store(target, times(self._sum(self.value(one.value)), sign), adds=True)
            case ast.AugAssign(op=ast.Add(), target=ast.Name(id=name)):
                self._grow(name, self._number(self.value(one.value)))
            case ast.Pass() | ast.Expr(value=ast.Constant()):
                pass
            case _:
                raise cannot(one)

    def _name(self, target: ast.expr, value: Any) -> None:
        if not isinstance(target, ast.Name) or target.id in self.growing:
            raise cannot(target)
        self.set_name(target.id, value)

    def set_name(self, name: str, value: Any) -> None:
        """Note what a name stands for from here on."""
        self.names[name], self.depth[name], self.since[name] = value, len(self.counters), len(self.found)

    def _is_array(self, target: ast.expr) -> bool:
        """Whether what is changed is changed in place."""
        return isinstance(target, ast.Subscript) or isinstance(self.given.get(place_of(target)), np.ndarray)

    def _while(self, loop: ast.While) -> None:
        """A loop whose turns are counted by whole numbers, to each of which every turn adds the same."""
        changed, paces = stored(loop), {}
        often = collections.Counter(n.id for n in ast.walk(loop) if isinstance(n, ast.Name) and n.id in changed
                                    and isinstance(n.ctx, ast.Store))  # fmt: skip
        for one in loop.body:
            match one:
                case ast.AugAssign(op=ast.Add() | ast.Sub(), target=ast.Name(id=name), value=step) if often[name] == 1:
                    if name in self.names and not loaded(step) & changed:
                        pace, sign = self._whole(step), 1 if isinstance(one.op, ast.Add) else -1
                        paces[name] = AffineIndex(0).plus(pace, sign)
        begun = {name: self.names[name] for name in paces}
        if any(not isinstance(one, AffineIndex) for one in begun.values()) or any(p.multiples for p in paces.values()):
            raise cannot(loop)
        length = self._until(loop.test, begun, paces, changed)
        counter = Counter(written_name(min(paces)), min(length, self.most))
        numbers = {name: one.plus(counted(counter, step=paces[name].constant)) for name, one in begun.items()}
        self._loop(loop, counter, numbers, paces)
        for name, one in begun.items():
            self.set_name(name, one.plus(paces[name], counter.length))

    def _until(
        self, test: ast.expr, begun: Mapping[str, AffineIndex], paces: Mapping[str, AffineIndex], changed: Names
    ) -> int:
        """How many turns a loop has until a condition fails, one side of which grows by the same in each turn."""
        if not (isinstance(test, ast.Compare) and len(test.ops) == 1 and type(test.ops[0]) in _ORDERS) or not paces:
            raise cannot(test)
        if loaded(test) & (changed - paces.keys()):
            raise cannot(test)
        sign, strict = _ORDERS[type(test.ops[0])]
        ends = []
        for names in (begun, {name: one.plus(paces[name]) for name, one in begun.items()}):
            self.names |= names
            ends.append(self._whole(test.left).plus(self._whole(test.comparators[0]), -1).times(AffineIndex(sign)))
        first, pace = ends[0], ends[1].plus(ends[0], -1)  # it goes on while these are negative
        if first.multiples or pace.multiples:
            raise cannot(test)
        least = first.constant - (not strict)
        if least < 0 <= -pace.constant:
            raise LoopRefusal("it never ends", test)
        return 0 if least >= 0 else -(least // pace.constant)

    def _loop(
        self, loop: Loop, counter: Counter, own: Mapping[str, AffineIndex], paces: Mapping[str, AffineIndex]
    ) -> None:
        """The turns of a loop, in which these names count; those with a pace are added to by a statement."""
        outer, changed = self.counters, stored(loop)
        kept = {key: one for key, one in self.names.items() if key not in changed}
        for one in _growing(loop) & self.names.keys() - self.growing.keys() - own.keys():
            self.growing[one] = self._number(self.names[one]), self.depth[one]
        self.names = {**kept, **own}  # others are carried from turn to turn
        self.since |= dict.fromkeys(own, 0)
        self.counters = (*outer, counter)
        self.turns += math.prod(one.length for one in self.counters)
        for statement in loop.body:
            if isinstance(statement, ast.AugAssign) and (name := place_of(statement.target)) in paces:
                self.names[name] = self.names[name].plus(paces[name])
            else:
                self.statement(statement)
        self.counters, self.names = outer, kept
        for key in [key for key, (_, depth) in self.growing.items() if depth == len(outer)]:
            self.names[key], _ = self.growing.pop(key)

    def _grow(self, name: str, added: Sum) -> None:
        if name not in self.growing:
            if name not in self.names:
                raise LoopRefusal(f"{name} is carried from turn to turn")
            self.names[name] = self._number(self.names[name]) + added
            return
        total, depth = self.growing[name]
        inner = frozenset(self.counters[depth:])
        self.growing[name] = total + tuple(replace(one, over=one.over | inner) for one in added), depth

    def _store(self, node: ast.expr, value: Sum, *, adds: bool) -> None:
        target = self.value(node)
        if not isinstance(target, Elements):
            raise cannot(node)
        if len(value) > 1 and not value[0].factors and value[0].number == 0:
            value = value[1:]  # where a sum begins
        for term in value:
            self.found.append(Contraction(target, term.along(target.free), adds, self.counters))
            adds = True

    # --- expressions --------------------------------------------------------------------------------------------------

    def value(self, node: ast.expr) -> Any:
        """What an expression is: a whole number (AffineIndex), elements, a sum, a tuple, a number, or an object."""
        place = place_of(node)
        if isinstance(node, ast.Name) and node.id in self.names:
            return self._named(node.id)
        if place in self.given:
            return _entered(place, self.given[place])
        match node:
            case ast.Constant(value=int() as number) if not isinstance(number, bool):
                return AffineIndex(number)
            case ast.Constant(value=float() as number):
                return number
            case ast.UnaryOp(op=ast.USub()):
                value = self.value(node.operand)
                return value.times(AffineIndex(-1)) if isinstance(value, AffineIndex) else times(self._sum(value), -1)
            case ast.BinOp():
                return self._binary(node, self.value(node.left), self.value(node.right))
            case ast.Subscript():
                return self._part(self.value(node.value), node.slice)
            case ast.Attribute(attr="T") if isinstance(value := self.value(node.value), Elements):
                return replace(value, free=value.free[::-1])
            case ast.Call():
                return self._answer(node)
        raise cannot(node)

    def _answer(self, call: ast.Call) -> Any:
        """What a call gives."""
        function, method = self._called(call), call.func
        match function, call.args:
            case (np.sum, [one, *axes]):
                return self._total(call, self._sum(self.value(one)), axes)
            case (None, axes) if isinstance(method, ast.Attribute) and method.attr == "sum":
                return self._total(call, self._sum(self.value(method.value)), axes)
            case (builtins.len, [one]) if not call.keywords and isinstance(array := self.value(one), Elements):
                if not array.free:
                    raise cannot(call)
                return AffineIndex(array.free[0].length)
            case (builtins.float, [one]) if not call.keywords:
                return self._number(self.value(one))
            case (np.multiply, [one, other]) if not call.keywords:
                return product(self._sum(self.value(one)), self._sum(self.value(other)))
            case (np.dot | np.matmul, [one, other]) if not call.keywords:
                return matrices(self._sum(self.value(one)), self._sum(self.value(other)))
            case (np.tensordot, [one, other, *axes]):
                return along(self._sum(self.value(one)), self._sum(self.value(other)), summed_axes(call, axes))
        raise cannot(call)

    def _total(self, call: ast.Call, value: Sum, axes: Sequence[ast.expr]) -> Sum:
        """A sum along axes."""
        options = {one.arg: one.value for one in call.keywords}
        keeps, axis = options.pop("keepdims", None), options.pop("axis", axes[0] if axes else None)
        if options or len(axes) > 1 or not (keeps is None or isinstance(keeps, ast.Constant)):
            raise cannot(call)
        parts = axis.elts if isinstance(axis, ast.Tuple) else [axis] if axis is not None else []
        numbers = [self._whole(one) for one in parts if one is not None]
        if any(one.multiples for one in numbers):
            raise cannot(call)
        chosen = None if axis is None else [one.constant for one in numbers]
        return tuple(broadcast([one.added_up(chosen, keeps=bool(keeps and keeps.value)) for one in value]))

    def _named(self, name: str) -> Any:
        """The value of a name: what it was when the name was set, unless it is a view."""
        value = self.names[name]
        terms = (ProductTerm(1, (value,)),) if isinstance(value, Elements) and not value.free else value
        if isinstance(terms, tuple):
            changed = {one.target.place for one in self.found[self.since[name] :]}
            if any(isinstance(t, ProductTerm) and changed & {f.place for f in t.factors} for t in terms):
                raise LoopRefusal(f"{name} was computed from what is changed since")
        return value

    def _called(self, node: ast.Call) -> Any:
        return self.given.get(place_of(node.func))

    def _binary(self, node: ast.BinOp, left: Any, right: Any) -> Any:
        whole = isinstance(left, AffineIndex) and isinstance(right, AffineIndex)
        match node.op:
            case ast.Add() | ast.Sub():
                sign = 1 if isinstance(node.op, ast.Add) else -1
                return left.plus(right, sign) if whole else added(self._sum(left), times(self._sum(right), sign))
            case ast.MatMult():
                return matrices(self._sum(left), self._sum(right))
            case ast.Mult():
                return left.times(right) if whole else product(self._sum(left), self._sum(right))
            case ast.Div():
                number = right.constant if isinstance(right, AffineIndex) and not right.multiples else right
                if isinstance(number, int | float) and SMALLEST < abs(number) < LARGEST:
                    return times(self._sum(left), 1 / number)
            case ast.FloorDiv() | ast.Mod() if whole and not left.multiples and not right.multiples and right.constant:
                a, b = left.constant, right.constant
                return AffineIndex(a // b if isinstance(node.op, ast.FloorDiv) else a % b)
        raise cannot(node)

    def _sum(self, value: Any) -> Sum:
        """A value as a sum of terms."""
        if isinstance(value, tuple) and all(isinstance(one, ProductTerm) for one in value):
            return value
        if isinstance(value, Elements):
            return (ProductTerm(1, (value,), value.free),)
        if isinstance(value, AffineIndex) and not value.multiples:
            return (ProductTerm(value.constant, ()),)
        if isinstance(value, _NUMBERS):
            return (ProductTerm(value, ()),)
        raise LoopRefusal("it computes with something else than elements of arrays")

    def _number(self, value: Any) -> Sum:
        """A sum that is one number: an array would be changed in place."""
        found = self._sum(value)
        if any(one.free for one in found):
            raise LoopRefusal("it changes an array in place")
        return found

    def _part(self, owner: Any, index: ast.expr) -> Any:
        if isinstance(owner, tuple) and isinstance(number := self.value(index), AffineIndex) and not number.multiples:
            if not -len(owner) <= number.constant < len(owner):
                raise cannot(index)
            return _entered("", owner[number.constant])
        if not isinstance(owner, Elements):
            raise cannot(index)
        parts = index.elts if isinstance(index, ast.Tuple) else [index]
        axes = iter(owner.free)
        return owner.part([NEW_AXIS if self._is_none(one) else self._index(one, next(axes, None)) for one in parts])

    def _is_none(self, node: ast.expr) -> bool:
        return (isinstance(node, ast.Constant) and node.value is None) or self.given.get(place_of(node), 0) is None

    def _index(self, node: ast.expr, axis: Counter | None) -> Index:
        if axis is None:
            raise cannot(node)
        if not isinstance(node, ast.Slice):
            return self._whole(node)
        if node.lower is node.upper is node.step is None:
            return ALL
        begin = AffineIndex(0) if node.lower is None else self._whole(node.lower)
        end = AffineIndex(axis.length) if node.upper is None else self._whole(node.upper)
        step = AffineIndex(1) if node.step is None else self._whole(node.step)
        if not end.multiples and end.constant < 0:
            end = end.plus(AffineIndex(axis.length))
        if step.multiples:
            raise cannot(node)
        return begin, end, step.constant

    def _whole(self, node: ast.expr) -> AffineIndex:
        value = self.value(node)
        if not isinstance(value, AffineIndex):
            raise cannot(node)
        return value

    def _turns(self, node: ast.expr) -> tuple[int, int, int]:
        """The first number of a range, how many there are, and the step."""
        if not isinstance(node, ast.Call) or node.keywords:
            raise cannot(node)
        if self._called(node) is reversed and len(node.args) == 1:
            begin, length, step = self._turns(node.args[0])
            return begin + step * (length - 1), length, -step
        if self._called(node) is not range:
            raise cannot(node)
        ends = [self._whole(one) for one in node.args]
        if any(one.multiples for one in ends) or not 1 <= len(ends) <= 3:
            raise cannot(node)
        if len(ends) == 3 and ends[2].constant == 0:
            raise cannot(node)
        found = range(*(one.constant for one in ends))
        return found.start, len(found), found.step


def _growing(loop: Loop) -> set[str]:
    """The names that the turns of a loop add to."""
    changed = (one.target for one in ast.walk(loop) if isinstance(one, ast.AugAssign))
    return {one.id for one in changed if isinstance(one, ast.Name)}


def _entered(place: str, item: Any) -> Any:
    if isinstance(item, np.ndarray) and item.ndim and item.dtype.char in _LETTERS:
        axes = tuple(Counter(ELEMENTS, length) for length in item.shape)
        return Elements(place, tuple(map(counted, axes)), axes)
    if type(item) is int:
        return AffineIndex(item)
    if isinstance(item, (tuple, *_NUMBERS)):
        return item
    raise LoopRefusal(f"it computes with {place}")
