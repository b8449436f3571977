"""How many axes an array argument has, and what they are called: by code first, then documents, then products."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from typing import Any

from dout.adapt.source.documents import Axes, axes_told, told
from dout.adapt.source.matrix_products import axes_by_products
from dout.adapt.source.scopes import Scope, nodes_with, scopes_of
from dout.adapt.source.string_keys import keys_for
from dout.adapt.source.syntax import bindings, class_of, item_text, items_of, literal, name_of, read, total, walk

_NEW_AXIS = ("expand_dims", "stack")  # their axis is one of the result's


@total(lambda: None)
def axes_for(function: Any, name: str, cls: type | None = None) -> int | None:
    """How many axes an array argument has, by code, document or product; a lower bound where that is all there is."""
    code = _axes_in_code(function, name, cls)
    if code.names is not None:
        return len(code.names)
    written = axes_told(function, name, cls)
    if written is not None:
        return max(len([axis for axis in written if axis != "..."]), code.least if "..." in written else 0)
    numbered = re.search(r"\b([0-5])\s?-?\s?d(?:im(?:ensional)?)?\b", told(function, name, cls), re.IGNORECASE)
    if numbered is not None:
        return int(numbered[1])
    inferred = len(shapes_for(function, cls).get(name, ()))
    return max(code.least, inferred) or None


@total(dict)
def shapes_for(function: Any, cls: type | None = None) -> dict[str, Axes]:
    """The axes of each array argument whose number is known: {"x": ("N", "D"), "w": ("D", "4*H"), "b": ("4*H",)}.

    Equal names mean equal sizes. An axis is a name, a number, an expression of those, "" where nothing is known, or
    "..." for any number of axes. Where code and documents differ, the code is right. An item of a dict stands there as
    it is written: `parameters['W']`.
    """
    own = read(function)
    if own is None:
        return {}
    inferred = axes_by_products(own, class_of(function, cls))
    found: dict[str, Axes] = {}
    renamed: dict[str, str] = {}  # the names of code give way to those of documents
    by_code: set[str] = set()
    items = {item_text(name, key): (name, key) for name in own.arguments for key in keys_for(function, name, cls)}
    for name, (argument, key) in {**{n: (n, None) for n in own.arguments}, **items}.items():
        code, written = _axes_in_code(function, argument, cls, key).names, axes_told(function, key or name, cls)
        mine = inferred.get(name, ())
        if written is not None and (code is None or (len(code) == len(written) and "..." not in written)):
            found[name] = written
            renamed |= {c: w for c, w in zip(code or (), written, strict=False) if c and w}
        elif code is not None:
            others = mine if len(mine) == len(code) else code
            found[name] = tuple(named or other for named, other in zip(code, others, strict=True))
            by_code.add(name)
        elif name in inferred:
            found[name] = mine
            by_code.add(name)
        if len(mine) == len(found.get(name, ())):
            renamed |= {i: f for i, f in zip(mine, found.get(name, ()), strict=True) if f not in ("", "...", i)}
    return {n: tuple(renamed.get(a, a) for a in axes) if n in by_code else axes for n, axes in found.items()}


@total(lambda: None)
def items_for(function: Any, name: str, cls: type | None = None) -> Axes | None:
    """The items of an argument that is a tuple, by name where known: `c, h, w = input_shape` → ("c", "h", "w")."""
    least = 0
    for node, scope in nodes_with(function, name, cls):
        view = _View(None, scope)
        for target, value in _shape_bindings(node):
            if (unpacked := view.unpacked(target, value)) is not None:
                names, start = unpacked
                return ("",) * start + names
        if isinstance(node, ast.Subscript) and scope.holds(node.value):
            least = max(least, _needed(literal(node.slice)))
    return ("",) * least or None


# ----------------------------------------------------------------------------------------------------- what code tells


@dataclass
class _Evidence:
    """What code tells of an array's axes: all by name; else at least, or exactly, how many, and the names of some."""

    names: Axes | None = None
    least: int = 0
    exact: int | None = None
    known: dict[int, str] = field(default_factory=dict)


@total(_Evidence)
def _axes_in_code(function: Any, name: str, cls: type | None, key: str | None = None) -> _Evidence:
    item = "" if key is None else item_text("", key)
    arrays = {id(scope.function.node): scope for scope in scopes_of(function, name, cls, item)}
    shapes = {id(scope.function.node): scope for scope in scopes_of(function, name, cls, f"{item}.shape")}
    every = _Evidence()
    for place, scope in {**arrays, **shapes}.items():
        # a function that gets the shape alone is read as if that were the array
        one = _View(arrays.get(place, scope), shapes.get(place)).evidence(scope.function.node)
        if one.names is not None:
            return one
        every.least = max(every.least, one.least)
        every.exact = every.exact or one.exact
        every.known = one.known | every.known
    if every.exact is not None:
        every.names = tuple(every.known.get(i, "") for i in range(every.exact))
    return every


