"""The edits that no template describes: other axes, numbers, functions and orders, and what is written elsewhere."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import FunctionType
from typing import Any

import numpy as np

from dout.adapt.source.syntax import name_of
from dout.check.repair.edits.exchanged_parts import Found, Terms, exchanged, of_parts
from dout.check.repair.edits.expression_places import ExpressionPlace, ScratchFunction
from dout.check.repair.edits.parsed_file import ParsedFile
from dout.check.repair.edits.repair_table import OTHER_FUNCTIONS
from dout.check.repair.edits.written_targets import of_target, slices_elsewhere

_MOST_LENGTHS = 4
_KEEPING = frozenset(
    {"len", "int", "float", "range", "reversed", "enumerate", "zeros", "ones", "empty", "arange", "eye"}
)


def computed(place: ExpressionPlace, ndim: int, terms: Terms) -> Found:
    """Every edit of this kind of an expression, whose value has `ndim` axes, with the `terms` in scope there."""
    for edits in _BY_SYNTAX.get(type(place.node), ()):
        yield from edits(place, place.node, ndim)
    yield from _unpacked(place)
    yield from of_target(place, terms)
    yield from _unpadded(place, ndim, terms)
    yield from of_parts(place, terms)


# --- calls ------------------------------------------------------------------------------------------------------------


def _other_arguments(place: ExpressionPlace, node: ast.Call, ndim: int) -> Found:
    """Another axis, keepdims or ddof."""
    for keyword in node.keywords:
        mine = ast.unparse(keyword.value)
        if keyword.arg in ("axis", "axes"):
            yield from ((1.0, "axis", place.replaced(keyword.value, a)) for a in _axes(ndim + 2) if a != mine)
        elif keyword.arg == "keepdims" and mine in ("True", "False"):
            yield 1.0, "broadcast", place.replaced(keyword.value, repr(mine == "False"))
        elif keyword.arg == "ddof":
            yield from ((1.0, "factor", place.replaced(keyword.value, n)) for n in "01")


def _axes(ndim: int) -> Iterator[str]:
    yield from (*map(str, range(min(ndim, 4))), "-1", "None")
    yield from (f"({i}, {j})" for i, j in itertools.combinations(range(ndim), 2))
    yield from ("(0, 2, 3)", "(0, 1, 2)") if ndim > 3 else ()


def _more_arguments(place: ExpressionPlace, node: ast.Call, ndim: int) -> Found:
    """An axis, or keepdims, where there is none."""
    if place.called not in ("sum", "mean", "max", "min") or not place.text.endswith(")"):
        return
    given = {keyword.arg for keyword in node.keywords}
    on_module = isinstance(node.func, ast.Attribute) and place.function.is_module(node.func.value)
    comma = ", " if node.keywords or node.args else ""
    if "keepdims" not in given:
        yield 1.1, "broadcast", f"{place.text[:-1]}{comma}keepdims=True)"
    if "axis" not in given and len(node.args) <= on_module:
        for axis, keep in itertools.product(("0", "1", "-1"), ("", ", keepdims=True")):
            yield 1.2, "axis", f"{place.text[:-1]}{comma}axis={axis}{keep})"
        for some in (*itertools.combinations(range(4), 2), *itertools.combinations(range(4), 3)):
            yield 1.3, "axis", f"{place.text[:-1]}{comma}axis={some})"


def _other_function(place: ExpressionPlace, node: ast.Call, ndim: int) -> Found:
    """A function that is easily taken for this one, or none."""
    is_function = isinstance(node.func, ast.Name) or place.is_of_module
    if is_function and len(node.args) == 1 and not node.keywords and place.called not in _KEEPING:
        yield 1.5, "formula", place.function.source.segment(node.args[0])
    word, others = OTHER_FUNCTIONS.get(place.called, ("", ()))
    if isinstance(node.func, ast.Attribute):
        before = place.function.source.segment(node.func.value)
        yield from ((1.1, word, place.replaced(node.func, f"{before}.{other}")) for other in others)


def _other_order(place: ExpressionPlace, node: ast.Call, ndim: int) -> Found:
    """Axes in another order; of what is reshaped, to axes in another order that are then put in this one."""
    if place.called not in ("transpose", "moveaxis", "swapaxes", "reshape"):
        return
    parts = [e for a in node.args for e in (a.elts if isinstance(a, ast.Tuple | ast.List) else [a])]
    plain = [p for p in parts if isinstance(p, ast.Constant | ast.UnaryOp | ast.Name | ast.Attribute)]
    yield from ((1.2, "transpose", text) for text in exchanged(place, node, plain))
    if place.called == "transpose" and len(plain) == len(parts) in (3, 4):
        texts = [place.function.source.segment(part) for part in parts]
        for order in itertools.permutations(range(len(parts))):
            if sum(i != axis for i, axis in enumerate(order)) > 2:  # two are exchanged above
                moved = {part: texts[i] for part, i in zip(parts, order, strict=True)}
                yield 1.3, "transpose", place.function.source.with_parts(node, moved)
    is_turned = isinstance(place.parents[0], ast.Attribute) and place.parents[0].attr == "transpose"
    if place.called == "reshape" and len(plain) == len(parts) in (3, 4) and not is_turned:
        yield from ((1.35, "transpose", text) for text in _transposed(place, node, plain))


def _other_letters(place: ExpressionPlace, node: ast.Call, ndim: int) -> Found:
    """Two operands of einsum exchanged, or two letters in its subscripts; another letter for one that stands alone."""
    if place.called != "einsum" or not node.args or not isinstance(node.args[0], ast.Constant):
        return
    yield from ((1.1, "transpose", text) for text in exchanged(place, node, node.args[1:]))
    spec = str(node.args[0].value)
    for i, j in itertools.combinations(range(len(spec)), 2):
        within = spec[i:j]
        if spec[i] != spec[j] and spec[j].isalpha() and within.isalpha():
            turned = f'"{spec[:i]}{spec[j]}{spec[i + 1 : j]}{spec[i]}{spec[j + 1 :]}"'
            yield 1.1, "transpose", place.replaced(node.args[0], turned)
    alone = (i for i, letter in enumerate(spec) if letter.isalpha() and spec.count(letter) == 1)
    for i, other in itertools.product(alone, sorted({*filter(str.isalpha, spec)})):
        if other != spec[i]:
            yield 1.15, "axis", place.replaced(node.args[0], f'"{spec[:i]}{other}{spec[i + 1 :]}"')


def _transposed(place: ExpressionPlace, node: ast.Call, parts: Sequence[ast.expr]) -> Iterator[str]:
    """A reshape to the same axes in another order, which are then put in this one."""
    source = place.function.source
    texts = [source.segment(part) for part in parts]
    for order in itertools.permutations(range(len(parts))):
        back = ", ".join(str(order.index(axis)) for axis in range(len(parts)))
        if order != tuple(sorted(order)):
            reshaped = source.with_parts(node, {part: texts[i] for part, i in zip(parts, order, strict=True)})
            yield f"{reshaped}.transpose({back})"


# --- tuples -----------------------------------------------------------------------------------------------------------


def _other_tuple(place: ExpressionPlace, node: ast.Tuple | ast.List, ndim: int) -> Found:
    """Two gradients that are returned, or joined, in the wrong order."""
    texts = [place.function.source.segment(e) for e in node.elts]
    pairs = itertools.combinations(texts, 2)
    for (one, other), text in zip((p for p in pairs if p[0] != p[1]), exchanged(place, node, node.elts), strict=True):
        yield 1.0, "sign" if one == f"-{other}" or other == f"-{one}" else "swapped", text


def _unpacked(place: ExpressionPlace) -> Found:
    """Two of the names that a tuple is unpacked into, exchanged."""
    statement = place.statement
    if not isinstance(statement, ast.Assign) or statement.value is not place.node or isinstance(place.node, ast.Tuple):
        return
    target = statement.targets[0]
    if not isinstance(target, ast.Tuple) or any(isinstance(e, ast.Starred) for e in target.elts):
        return
    names = [place.function.source.segment(name) for name in target.elts]
    pairs = [(i, j) for i, j in itertools.combinations(range(len(names)), 2) if names[i] != names[j]]
    for (i, j), text in zip(pairs, exchanged(place, statement, target.elts), strict=True):
        order = [{i: j, j: i}.get(k, k) for k in range(len(target.elts))]
        yield 1.0, "swapped", text, f"(lambda t: ({', '.join(f't[{k}]' for k in order)},))(tuple({place.text}))"


def spread(place: ExpressionPlace, terms: Terms) -> Iterator[tuple[float, str, str]]:
    """Divided by two lengths that have names, as of a mean over windows or images: `dout / (h * w)`, `dout / (k * k)`.

    Yields a cost, a word, and a template with the slot {x}.
    """
    if not isinstance(place.parents[0], ast.stmt | ast.Tuple | ast.BinOp):
        return
    lengths = [text for text, value in terms if type(value) is int and value > 1 and text in place.function.locals]
    for one, other in itertools.combinations_with_replacement(lengths[:_MOST_LENGTHS], 2):
        yield 1.6, "factor", f"{{x}} / ({one} * {other})"


def _unpadded(place: ExpressionPlace, ndim: int, terms: Terms) -> Found:
    """Two axes without the padding at both ends, by the name of its width: `dx[:, :, p:-p, p:-p]`."""
    node, source = place.node, place.function.source
    cut = isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Tuple)
    parts = node.slice.elts if cut else []  # type: ignore[attr-defined]
    base = source.segment(node.value) if cut else place.text  # type: ignore[attr-defined]
    some = [axis for axis, part in enumerate(parts) if isinstance(part, ast.Slice) and (part.lower or part.upper)]
    is_whole = isinstance(node, ast.Name | ast.Attribute) and isinstance(place.parents[0], ast.stmt | ast.Tuple)
    if not some and not (is_whole and ndim in (3, 4)):
        return
    for first in [None] if some else [2, 1] if ndim == 4 else [1, 0]:
        axes, count = (some, len(parts)) if first is None else ([first, first + 1], ndim)
        for name in (text for text, value in terms if type(value) is int and value > 0):
            ends = [f"{name}:{base}.shape[{axis}] - {name}" if axis in axes else ":" for axis in range(count)]
            ends = [f"{name}:-{name}" if ":" in one[1:] else one for one in ends] if _is_asked(place, name) else ends
            yield 1.5, "broadcast", f"{base}[{', '.join(ends)}]"


def _is_asked(place: ExpressionPlace, name: str) -> bool:
    """Whether an expression stands where a condition has asked for a number: `if p:`."""
    asked = (n for n in ast.walk(place.function.node) if isinstance(n, ast.If) and place.statement in ast.walk(n))
    return any(name in place.function.source.segment(node.test) for node in asked)


def bias_sums(name: str, terms: Terms) -> Iterator[tuple[str, None]]:
    """The sums of the array of this name along all of its axes but one; of two axes there is a row in the table."""
    ndim = np.ndim(dict(terms).get(name, 0))
    for kept in range(ndim) if ndim > 2 else ():
        yield f"{name}.sum(axis={tuple(axis for axis in range(ndim) if axis != kept)})", None


# --- numbers and elements ---------------------------------------------------------------------------------------------


def _other_number(place: ExpressionPlace, node: ast.Constant, ndim: int) -> Found:
    c: Any = node.value
    likely = ((1.1, c / 2), (1.1, 2 * c), (1.2, c - 1), (1.2, c + 1), (1.3, 0), (1.3, 1), (1.2, -c), (1.5, 4 * c))
    for cost, other in likely:
        other = int(other) if type(c) is int and other == int(other) else other
        is_nothing = (other == 0 and place.is_operand_of(ast.Pow, ast.Add, ast.Sub)) or (
            other == 1 and place.is_exponent
        )
        if other != c and not is_nothing:
            cost += 0.2 * (4 * c % 1 != 0)  # 1.702 is no half of what was meant
            cost += 0.12 * (other == 1 and (place.is_divisor or place.is_operand_of(ast.Mult)))  # better without it
            word = "sign" if other == -c and not place.is_axis else word_of_number(place)
            yield cost, word, f"({other!r})" if other < 0 else repr(other)


def word_of_number(place: ExpressionPlace) -> str:
    """The word for a literal that is wrong."""
    if place.is_axis:
        return "axis"
    if any(isinstance(p, ast.Compare) for p in place.parents):
        return "mask"
    if isinstance(place.node, ast.Constant) and place.node.value == 0:
        return "missing term"
    return "formula" if place.is_operand_of(ast.Add, ast.Sub, ast.Pow) else "factor"


def _other_element(place: ExpressionPlace, node: ast.Subscript, ndim: int) -> Found:
    """The other part of an array, another element, or all that a loop runs over."""
    parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    outer = place.parents[isinstance(place.parents[0], ast.Call)]  # `for layer in reversed(self.layers[1:])`
    if isinstance(outer, ast.For) and isinstance(node.slice, ast.Slice):
        yield 1.1, "missing term", place.function.source.segment(node.value)
    yield from _cut_from_the_start(place, node, parts)
    yield from ((1.15, "formula", place.replaced(piece, text)) for piece, text in slices_elsewhere(place, parts))
    flipped = [piece for piece in parts if isinstance(piece, ast.Slice) and ast.unparse(piece) == "::-1"]
    for some in dict.fromkeys([*((piece,) for piece in flipped), tuple(flipped)] if flipped else []):
        word = "order" if isinstance(outer, ast.For) else "formula"
        yield 0.95, word, place.function.source.with_parts(node, dict.fromkeys(some, ":"))
    for piece in parts:
        if isinstance(piece, ast.Slice) and piece.step is None and (piece.lower is None) != (piece.upper is None):
            bound = place.function.source.segment(piece.lower or piece.upper or piece)
            yield 1.2, "formula", place.replaced(piece, f"{bound}:" if piece.lower is None else f":{bound}")
    if len(parts) == 1 and isinstance(parts[0], ast.Constant) and isinstance(parts[0].value, int):
        yield from ((1.3, "swapped", place.replaced(parts[0], str(n))) for n in range(4))


def _cut_from_the_start(place: ExpressionPlace, node: ast.Subscript, parts: Sequence[ast.expr]) -> Found:
    """All ends counted from the start: `a[p:-p]` is empty where p is 0."""
    source, base = place.function.source, place.function.source.segment(node.value)
    dots = next((i for i, part in enumerate(parts) if isinstance(part, ast.Constant) and part.value is ...), len(parts))
    ends = {
        part.upper: f"{base}.shape[{i if i < dots else i - len(parts)}] - {source.segment(part.upper.operand)}"
        for i, part in enumerate(parts)
        if isinstance(part, ast.Slice) and isinstance(part.upper, ast.UnaryOp) and isinstance(part.upper.op, ast.USub)
    }
    if ends:
        yield 1.2, "broadcast", source.with_parts(node, ends)


def _flipped(place: ExpressionPlace, node: ast.expr, ndim: int) -> Found:
    """A kernel turned by half a turn, or along its one axis, as the gradient of a convolution reads it."""
    for axis in (*range(ndim), *itertools.combinations(range(ndim), 2)):
        yield 1.5 if isinstance(axis, tuple) else 1.6, "formula", f"np.flip({place.text}, axis={axis})"


_BY_SYNTAX: dict[type[ast.expr], tuple[Callable[[ExpressionPlace, Any, int], Found], ...]] = {
    ast.Call: (_other_arguments, _more_arguments, _other_function, _other_order, _other_letters),
    ast.Constant: (_other_number,),
    ast.Subscript: (_other_element,),
    ast.Tuple: (_other_tuple,),
    ast.List: (_other_tuple,),
    ast.Name: (_flipped,),
    ast.Attribute: (_flipped,),
}


# --- written elsewhere ------------------------------------------------------------------------------------------------

Echoes = dict[str, dict[tuple[str, str, str], None]]  # an operand → what stands before and after it elsewhere, a word
_TURNS, _REDUCTIONS = ("transpose", "swapaxes"), ("sum", "mean")
_WORDS_OF_CALLS = {**dict.fromkeys(_TURNS, "transpose"), **dict.fromkeys(_REDUCTIONS, "broadcast")}
_ANYTHING = ""  # in the place of an operand: what a function of the user's or an order of axes may be for, too
_WORDS = {ast.Add: "missing term", ast.Sub: "missing term", ast.Mult: "factor", ast.Div: "factor"}


def echoes(functions: Iterable[ScratchFunction]) -> Echoes:
    """The sums, products and calls of these functions, by each of their operands, written without `self.`.

    And what a name is given, by the name. A call that is a line of its own is none: it is made for what it does.
    """
    found: Echoes = {}
    for function in functions:
        source = function.source
        lines = {node.value for node in ast.walk(function.node) if isinstance(node, ast.Expr)}
        for node in (node for node in ast.walk(function.node) if node not in lines):
            parts = [node.left, node.right] if isinstance(node, ast.BinOp) else []
            if isinstance(node, ast.Call) and ast.unparse(node.func) != "type":  # `type(x).copy()` ends Python 3.11
                parts = node.args[:1]
            word = _WORDS.get(type(node.op), "") if isinstance(node, ast.BinOp) else "formula"
            word = "mask" if word == "factor" and any(isinstance(part, ast.Compare) for part in parts) else word
            others = [(source.segment(operand), operand, word) for operand in parts if word]
            if (inner := _moved_or_given(node, function)) is not None:
                called = name_of(node.func) if isinstance(node, ast.Call) else ""
                others.append((_ANYTHING, inner, _WORDS_OF_CALLS.get(called, "formula")))
            for text, operand, why in others:
                found.setdefault(_key(text), {})[*_around(source, node, operand), why] = None
            if (name := _given_to(node)) and isinstance(node, ast.Assign):
                found.setdefault(name, {})[source.segment(node.value), "", "formula"] = None
    return found


def _around(source: ParsedFile, node: ast.AST, operand: ast.AST) -> tuple[str, str]:
    """What stands before and after an operand."""
    (start, end), (a, b) = source.span(node), source.span(operand)
    return source.data[start:a].decode(), source.data[b:end].decode()


def _moved_or_given(node: ast.AST, function: ScratchFunction) -> ast.expr | None:
    """The array whose axes are turned or moved by literals, `x[:, ::-1]`, or that a function of the user's is given.

    Or that is summed along axes that have a name: `np.sum(x, axis=axes)`.
    """
    match node:
        case ast.Subscript(value=inner, slice=index) if "::-1" in ast.unparse(index) and not _names_in(index):
            return inner
        case ast.Call(func=ast.Attribute(value=inner, attr=name), args=args) if name in _TURNS and args:
            return None if any(map(_names_in, args)) or function.is_module(inner) else inner
        case ast.Call(func=ast.Attribute(value=module, attr=name), args=[inner], keywords=[_, *_]) if (
            name in _REDUCTIONS and function.is_module(module)
        ):
            return inner if any(map(_names_in, node.keywords)) else None
        case ast.Call(func=ast.Attribute(value=ast.Name(id="self"), attr=name), args=[inner], keywords=[]):
            return inner if name != function.name and hasattr(function.owner, name) else None
        case ast.Call(func=ast.Name(id=name), args=[inner], keywords=[]):
            return inner if type(function.function.__globals__.get(name)) is FunctionType else None
    return None


def _names_in(node: ast.AST) -> bool:
    return any(isinstance(part, ast.Name) for part in ast.walk(node))


def echoed(place: ExpressionPlace, known: Echoes) -> Iterator[tuple[float, str, str]]:
    """The expression as an operand of what it is an operand of elsewhere: `x` as the `x + 3` of `clip(x + 3, 0, 6)`.

    Yields a cost, a word, and a template with the slot {x}.
    """
    source, outer = place.function.source, place.parents[0]
    own = _around(source, outer, place.node) if isinstance(outer, ast.expr) else ("", "")
    for key, more in ((_key(place.text), 0.0), (_ANYTHING, 0.1)):
        for before, after, word in known.get(key, ()):
            if (before, after) == own:
                continue  # it is that already: `a + b` is not `a + b + b`
            cost = 1.45 + more * (word != "broadcast")  # a sum along axes by their name is meant for several
            yield cost, word, "{x}".join(map(_literally, (before, after)))
    given = known.get(_given_to(place.statement), {}) if place.node is getattr(place.statement, "value", None) else {}
    yield from ((1.25, word, _literally(text)) for text, _, word in given if text != place.text)


def _given_to(node: ast.AST) -> str:
    """The only name that a statement gives a value, as `name =`; empty if there is none."""
    target = node.targets[0] if isinstance(node, ast.Assign) and len(node.targets) == 1 else None
    return f"{target.id} =" if isinstance(target, ast.Name) else ""


def _literally(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def _key(text: str) -> str:
    return text.replace("self.", "")
