"""The axes that matrix products ask for: in `x @ W`, what W begins with is as long as what x ends with."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence

from dout.adapt.source.documents import Axes
from dout.adapt.source.scopes import follow
from dout.adapt.source.syntax import (
    Function,
    bindings,
    bound_in,
    items_of,
    literal,
    methods_of,
    name_of,
    text_of,
    total,
    walk,
)

_ALL_ARGUMENTS = frozenset({"randn", "rand"})  # np.random.randn(n, m): the sizes are the arguments
_THIRD_ARGUMENT = frozenset({"normal", "uniform"})  # np.random.normal(0, 1, (n, m))
_FIRST_ARGUMENT = frozenset({"zeros", "ones", "empty", "full", "random", "random_sample", "standard_normal"})
_JOINS = {"concatenate": 0, "vstack": 0, "hstack": 1}  # along which axis
_STATE = re.compile(r"[hcs]\w?|\w+_?(prev|0)")  # what goes round in a cell has the axes of what it is multiplied with
_JOINED_STATE = re.compile(rf"{_STATE.pattern}|\w*(prev|state|hidden)\w*")
_OTHER_AXES = ("sum", "mean", "reshape", "max", "concatenate")  # calls that give other axes than they get


@total(dict)
def axes_by_products(own: Function, cls: type | None) -> dict[str, Axes]:
    """The axes that the arguments of a function must have for its matrix products and sums to fit.

    A guess where an argument may also have one axis. Weights that the constructor makes of sizes count: the axis of an
    input that meets them has the name of that size.
    """
    products = _Products(own, _made(methods_of(own, cls), own.me))
    products.read()
    return products.found()


class _Products:
    """Goes through a function and gives its arguments, and what is made of them, axes that fit each other."""

    def __init__(self, own: Function, made: dict[str, Axes]) -> None:
        self.own = own
        self.held = {name: follow(own, {name}) for name in own.arguments}
        items = {text_of(node): None for node in walk(own.node) if self._is_item(node)}
        self.held |= {text: follow(own, {text}) for text in items}
        self.axes = made
        self.same: dict[str, str] = {}  # names of axes that are as long as another
        every = (axis for axes in made.values() for axis in axes if "+" not in axis)
        self.alone = {name for axis in every for name in re.findall(r"[A-Za-z_]\w*", axis)}  # sizes not only in sums

    def _is_item(self, node: ast.AST) -> bool:
        """Whether an expression is an item, by a literal key, of an argument that is a dict."""
        match node:
            case ast.Subscript(value=value, slice=ast.Constant(value=str())):
                return any(scope.holds(value) for scope in self.held.values())
        return False

    def read(self) -> None:
        """Read every binding and every result, in order."""
        for node in walk(self.own.node):
            for target, value in bindings(node):
                axes = self.of(value) if value is not None else None
                if axes is not None and not any(scope.holds(target) for scope in self.held.values()):
                    self.axes[text_of(target)] = axes
            if isinstance(node, ast.Return | ast.Expr) and node.value is not None:
                self.of(node.value)

    def found(self) -> dict[str, Axes]:
        """The arguments of which the axes are known now."""
        return {name: self._final(self.axes[name]) for name in self.held if name in self.axes}

    def of(self, node: ast.expr) -> Axes | None:
        """The axes of an expression, after the arguments in it have been given those that it needs."""
        if (known := self.axes.get(self._key(node))) is not None:
            return known
        if (factors := _factors(node)) is not None:
            return self._product(*factors)
        match node:
            case ast.Call(func=function, args=[ast.Constant(value=str(letters)), *operands]) if (
                name_of(function) == "einsum" and "." not in letters
            ):
                return self._lettered(letters, operands)
            case ast.Attribute(value=inner, attr="T"):
                axes = self.of(inner)
                return axes[::-1] if axes else None
            case ast.BinOp():
                return self._sum(node)
            case ast.Call(func=function, args=[ast.Tuple(elts=[one, other]) | ast.List(elts=[one, other]), *_]) if (
                name_of(function) in _JOINS
            ):
                return self._joined(one, other, node)
            case ast.Call(args=args, func=function):
                every = [self.of(arg) for arg in args]
                first = next((axes for axes in every if axes is not None), None)
                return first if name_of(function) not in _OTHER_AXES else None
            case ast.Tuple(elts=items):
                for item in items:
                    self.of(item)
        return None

    def _key(self, node: ast.expr) -> str:
        return next((name for name, scope in self.held.items() if scope.holds(node)), text_of(node))

    def _joined(self, one: ast.expr, other: ast.expr, call: ast.Call) -> Axes | None:
        """The axes of two arrays that are put together, along the first axis if nothing else is said."""
        first, second = (self.of(side) or self._give(side, _named(self._key(side))) for side in (one, other))
        said = next((k.value for k in call.keywords if k.arg == "axis"), call.args[1] if len(call.args) > 1 else None)
        place = literal(said, 0) if name_of(call.func) == "concatenate" else _JOINS[name_of(call.func)]
        if not (first and second and len(first) == len(second) == 2 and place in (0, 1, -1)):
            return None
        self._unify(first[1 - abs(place)], second[1 - abs(place)])
        long = f"{first[place]}+{second[place]}"
        return (first[0], long) if place else (long, first[1])

    def _product(self, left: ast.expr, right: ast.expr) -> Axes | None:
        if any(len(_axes_turned(side)) > 2 for side in (left, right)):
            return None  # of stacks of matrices
        keys = [self._key(_untransposed(side)) for side in (left, right)]
        names = [_bare(key) or f"product{len(self.axes)}" for key in keys]
        first, second = self.of(left), self.of(right)
        first = first or self._give(left, (f"{names[0]}_rows", f"{names[0]}_inner"))
        if first and len(first) == 2 and second is None:
            second = self._give(right, (first[1], f"{names[1]}_columns"))
        if not (first and second and len(first) == len(second) == 2):
            return None
        self._unify(first[1], second[0])
        return first[0], second[1]

    def _lettered(self, letters: str, operands: list[ast.expr]) -> Axes | None:
        """The axes of an einsum: a letter stands for one axis, whichever operand tells which."""
        terms, _, result = letters.replace(" ", "").partition("->")
        pairs = [(term, operand, self.of(operand)) for term, operand in zip(terms.split(","), operands, strict=True)]
        known: dict[str, str] = {}
        for term, _, axes in pairs:
            for letter, axis in zip(term, axes or (), strict=False):
                self._unify(known.setdefault(letter, axis), axis)
        for term, operand, axes in pairs:
            name = self._key(operand)
            if axes is None and name in self.held:
                self.axes[name] = tuple(known.setdefault(letter, f"{_bare(name)}_{letter}") for letter in term)
        return tuple(known[letter] for letter in result) if result and {*result} <= known.keys() else None

    def _give(self, node: ast.expr, axes: Axes) -> Axes | None:
        """Give an argument, or one that is transposed, these axes."""
        inner = _untransposed(node)
        one = _one_along(inner)
        name = self._key(inner if one is None else one[0])
        if name not in self.held:
            return axes if axes[0].endswith("_rows") else None
        own = axes if inner is node else axes[::-1]
        self.axes[name] = own if one is None else (*own[: one[1]], "2", *own[one[1] :])
        return axes

    def _sum(self, node: ast.BinOp) -> Axes | None:
        """The axes of arithmetic that broadcasts; a bias that is added to a product gets the product's."""
        left, right = self.of(node.left), self.of(node.right)
        if isinstance(node.op, ast.Add):
            for side, axes, other in ((node.left, left, right), (node.right, right, left)):
                name = self._key(side)
                if axes is None and other and name in self.held and _bare(name).lower().startswith("b"):
                    first_is_weight = re.match(r"[Ww]", other[0]) is not None  # W @ x + b: columns are examples
                    self.axes[name] = (other[0], "1") if first_is_weight else other[-1:]
        for side, axes, other in ((node.left, left, right), (node.right, right, left)):
            name = self._key(side)
            if axes is None and other and name in self.held and _STATE.fullmatch(name):
                self.axes[name] = other
        for one, two in zip(reversed(left or ()), reversed(right or ()), strict=False):
            self._unify(one, two)
        return left if len(left or ()) >= len(right or ()) else right

    def _unify(self, one: str, two: str) -> None:
        one, two = self._final((one, two))
        parts = one.split("+"), two.split("+")
        if one != two and len(parts[0]) == len(parts[1]) == 2:
            for part, other in self._of_joined(*parts):
                self._unify(part, other)
        elif one != two and "1" not in (one, two):
            generic = re.search(r"_(rows|inner|columns)$", one) is not None
            self.same[one if generic else two] = two if generic else one

    def _of_joined(self, joined: Sequence[str], sizes: Sequence[str]) -> list[tuple[str, str]]:
        """The lengths of an input and a state that are joined, each with its size, in whichever order these are added.

        The size of a state is that which other axes have, too: 4*H beside D + H.
        """
        own = [i for i, name in enumerate(joined) if _JOINED_STATE.fullmatch(name.rpartition("_")[0])]
        others = [i for i, size in enumerate(sizes) if size in self.alone]
        if len(own) != 1 or len(others) != 1:
            return []
        return [(joined[own[0]], sizes[others[0]]), (joined[1 - own[0]], sizes[1 - others[0]])]

    def _final(self, axes: Axes) -> Axes:
        for _ in self.same:
            axes = tuple(self.same.get(axis, axis) for axis in axes)
        return axes