@dataclass(frozen=True)
class _View:
    """An array in one function: where it is, and where its shape is."""

    array: Scope | None
    shape: Scope | None

    def is_array(self, node: ast.AST | None) -> bool:
        """Whether an expression is the array."""
        return self.array is not None and self.array.holds(node)

    def is_shape(self, node: ast.AST | None) -> bool:
        """Whether an expression is the array's shape."""
        match node:
            case ast.Call(func=function, args=[value]) if name_of(function) == "shape":
                return self.is_array(value)
            case ast.Attribute(value=value, attr="shape") if self.is_array(value):
                return True
        return self.shape is not None and self.shape.holds(node)

    def evidence(self, function: ast.AST) -> _Evidence:
        """What the nodes of a function tell of the array's axes."""
        found = _Evidence()
        for node in walk(function):
            for target, value in _shape_bindings(node):
                if (unpacked := self.unpacked(target, value)) is not None:
                    names, start = unpacked
                    if start == 0:
                        return _Evidence(names)
                    found.exact = found.exact or start + len(names)
                    found.known |= {start + i: axis for i, axis in enumerate(names)}
                place, axis = self._place(value), name_of(target)
                if place is not None and axis:
                    found.known[place] = axis
            found.exact = found.exact or self._exactly(node)
            found.least = max(found.least, self._at_least(node), *found.known)
        return found

    def unpacked(self, target: ast.expr, value: ast.expr) -> tuple[Axes, int] | None:
        """The names into which a shape is unpacked, or the rest of it from some axis, and that axis."""
        start = 0
        match value:
            case ast.Subscript(value=inner, slice=ast.Slice(lower=ast.Constant(value=int(lower)), upper=None)):
                value, start = inner, lower
        if not isinstance(target, ast.Tuple | ast.List) or not self.is_shape(value):
            return None
        if any(isinstance(item, ast.Starred) for item in target.elts):
            return None
        return tuple(name if (name := name_of(item)).strip("_") else "" for item in target.elts), start

    def _place(self, value: ast.expr) -> int | None:
        """The axis whose size an expression is: `x.shape[1]`, `len(x)`."""
        match value:
            case ast.Subscript(value=inner, slice=index) if self.is_shape(inner):
                place = literal(index)
                return place if isinstance(place, int) and place >= 0 else None
            case ast.Call(func=ast.Name(id="len"), args=[inner]) if self.is_array(inner):
                return 0
        return None

    def _exactly(self, node: ast.AST) -> int | None:
        """Exactly how many axes, where a node says it: a transposition, an assertion, the letters of an einsum."""
        match node:
            case ast.Call(func=ast.Attribute(value=value, attr="transpose"), args=order):
                return self._transposed(value, order)
            case ast.Call(func=function, args=[ast.Constant(value=str(letters)), *operands]):
                return self._lettered(letters, operands) if name_of(function) == "einsum" else None
            case ast.Assert(test=ast.Compare(left=left, ops=[ast.Eq()], comparators=[ast.Constant(value=int(count))])):
                return count if self._is_count(left) else None
            case ast.If(
                test=ast.Compare(left=left, ops=[ast.NotEq()], comparators=[ast.Constant(value=int(count))]),
                body=[ast.Raise(), *_],
            ):
                return count if self._is_count(left) else None
        return None

    def _transposed(self, value: ast.expr, order: list[ast.expr]) -> int | None:
        if name_of(value) in ("np", "numpy") and order and self.is_array(order[0]):
            order = order[1:]
        elif not self.is_array(value):
            return None
        items = items_of(order[0]) if len(order) == 1 else order
        return len(items) if len(items) > 1 else None

    def _lettered(self, letters: str, operands: list[ast.expr]) -> int | None:
        parts = letters.replace(" ", "").split("->")[0].split(",")
        pairs = zip(parts, operands, strict=False)
        return next((len(part) for part, operand in pairs if self.is_array(operand) and "." not in part), None)

    def _is_count(self, node: ast.AST) -> bool:
        """Whether an expression is the number of axes: `x.ndim`, `len(x.shape)`."""
        match node:
            case ast.Call(func=function, args=[value, *_]) if name_of(function) == "len":
                return self.is_shape(value)
            case ast.Attribute(value=value, attr="ndim"):
                return self.is_array(value)
        return False

    def _at_least(self, node: ast.AST) -> int:
        """At least how many axes a node needs: an index with so many places, an axis, a size that is asked for."""
        match node:
            case ast.Subscript(value=value, slice=index) if self.is_array(value):
                places = index.elts if isinstance(index, ast.Tuple) else [index]
                return 0 if isinstance(literal(index), str) else sum(not _adds_an_axis(place) for place in places)
            case ast.Subscript(value=value, slice=index) if self.is_shape(value):
                return _needed(literal(index))
            case ast.Call(func=function, args=args, keywords=keywords) if name_of(function) not in _NEW_AXIS:
                receiver = function.value if isinstance(function, ast.Attribute) else None
                if self.is_array(receiver) or any(map(self.is_array, args[:1])):
                    return _needed(literal(next((k.value for k in keywords if k.arg == "axis"), None)))
        return 0


def _shape_bindings(node: ast.AST) -> list[tuple[ast.expr, ast.expr]]:
    """The bindings of an assignment, with a tuple of names left whole where it unpacks one value."""
    if not isinstance(node, ast.Assign):
        return []
    whole = [(target, node.value) for target in node.targets if isinstance(target, ast.Tuple | ast.List)]
    return whole + [(target, value) for target, value in bindings(node) if value is not None]


def _adds_an_axis(place: ast.expr) -> bool:
    empty = isinstance(place, ast.Constant) and (place.value is None or place.value is Ellipsis)
    return empty or name_of(place) == "newaxis"


def _needed(axis: Any) -> int:
    """How many axes there must be for these to exist."""
    if isinstance(axis, tuple):
        return max(map(_needed, axis), default=0)
    return 0 if not isinstance(axis, int) or isinstance(axis, bool) else axis + 1 if axis >= 0 else -axis
