"""What a loop goes over: how many turns there are, and what each of them gives."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from dout.engine.loop_source.loop_refusal import LoopRefusal
from dout.engine.loop_source.surroundings import place_of
from dout.engine.loops.loop_expressions import Expressions
from dout.engine.loops.loop_values import GIVEN, Items, Known, LoopArray, LoopNumber, Value, literal

_LISTED = 16  # items: each is a condition at each turn, which LLVM unrolls
Turns = tuple[str, Callable[[str], Value]]  # the number of turns, and what one gives, from the text of its number


def turns(reader: Expressions, node: ast.expr) -> Turns:
    """The turns of a loop over an expression. LoopRefusal if it is none that a kernel can take."""
    how = _WAYS.get(_called(reader, node))
    if how is not None:
        assert isinstance(node, ast.Call)
        if node.keywords or not node.args:
            raise LoopRefusal(f"it goes over {ast.unparse(node)}"[:80], node)
        return how(reader, node)
    if isinstance(node, ast.Tuple | ast.List):
        return _listed(reader, node)
    array = reader.value(node)
    if not isinstance(array, LoopArray) or not array.lengths or not array.view:
        raise LoopRefusal(f"it goes over {ast.unparse(node)}"[:80], node)
    return array.lengths[0], lambda counter: _element(reader, array, counter)


def _called(reader: Expressions, node: ast.expr) -> object:
    if not isinstance(node, ast.Call) or not place_of(node.func):
        return None
    value = reader.value(node.func)
    return value.item if isinstance(value, Known) and isinstance(value.item, type) else None


def _element(reader: Expressions, array: LoopArray, counter: str) -> Value:
    index = reader.text.let("j", counter)
    return reader.part(replace(array, lengths=array.lengths[1:], element=lambda at: array.element([index, *at])))


def _listed(reader: Expressions, node: ast.Tuple | ast.List) -> Turns:
    if not 0 < len(node.elts) <= _LISTED:
        raise LoopRefusal(f"it goes over {ast.unparse(node)}"[:80], node)
    items = [_held(reader, reader.value(one)) for one in node.elts]
    return str(len(items)), lambda counter: _chosen(node, items, counter)


def _held(reader: Expressions, value: Value) -> Value:
    """A value that stays what it is when names are set anew; what stands in the code does."""
    if isinstance(value, Items):
        return Items(tuple(_held(reader, one) for one in value.items))
    if isinstance(value, LoopNumber) and not re.fullmatch(r"np\.\w+\(-?[\d.e+-]+\)", value.text):
        return replace(value, text=reader.text.let("x", value.text))
    return value


def _chosen(node: ast.expr, items: Sequence[Value], counter: str) -> Value:
    """The item of a turn."""
    if all(isinstance(one, Items) for one in items):
        columns = [one.items for one in items if isinstance(one, Items)]
        if len({len(one) for one in columns}) == 1:
            return Items(tuple(_chosen(node, column, counter) for column in zip(*columns, strict=True)))
    numbers = [one for one in items if isinstance(one, LoopNumber)]
    if len(numbers) < len(items) or len({one.kinds for one in numbers}) > 1:
        raise LoopRefusal(f"it goes over {ast.unparse(node)}"[:80], node)
    text = numbers[-1].text
    for i, one in reversed(list(enumerate(numbers[:-1]))):
        text = f"({one.text} if {counter} == {i} else {text})"
    return LoopNumber(text, numbers[0].kinds, max(n.bits for n in numbers), all(n.natural for n in numbers))


def _range(reader: Expressions, node: ast.Call) -> Turns:
    given = [reader.whole(one) for one in node.args]
    if len(given) > 3:
        raise LoopRefusal("it calls range", node)
    zero, one, text = literal(0), literal(1), reader.text
    first, last, step = {1: (zero, *given, one), 2: (*given, one), 3: tuple(given)}[len(given)]
    begin, pace = ("" if n.text == usual.text else text.let("r", n.text) for n, usual in ((first, zero), (step, one)))
    end = text.let("r", last.text)
    if pace:
        text.leave_if(f"{pace} == 0")
        count = text.let("n", f"len(range({begin or zero.text}, {end}, {pace}))")
    else:
        count = text.count(begin or "0", end)
    bits, natural = max(first.bits, last.bits, GIVEN), first.natural and step.natural

    def item(counter: str) -> Value:
        found = f"{counter} * {pace}" if pace else counter
        return LoopNumber(f"({begin} + {found})" if begin else found, frozenset(["int"]), bits, natural)

    return count, item


def _reversed(reader: Expressions, node: ast.Call) -> Turns:
    if len(node.args) != 1 or _called(reader, node.args[0]) not in (None, range):
        raise LoopRefusal(f"it goes over {ast.unparse(node)}"[:80], node)
    count, item = turns(reader, node.args[0])
    return count, lambda counter: item(f"({count} - 1 - {counter})")


def _enumerated(reader: Expressions, node: ast.Call) -> Turns:
    if len(node.args) != 1:
        raise LoopRefusal("it calls enumerate with a start", node)
    count, item = turns(reader, node.args[0])
    return count, lambda counter: Items((LoopNumber(counter, frozenset(["int"]), GIVEN, True), item(counter)))


def _zipped(reader: Expressions, node: ast.Call) -> Turns:
    several = [turns(reader, one) for one in node.args]
    found = several[0][0]
    for count, _ in several[1:]:
        found = reader.text.let("n", f"{found} if {found} < {count} else {count}")
    return found, lambda counter: Items(tuple(item(counter) for _, item in several))


def _places(reader: Expressions, node: ast.Call) -> Turns:
    """The places in an array, of `np.ndindex(rows, columns)` or `np.ndindex(x.shape)`: the last number moves first."""
    shape = reader.value(node.args[0]) if len(node.args) == 1 else None
    given = shape.items if isinstance(shape, Items) else tuple(reader.whole(one) for one in node.args)
    if not all(isinstance(one, LoopNumber) and one.kinds == {"int"} for one in given) or not given:
        raise LoopRefusal(f"it goes over {ast.unparse(node)}"[:80], node)
    text, numbers = reader.text, [one for one in given if isinstance(one, LoopNumber)]
    lengths = [text.let("n", one.text) for one in numbers]
    for length in lengths:
        text.leave_if(f"{length} < 0")

    def item(counter: str) -> Value:
        found, rest = list[Value](), counter
        for one, length in list(zip(numbers, lengths, strict=True))[:0:-1]:
            found.append(LoopNumber(f"({rest} % {length})", frozenset(["int"]), one.bits, one.natural))
            rest = f"({rest} // {length})"
        return Items((LoopNumber(rest, frozenset(["int"]), numbers[0].bits, numbers[0].natural), *reversed(found)))

    return text.let("n", " * ".join(lengths)), item


_WAYS: dict[object, Callable[[Expressions, ast.Call], Turns]] = {
    range: _range,
    reversed: _reversed,
    enumerate: _enumerated,
    zip: _zipped,
    np.ndindex: _places,
}