def _bare(key: str) -> str:
    """An expression as one word; of an item of a dict its key: Wx of parameters['Wx']."""
    item = re.search(r"\['(\w+)'\]$", key)
    return item[1] if item else re.sub(r"\W+", "_", key).strip("_")


def _named(key: str) -> Axes:
    """Two axes that are called after an array."""
    return f"{_bare(key)}_rows", f"{_bare(key)}_columns"


def _axes_turned(node: ast.expr) -> list[ast.expr]:
    """The axes in the order of `x.transpose(0, 2, 1)`, or of `np.transpose(x, (0, 2, 1))`."""
    if not isinstance(node, ast.Call) or name_of(node.func) != "transpose":
        return []
    return [item for arg in node.args for item in items_of(arg)]


def _untransposed(node: ast.expr) -> ast.expr:
    return node.value if isinstance(node, ast.Attribute) and node.attr == "T" else node


def _one_along(node: ast.expr) -> tuple[ast.expr, int] | None:
    """An array of which one is taken along an axis, and that axis: x and 1 of `x[:, t]`; None of all else."""
    match node:
        case ast.Subscript(value=value, slice=ast.Tuple(elts=[*_, ast.Name()] as items)) if all(
            isinstance(item, ast.Slice) and item.lower is item.upper is None for item in items[:-1]
        ):
            return value, len(items) - 1
    return None


