"""Expressions in a loop: from the user's syntax to values, with the lines that they need before them."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import numpy as np

from dout.engine.loop_source.loop_refusal import LoopRefusal, cannot
from dout.engine.loop_source.surroundings import place_of
from dout.engine.loops.loop_functions import LoopFunctions
from dout.engine.loops.loop_text import LoopText
from dout.engine.loops.loop_values import ONE, Items, Known, LoopArray, LoopNumber, Value, literal, stored

SIGNS: dict[type[ast.AST], str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%", ast.Pow: "**",
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=",
}  # fmt: skip
_TRUTHS = frozenset({"bool", "?"})


class Expressions:
    """Values of expressions. `names` are those of the loop itself, `outside` what does not change in it."""

    def __init__(self, text: LoopText, outside: Mapping[str, Value]) -> None:
        self.text = text
        self.outside = outside
        self.names: dict[str, Value] = {}
        self.functions = LoopFunctions(text)

    def value(self, node: ast.expr) -> Value:
        """What an expression stands for."""
        if (place := place_of(node)) in self.outside and not (isinstance(node, ast.Name) and node.id in self.names):
            return self.outside[place]
        answer = getattr(self, f"_{type(node).__name__.lower()}", None)
        if answer is None:
            raise cannot(node)
        found: Value = answer(node)
        return found

    def number(self, node: ast.expr) -> LoopNumber:
        """An expression that is a number."""
        found = self.value(node)
        if not isinstance(found, LoopNumber):
            raise LoopRefusal(f"{ast.unparse(node)} is no number"[:80], node)
        return found

    def whole(self, node: ast.expr) -> LoopNumber:
        """An expression that is a whole number of Python's, or one of NumPy's."""
        found = self.number(node)
        if not found.is_whole:
            raise LoopRefusal(f"{ast.unparse(node)} is no whole number"[:80], node)
        return found

    def condition(self, node: ast.expr) -> str:
        """The text of a condition."""
        if isinstance(node, ast.BoolOp):
            return self._one_by_one(node)[0]
        return _truth(self.number(node))

    def counts(self, node: ast.expr) -> bool:
        """Whether an expression is made of whole numbers and lengths alone, which no rounding changes."""
        place = place_of(node)
        if place in self.outside or place in self.names:
            known = self.names.get(place, self.outside.get(place))
            return isinstance(known, Items) or (isinstance(known, LoopNumber) and known.is_whole)
        match node:
            case ast.Attribute(attr="shape" | "size" | "ndim") | ast.Constant(value=int()):
                return True
            case ast.Call(func=ast.Name(id="len")):
                return True
            case ast.BinOp(op=ast.Add() | ast.Sub() | ast.Mult() | ast.FloorDiv() | ast.Mod()):
                return self.counts(node.left) and self.counts(node.right)
            case ast.Subscript():
                return self.counts(node.value)
        return False

    def _name(self, node: ast.Name) -> Value:
        if node.id not in self.names:
            raise LoopRefusal(f"{node.id} is not known", node)
        return self.names[node.id]

    def _constant(self, node: ast.Constant) -> Value:
        return literal(node.value) if type(node.value) in (int, float, bool) else Known(node.value)

    def _tuple(self, node: ast.Tuple) -> Value:
        return Items(tuple(self.value(item) for item in node.elts))

    def _binop(self, node: ast.BinOp) -> Value:
        one, other = self.value(node.left), self.value(node.right)
        if isinstance(node.op, ast.MatMult):
            return self.functions.call(np.dot, [one, other], {})
        if type(node.op) not in SIGNS:
            raise cannot(node)
        return self.functions.binary(SIGNS[type(node.op)], one, other)

    def _unaryop(self, node: ast.UnaryOp) -> Value:
        if isinstance(node.op, ast.Not):
            return LoopNumber(f"(not {self.condition(node.operand)})", frozenset(["bool"]))
        one = self.value(node.operand)
        if not isinstance(node.op, ast.USub) or not isinstance(one, LoopNumber | LoopArray):
            raise cannot(node)
        if isinstance(node.operand, ast.Constant) and isinstance(one, LoopNumber) and one.kinds <= {"int", "float"}:
            return literal(-node.operand.value)  # type: ignore[operator]
        return self.functions.negative(one)

    def _compare(self, node: ast.Compare) -> Value:
        if len(node.ops) > 1 and all(isinstance(part, ast.Name | ast.Constant) for part in node.comparators[:-1]):
            parts = [node.left, *node.comparators]
            pairs = [ast.Compare(a, [op], [b]) for a, op, b in zip(parts, node.ops, node.comparators, strict=False)]
            return self._boolop(ast.BoolOp(ast.And(), list(pairs)))  # 0 <= i < n
        sign = SIGNS.get(type(node.ops[0]))
        if len(node.ops) > 1 or sign is None:
            raise cannot(node)
        return self.functions.compared(sign, self.value(node.left), self.value(node.comparators[0]))

    def _boolop(self, node: ast.BoolOp) -> Value:
        name, kinds = self._one_by_one(node)
        if not kinds <= _TRUTHS:
            raise LoopRefusal(f"{ast.unparse(node)} is a number"[:80], node)
        return LoopNumber(name, kinds)

    def _one_by_one(self, node: ast.BoolOp) -> tuple[str, frozenset[str]]:
        """One part after the other, as far as Python goes: the name of what it comes to, and the kinds of the parts."""
        found = self.number(node.values[0])
        name, kinds = self.text.let("c", _truth(found)), found.kinds
        with ExitStack() as inner:
            for part in node.values[1:]:
                inner.enter_context(self.text.inside(f"if {'' if isinstance(node.op, ast.And) else 'not '}{name}:"))
                found = self.number(part)
                kinds |= found.kinds
                self.text.add(f"{name} = {_truth(found)}")
        return name, kinds

    def _ifexp(self, node: ast.IfExp) -> Value:
        name, condition = self.text.new("x"), self.condition(node.test)
        start = len(self.text.lines)
        found: list[LoopNumber] = []
        for attempt in range(2):  # the form is known after both
            del self.text.lines[start:]
            forms = stored(frozenset().union(*(n.kinds for n in found)), max(n.bits for n in found)) if attempt else ""
            found = []
            for head, part in ((f"if {condition}:", node.body), ("else:", node.orelse)):
                with self.text.inside(head):
                    one = self.number(part)
                    found.append(one)
                    self.text.add(f"{name} = {one.to(forms) if forms else one.text}")
        return LoopNumber(name, found[0].kinds | found[1].kinds, max(one.bits for one in found))

    def _attribute(self, node: ast.Attribute) -> Value:
        owner = self.value(node.value)
        if isinstance(owner, LoopArray):
            lengths = tuple(LoopNumber(f"np.int64({n})", frozenset(["int"]), 31, True) for n in owner.lengths)
            if node.attr == "shape":
                return Items(lengths)
            if node.attr == "ndim":
                return literal(len(lengths))
            if node.attr == "size":
                return LoopNumber(" * ".join(n.text for n in lengths).join("()") or "1", frozenset(["int"]), 40, True)
            if node.attr == "T":
                return self._turned(owner)
        raise cannot(node)

    @staticmethod
    def _turned(array: LoopArray) -> LoopArray:
        in_order = array.in_order and len(array.lengths) < 2
        return replace(
            array, lengths=array.lengths[::-1], element=lambda at: array.element(at[::-1]), in_order=in_order
        )

    def _call(self, node: ast.Call) -> Value:
        if any(isinstance(one, ast.Starred) for one in node.args) or any(key.arg is None for key in node.keywords):
            raise cannot(node)
        options = {str(key.arg): self._option(key.value) for key in node.keywords}
        if "out" in options:
            raise cannot(node)
        place = place_of(node.func)
        if isinstance(node.func, ast.Attribute) and place not in self.outside:
            owner = self.value(node.func.value)
            return self.functions.method(owner, node.func.attr, [self.value(one) for one in node.args], options)
        function = self.value(node.func)
        if not isinstance(function, Known):
            raise cannot(node)
        return self.functions.call(function.item, [self.value(one) for one in node.args], options)

    def _option(self, node: ast.expr) -> Any:
        try:
            return ast.literal_eval(node)
        except ValueError:
            raise LoopRefusal(f"the option {ast.unparse(node)} is not known"[:80], node) from None

    # --- elements and slices ------------------------------------------------------------------------------------------

    def _subscript(self, node: ast.Subscript) -> Value:
        owner = self.value(node.value)
        if isinstance(owner, Items):
            at = ast.literal_eval(node.slice) if isinstance(node.slice, ast.Constant | ast.UnaryOp) else None
            if type(at) is not int or not -len(owner.items) <= at < len(owner.items):
                raise cannot(node)
            return owner.items[at]
        if not isinstance(owner, LoopArray):
            raise cannot(node)
        return self.part(self.place(owner, node.slice))

    def place(self, array: LoopArray, key: ast.expr) -> LoopArray:
        """The part of an array that a key chooses, also where it is a single element."""
        keys = list(key.elts) if isinstance(key, ast.Tuple) else [key]
        dots = [i for i, one in enumerate(keys) if isinstance(one, ast.Constant) and one.value is Ellipsis]
        given = sum(not _is(one, None) and not _is(one, Ellipsis) for one in keys)
        missing = len(array.lengths) - given
        if missing < 0 or len(dots) > 1:
            raise LoopRefusal(f"[{ast.unparse(key)}] has more places than the array has axes"[:80], key)
        fill: list[ast.expr] = [ast.Slice() for _ in range(missing)]
        keys = keys[: dots[0]] + fill + keys[dots[0] + 1 :] if dots else keys + fill
        return self._chosen(array, keys)

    def part(self, chosen: LoopArray) -> Value:
        """A part of an array as a value: a single element is a number."""
        if chosen.lengths:
            return chosen
        return LoopNumber(self.text.let("x", chosen.element(())), frozenset([chosen.letter]))

    def _chosen(self, array: LoopArray, keys: Sequence[ast.expr]) -> LoopArray:
        places: list[tuple[str, str, str] | str] = []  # first, step, axis of the result; or one index
        lengths: list[str] = []
        axis = 0
        whole = True
        for key in keys:
            if _is(key, None):
                lengths.append(ONE)
                continue
            length = array.lengths[axis]
            axis += 1
            if isinstance(key, ast.Slice):
                first, count, step = self._slice(key, length)
                places.append((first, step, str(len(lengths))))
                lengths.append(count)
                whole = whole and count == length
            else:
                places.append(self.text.index(self.whole(key), length))

        def element(at: Sequence[str]) -> str:
            own = []
            for place in places:
                if isinstance(place, str):
                    own.append(place)
                else:
                    first, step, along = place
                    index = at[int(along)] if step == ONE else f"{at[int(along)]} * {step}"
                    own.append(index if first == "0" else f"{first} + {index}")
            return array.element(own)

        return replace(array, lengths=tuple(lengths), element=element)

    def _slice(self, key: ast.Slice, length: str) -> tuple[str, str, str]:
        """First element, number of elements and step."""
        if key.lower is None and key.upper is None and key.step is None:
            return "0", length, ONE
        step = ONE
        if key.step is not None and not _is(key.step, None):
            step = self.text.let("q", self.whole(key.step).text)
            self.text.leave_if(f"{step} <= 0")
        ends = (key.lower, key.upper)
        lower, upper = (None if end is None or _is(end, None) else self.whole(end) for end in ends)
        first = self.text.end(lower, length) if lower else "0"
        last = self.text.end(upper, length) if upper else length
        count = self.text.count(first, last, step)
        if lower and upper and step == ONE:
            self.text.expect(count, lower.text, upper.text)
        return first, count, step


def _truth(number: LoopNumber) -> str:
    return number.text if number.kinds <= _TRUTHS else f"({number.text} != 0)"


def _is(node: ast.expr, value: Any) -> bool:
    return isinstance(node, ast.Constant) and node.value is value
