"""Candidates for a repair: the rows of the table at one expression, and the edits that no template describes.

What is tried and what is written are the same edit. It is tried with every part in parentheses, and written with as
few of them as keep its meaning.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from dout.check.repair.edits.computed_edits import Echoes, bias_sums, computed, echoed, spread, word_of_number
from dout.check.repair.edits.exchanged_parts import Terms
from dout.check.repair.edits.expression_places import ExpressionPlace
from dout.check.repair.edits.repair_table import KINDS, EditedSpot, RepairKind, TermNeed
from dout.check.repair.edits.seen_values import NOTHING, Seen, has_an_order, is_bool, is_float, is_number
from dout.check.repair.edits.source_edit import Edit, Slots

_STABLE = 0.3
_ELSEWHERE = 0.1  # a factor is likelier missing in what is assigned or returned than in a part of it
_OTHER_SHAPE, _MADE_HERE, _CALL = 0.05, 0.2, 0.3  # a term of another shape, a local name, and a call are less likely
_COMPOSED = 0.2  # so is what forward computes of several
_OF_ONES = 0.3  # what is 1 here may be a factor: another value in its place is right by chance
_UNREAD = 0.5  # a local name that nothing reads is likelier by so much
_KEPT = 0.45  # and another name in what is kept as it is, `self.x = x`
_ATOMS = (ast.Name, ast.Attribute, ast.Call, ast.Subscript, ast.Constant, ast.Tuple, ast.List)
_PRODUCTS = (ast.Mult, ast.Div, ast.Pow)
_NAMES = re.compile(r"[^\W\d]\w*")


def candidates(place: ExpressionPlace, seen: Seen, elsewhere: Echoes, most: float) -> Iterator[Edit]:
    """Every edit of an expression, and of the statement whose value it is, that costs at most `most`.

    Behind a loop nothing is meant by the last value of what it counts.
    """
    stale = place.stale
    found = _candidates(place, seen, elsewhere, most)
    yield from (e for e in found if stale.isdisjoint(_NAMES.findall(e.text))) if stale else found


def _candidates(place: ExpressionPlace, seen: Seen, elsewhere: Echoes, most: float) -> Iterator[Edit]:
    terms = _terms_by_need(place, seen)
    is_value = getattr(place.statement, "value", None) is place.node
    for node in (place.node, place.statement) if is_value else (place.node,):
        for kind, meant in _MATCHED.get(_key(node), ()):
            parts: dict[str, ast.AST] = {}
            if kind.cost <= most and _match(meant, node, place, parts):
                yield from _of_kind(kind, place, seen, terms, _slots_of(place, parts))
    own = _slots_of(place, {})
    for kind in (kind for spot in _spots(place, seen) for kind in _AT[spot] if kind.cost <= most):
        yield from _of_kind(kind, place, seen, terms, own)
    for cost, word, text, *run in computed(place, seen.ndim, seen.terms):
        yield Edit(place, cost, word, text, None, *run)
    for cost, word, template in (*echoed(place, elsewhere), *spread(place, seen.terms)):
        yield Edit(place, cost, word, template, {"x": place.text})


def _of_kind(
    kind: RepairKind, place: ExpressionPlace, seen: Seen, terms: Mapping[TermNeed, Terms], own: Slots
) -> Iterator[Edit]:
    """The edits of one row: one for each term, axis or length that its slots may take."""
    if not _applies(kind, place, seen):
        return
    cost, word = kind.cost, kind.word
    if kind.found is EditedSpot.WHOLE and not isinstance(place.parents[0], ast.stmt | ast.Tuple):
        cost += _ELSEWHERE
    if kind.found == "-a" and "abs(" in place.text:  # exp(-abs(x)) is meant to stay small
        cost += _STABLE
    if place.is_axis or (kind.found is EditedSpot.NUMBER and word == "factor"):
        word = word_of_number(place)
    if kind.lost in own:  # a factor of the product goes: what was it?
        word = next((_word_of_factor(place, t, v) for t, v in seen.terms if t == own[kind.lost]), word)
    mine = {name: text for name, text in own.items() if name in kind.slots}
    wanted = [slot for slot in _IN_SCOPE if slot in kind.slots]
    choices = [_IN_SCOPE[slot](kind, place, seen, terms) for slot in wanted]
    for chosen in itertools.product(*choices):
        slots = {**mine, **{slot: text for slot, (text, _) in zip(wanted, chosen, strict=True)}}
        more, said = 0.0, word
        if wanted[:1] == ["t"]:
            more = _handicap(kind, place, seen, *chosen[0])
            said = _word_of_factor(place, *chosen[0]) if kind.lost == "t" else word
        is_of_caller = kind.meant == "{a} += {b}" and own.get("a") in place.function.arguments
        meant = "{a} = {a} + {b}" if is_of_caller else kind.meant
        yield Edit(place, cost + more, said, meant, slots, kind.run)


# What a slot may be, as text with its value.
_IN_SCOPE: dict[str, Callable[[RepairKind, ExpressionPlace, Seen, Mapping[TermNeed, Terms]], Iterable[Any]]] = {
    "t": lambda kind, place, seen, terms: terms[kind.needs],
    "d": lambda kind, place, seen, terms: [t for t in terms[TermNeed.ALIKE] if t[0] == _upstream(place)],
    "i": lambda kind, place, seen, terms: _axes_of(kind, seen),
    "n": lambda kind, place, seen, terms: seen.lengths.items(),
    "m": lambda kind, place, seen, terms: _conditions(place, terms),
    "s": lambda kind, place, seen, terms: bias_sums(_upstream(place), seen.terms),
}


def _axes_of(kind: RepairKind, seen: Seen) -> list[tuple[str, int]]:
    """The axes of an expression, but for those of length 1 that a sum would keep: it does nothing along them."""
    lengths = enumerate(seen.shape or ())
    return [(str(axis), axis) for axis, n in lengths if n != 1 or "keepdims" not in kind.meant]


def _conditions(place: ExpressionPlace, terms: Mapping[TermNeed, Terms]) -> Iterator[tuple[str, Any]]:
    """Conditions on each element: masks by their names, and other arrays compared with 0."""
    yield from terms[TermNeed.MASK]
    arrays = ((text, value) for text, value in terms[TermNeed.ALIKE] if text != _upstream(place) and _is_signed(value))
    yield from ((f"{text} > 0", value) for text, value in arrays)


def _handicap(kind: RepairKind, place: ExpressionPlace, seen: Seen, text: str, value: Any) -> float:
    """What a term costs that is a local name, or of another shape; less, where nothing reads it, or it is kept."""
    if text in place.function.unread:
        return -_UNREAD
    if kind.meant == "{t}" and _is_kept(place):
        return -_KEPT
    is_swapped_one = kind.meant == "{t}" and isinstance(seen.value, np.ndarray) and bool(np.all(seen.value == 1))
    more = _COMPOSED * (text in seen.composed) + _OF_ONES * is_swapped_one
    if kind.found is EditedSpot.NAME:
        is_made_of_it = place.text in place.function.made_of.get(text, ())  # `dz = dout * mask`, and then `x.T @ dout`
        is_kept = is_made_of_it or text == "dout" or text in place.function.unpacked
        is_local = text in place.function.locals and not is_kept
        return _MADE_HERE * is_local + _CALL * ("(" in text) + more
    return more + _OTHER_SHAPE * (kind.needs is TermNeed.FITS and np.shape(value) != seen.shape)


def _is_kept(place: ExpressionPlace) -> bool:
    """Whether an expression is all that is kept in an attribute, or one of several."""
    outer = [parent for parent in place.parents[:-1] if not isinstance(parent, ast.Tuple | ast.List | ast.Dict)]
    targets = place.statement.targets if isinstance(place.statement, ast.Assign) else []
    return not outer and any(isinstance(target, ast.Attribute) for target in targets)


def _slots_of(place: ExpressionPlace, parts: Mapping[str, ast.AST]) -> dict[str, str]:
    """The slots that the expression itself fills."""
    node, slots = place.node, {"x": place.text}
    for name, part in parts.items():
        text = slots[name] = place.function.source.segment(part)
        atom = text if isinstance(part, _ATOMS) else f"({text})"
        plain = text.removesuffix(".T").removesuffix(turned := place.function.turned)
        slots[f"{name}T"] = plain if plain != text else f"{atom}{turned}"
    product = isinstance(node, _ATOMS) or (isinstance(node, ast.BinOp) and isinstance(node.op, _PRODUCTS))
    return {**slots, "p": place.text if product else f"({place.text})"}


# --- when a row applies -----------------------------------------------------------------------------------------------


def _spots(place: ExpressionPlace, seen: Seen) -> Iterator[EditedSpot]:
    """The kinds of places that an expression is."""
    node, value = place.node, seen.value
    literal = isinstance(node.operand if isinstance(node, ast.UnaryOp) else node, ast.Constant)
    floats = is_float(value) or (isinstance(value, np.ndarray) and not is_bool(value))
    if isinstance(node, ast.Name | ast.Attribute | ast.Subscript):
        yield EditedSpot.NAME
        if floats:
            yield EditedSpot.FLOATS
    if floats and isinstance(node, ast.BinOp | ast.UnaryOp | ast.Call) and place.is_operand_of(ast.Mult, ast.Div):
        yield EditedSpot.FACTOR
    if isinstance(place.parents[0], ast.For) and has_an_order(value) and place.called != "reversed":
        yield EditedSpot.TURNS
    if type(value) is int and not literal and not place.is_operand_of(*_PRODUCTS):
        yield EditedSpot.COUNT
    if literal and is_number(value) and place.is_operand_of(ast.Mult):
        yield EditedSpot.MULTIPLIER
    if is_bool(value):
        yield EditedSpot.CONDITION if np.ndim(value) else EditedSpot.FLAG
    elif literal and is_number(value) and _may_lack_a_factor(place):
        yield EditedSpot.NUMBER
    elif (floats or type(value) is int) and _may_lack_a_factor(place):
        if floats:
            yield EditedSpot.WHOLE
        parent = place.parents[0]
        if isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Div):
            yield EditedSpot.DENOMINATOR


def _may_lack_a_factor(place: ExpressionPlace) -> bool:
    """Whether an expression is assigned, returned, added, summed or divided by, and not itself a factor.

    So is either value of `… if … else …`.
    """
    node, parents = place.node, place.parents
    while isinstance(parents[0], ast.IfExp) and parents[0].test is not node:
        node, parents = parents[0], parents[1:]
    parent = parents[0]
    if isinstance(parent, ast.stmt):
        return isinstance(parent, ast.Assign | ast.AugAssign | ast.Return | ast.Expr)
    if isinstance(parent, ast.BinOp):
        below = isinstance(parent.op, ast.Div) and parent.right is node
        return below or isinstance(parent.op, ast.Add | ast.Sub | ast.MatMult)
    if isinstance(parent, ast.Tuple) and len(parents) == 2:
        return isinstance(parents[1], ast.Return | ast.Assign)
    if isinstance(parent, ast.GeneratorExp | ast.ListComp):
        return parent.elt is node
    if isinstance(parent, ast.List | ast.Tuple):  # it is joined with others
        return len(parents) > 1 and isinstance(parents[1], ast.Call)
    return isinstance(parent, ast.Call | ast.UnaryOp) or (isinstance(parent, ast.Attribute) and parent.value is node)


def _applies(kind: RepairKind, place: ExpressionPlace, seen: Seen) -> bool:
    if kind.needs is TermNeed.AXES:
        return seen.ndim > 0
    if kind.needs is TermNeed.MATRICES:
        return seen.ndim > 2
    if kind.needs is TermNeed.MATRIX:
        return seen.ndim == 2 and not place.is_transposed
    if kind.needs is TermNeed.SIGNED and "t" not in kind.slots:
        return _is_signed(seen.value)
    return not (kind.meant == "-{p}" and isinstance(place.node, ast.UnaryOp))


def _terms_by_need(place: ExpressionPlace, seen: Seen) -> dict[TermNeed, list[tuple[str, Any]]]:
    """The terms in scope that may stand in slot {t}, by the condition of a row."""
    found: dict[TermNeed, list[tuple[str, Any]]] = {need: [] for need in TermNeed}
    of_self, holds_booleans = place.text.startswith("self."), is_bool(seen.value)
    rows = [(f"{text}[..., None]", value[..., None]) for text, value in seen.terms if _is_of_rows(value, seen.shape)]
    for text, value in (*seen.terms, *rows):
        shape, mask = np.shape(value), is_bool(value)
        tells = mask or bool(np.max(np.abs(value), initial=0) > NOTHING)
        alike, fits = shape == seen.shape, _broadcast(shape, seen.shape)
        needs = {
            TermNeed.FITS: fits and not mask and tells,
            TermNeed.ALIKE: alike and not mask and type(value) is not int,
            TermNeed.UNREAD: alike and not mask and text in place.function.unread,
            TermNeed.MASK: fits and mask,
            TermNeed.ARRAY: isinstance(value, np.ndarray) and not mask,
            TermNeed.SIGNED: _is_signed(value),
            TermNeed.COUNTING: type(value) is int and "." not in text.removeprefix("self."),
            TermNeed.SCALAR: not shape and not mask and abs(value) not in (0, 1),
            TermNeed.SAME_KIND: alike and mask == holds_booleans and tells,
            TermNeed.OTHER_KIND: alike and mask != holds_booleans and bool(shape),  # of flags nothing is meant
            TermNeed.KEPT: not alike and of_self and text.startswith("self."),
            TermNeed.ANOTHER: not alike and isinstance(value, np.ndarray) and not mask and bool(shape),
            TermNeed.LABELS: _are_labels(value, seen.shape),
        }
        for need in needs if text != place.text else ():
            found[need] += [(text, value)] if needs[need] else []
    return found


def _is_signed(value: Any) -> bool:
    """Whether an array has numbers above 0 and others: what tells the one from the other is a mask."""
    is_array = isinstance(value, np.ndarray) and value.dtype.kind in "iuf"
    return is_array and bool(np.any(value > 0)) and not bool(np.all(value > 0))


def _is_of_rows(value: Any, shape: tuple[int, ...] | None) -> bool:
    """Whether it holds a number for each row of an array of this shape."""
    return isinstance(value, np.ndarray) and value.ndim > 0 and shape is not None and value.shape == shape[:-1]


def _are_labels(value: Any, shape: tuple[int, ...] | None) -> bool:
    """Whether it says for each row of an array of this shape one of its places."""
    is_whole = isinstance(value, np.ndarray) and value.dtype.kind in "iu" and value.size > 0
    return is_whole and _is_of_rows(value, shape) and shape is not None and 0 <= value.min() <= value.max() < shape[-1]


def _broadcast(one: tuple[int, ...], other: tuple[int, ...] | None) -> bool:
    return other is not None and all(1 in (n, m) or n == m for n, m in zip(one[::-1], other[::-1], strict=False))


def _upstream(place: ExpressionPlace) -> str:
    """The name of the upstream gradient in this function."""
    names = [argument.arg for argument in place.function.node.args.args if argument.arg != "self"]
    return names[0] if names and "dout" not in names else "dout"


def _word_of_factor(place: ExpressionPlace, text: str, value: Any) -> str:
    """The word for this factor being missing."""
    if text == _upstream(place) and not any(
        isinstance(n, ast.Name) and n.id == text for n in ast.walk(place.statement)
    ):
        return "ignores dout"
    array = np.asarray(value)
    masks = array.dtype == bool or (array.size > 1 and bool(np.all((array == 0) | (array == 1))))
    return "mask" if masks or "mask" in text else "factor"


# --- patterns ---------------------------------------------------------------------------------------------------------


def _match(meant: Any, node: Any, place: ExpressionPlace, parts: dict[str, ast.AST]) -> bool:
    """Whether a syntax is that of a pattern; `parts` gets what the letters of the pattern stand for."""
    if isinstance(meant, ast.Name):
        if not isinstance(node, ast.expr) or (meant.id == "np") != place.function.is_module(node):
            return False
        parts[meant.id] = node
        return not isinstance(node, ast.Tuple)
    if isinstance(meant, ast.Call):
        if not isinstance(node, ast.Call) or not _match(meant.func, node.func, place, parts):
            return False
        more = bool(meant.args) and isinstance(meant.args[-1], ast.Constant)  # the dots
        arguments = meant.args[:-1] if more else meant.args
        right = len(node.args) >= len(arguments) if more else (len(node.args) == len(arguments) and not node.keywords)
        return right and all(map(_match, arguments, node.args, itertools.repeat(place), itertools.repeat(parts)))
    if isinstance(meant, list):
        return len(meant) == len(node) and all(_match(m, n, place, parts) for m, n in zip(meant, node, strict=True))
    if isinstance(meant, ast.AST):
        fields = (f for f in meant._fields if f not in ("ctx", "type_comment"))
        return type(meant) is type(node) and all(
            _match(getattr(meant, f), getattr(node, f), place, parts) for f in fields
        )
    return bool(meant == node)


def _key(node: Any) -> tuple[Any, ...]:
    """What a syntax and the patterns that may match it have in common."""
    if isinstance(node, ast.Compare):
        return ast.Compare, type(node.ops[0])
    if isinstance(node, ast.Call):
        return ast.Call, getattr(node.func, "attr", None)
    return type(node), type(node.op) if hasattr(node, "op") else getattr(node, "attr", None)


_AT: dict[EditedSpot, list[RepairKind]] = {spot: [k for k in KINDS if k.found is spot] for spot in EditedSpot}
_MATCHED: dict[tuple[Any, ...], list[tuple[RepairKind, ast.AST]]] = {}
for _kind in KINDS:
    if isinstance(_kind.found, str):
        (_statement,) = ast.parse(_kind.found).body
        _meant = _statement.value if isinstance(_statement, ast.Expr) else _statement
        _MATCHED.setdefault(_key(_meant), []).append((_kind, _meant))