def _factors(node: ast.AST) -> tuple[ast.expr, ast.expr] | None:
    match node:
        case ast.BinOp(left=left, op=ast.MatMult(), right=right):
            return left, right
        case ast.Call(func=function, args=[left, right]) if name_of(function) in ("dot", "matmul"):
            return left, right
        case ast.Call(func=ast.Attribute(value=left, attr="dot" | "matmul"), args=[right]):
            return left, right
    return None


# --------------------------------------------------------------------------------------- arrays that are made of sizes


def _made(methods: list[Function], me: str) -> dict[str, Axes]:
    """The axes of the arrays that a class makes of sizes: `self.W = 0.1 * np.random.randn(n_in, n_out)`."""
    found: dict[str, Axes] = {}
    for method in methods:
        for _, target, value in bound_in(method.node) if method.me else ():
            text = text_of(target)
            if value is not None and text.startswith(f"{method.me}."):
                for item, made in _items(value):
                    axes = next((axes for call in walk(made) if (axes := _made_axes(call))), None)
                    if axes is not None:
                        found.setdefault(f"{me}.{text.removeprefix(f'{method.me}.')}{item}", axes)
    return found


def _items(value: ast.expr) -> list[tuple[str, ast.expr]]:
    """A value, or the values of a dict, each with the text of its key: `{"W": np.zeros(3)}` → "['W']"."""
    match value:
        case ast.Dict(keys=keys, values=values):
            return [(f"[{ast.unparse(key)}]", made) for key, made in zip(keys, values, strict=True) if key]
    return [("", value)]


def _made_axes(call: ast.AST) -> Axes | None:
    """The axes, as texts, of an array that a call makes: np.zeros((n, 1)) → ("n", "1")."""
    if not isinstance(call, ast.Call):
        return None
    sizes = _sizes(call)
    if not sizes or any(isinstance(size, ast.Starred) for size in sizes):
        return None
    return tuple(re.sub(r"\bself\.", "", ast.unparse(size)).replace(" ", "") for size in sizes)


def _sizes(call: ast.Call) -> list[ast.expr]:
    """The sizes of an array that a call of NumPy makes; none for other calls."""
    verb = name_of(call.func)
    if verb not in _ALL_ARGUMENTS | _FIRST_ARGUMENT | _THIRD_ARGUMENT:
        return []
    named = next((k.value for k in call.keywords if k.arg in ("size", "shape")), None)
    if named is not None:
        return items_of(named)
    if verb in _ALL_ARGUMENTS:
        return call.args
    place = 2 if verb in _THIRD_ARGUMENT else 0
    return items_of(call.args[place]) if len(call.args) > place else []
