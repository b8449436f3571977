"""Each primitive as NumPy text: one table, one row a way of writing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np

from dout.explain.spelling.index_text import key_text
from dout.explain.spelling.size_words import Shapes, UnspelledError
from dout.explain.spelling.spelling_needs import Operands, Spelling
from dout.explain.spelling.written_text import (
    ADDED,
    AND,
    ATOM,
    COMPARED,
    MULTIPLIED,
    OR,
    SHIFTED,
    SIGNED,
    XOR,
    WrittenText,
    called,
    infix,
    method,
    negated,
    numeral,
    one_or_tuple,
    powered,
    tupled,
)
from dout.graph import CONSTANT, Node, Primitive
from dout.ops import PRIMITIVES, by_primitive, primitives

Row = Callable[[Spelling, Node, Operands], WrittenText]

_INFIX: dict[Primitive, tuple[str, int, bool]] = by_primitive({
    "add": ("+", ADDED, True), "subtract": ("-", ADDED, False), "multiply": ("*", MULTIPLIED, True),
    "divide": ("/", MULTIPLIED, False), "floor_divide": ("//", MULTIPLIED, False), "mod": ("%", MULTIPLIED, False),
    "less": ("<", COMPARED, False), "less_equal": ("<=", COMPARED, False), "greater": (">", COMPARED, False),
    "greater_equal": (">=", COMPARED, False), "equal": ("==", COMPARED, False), "not_equal": ("!=", COMPARED, False),
    "bitwise_and": ("&", AND, True), "bitwise_or": ("|", OR, True), "bitwise_xor": ("^", XOR, True),
    "left_shift": ("<<", SHIFTED, False), "right_shift": (">>", SHIFTED, False),
})  # fmt: skip
_OF_ITS_NAME = (
    "sqrt exp log log1p log2 log10 expm1 exp2 cbrt sin cos tan arcsin arccos arctan sinh cosh tanh arcsinh arccosh "
    "arctanh hypot arctan2 logaddexp sign floor ceil trunc rint logical_and logical_or logical_xor logical_not isnan "
    "isinf isfinite signbit where maximum minimum clip convolve inner reciprocal"
)
_FUNCTIONS: dict[Primitive, str] = by_primitive({
    **{name: f"np.{name}" for name in _OF_ITS_NAME.split()}, "absolute": "np.abs",
    "inv": "np.linalg.inv", "solve": "np.linalg.solve", "det": "np.linalg.det",
})  # fmt: skip
_LONG = 48  # characters of an operand that stands better inside the parentheses of a function
_REDUCTIONS = primitives("sum mean var std prod max min any all argmax argmin")
COSTLY = primitives(
    "matmul dot inner inv solve det convolve einsum sum mean var std prod max min argmax argmin argsort cumsum cumprod "
    "special_softmax special_log_softmax special_logsumexp windows"
)
SLOW = primitives(  # elementwise, and several times as long as a product
    "exp exp2 expm1 log log1p log2 log10 tanh sigmoid softplus logaddexp sin cos tan arctan sinh cosh power pow "
    "special_erf special_expit"
)


def scipy_name(globals_: Mapping[str, Any], name: str) -> str:
    """The user's name for a function of scipy.special. Raises UnspelledError if the module has none."""
    module = sys.modules.get("scipy.special")
    for key, item in globals_.items() if module is not None else ():
        if item is getattr(module, name, None):
            return key
        if item is module or item is sys.modules.get("scipy"):
            return f"{key}.{name}" if item is module else f"{key}.special.{name}"
    raise UnspelledError("derive no scipy", function=name)


def spelled(spelling: Spelling, node: Node, operands: Operands) -> WrittenText:
    """The text of one node from the texts of its inputs. Raises UnspelledError if it cannot be written."""
    row = node.primitive
    if row is CONSTANT:
        return number_text(spelling, node)
    if row in _INFIX:
        symbol, binds, associative = _INFIX[row]
        return infix(operands[0], symbol, operands[1], binds, associative=associative)
    if row in _FUNCTIONS:
        return called(_FUNCTIONS[row], *map(str, operands))
    if row in _REDUCTIONS:
        options = [*_axis_options(spelling, node), *(f"where={mask}" for mask in operands[1:])]
        if node.inputs[0].shape and len(operands[0].text) < _LONG:
            return method(operands[0], str(row), *options)  # takes half as long as the function on small arrays
        return called(f"np.{row}", str(operands[0]), *options)
    if str(row).startswith("special_"):
        return called(spelling.special(str(row).removeprefix("special_")), *map(str, operands))
    write = _ROWS.get(row)
    if write is None:
        raise UnspelledError("derive no function", function=str(row))
    return write(spelling, node, operands)


def number_text(spelling: Spelling, node: Node) -> WrittenText:
    """A constant: the same in every recording, or an expression of lengths."""
    values = spelling.statics(node, "value")
    value = values[0].item() if isinstance(values[0], np.generic) else values[0]
    if any(v != values[0] and v == v for v in values[1:]):
        if all(float(v) == int(v) for v in values):
            return _binding(spelling.sizes.number([int(v) for v in values]))
        return _of_length(spelling, values)
    if isinstance(value, float) and (value != value or value in (np.inf, -np.inf)):
        text = "np.nan" if value != value else "np.inf" if value > 0 else "-np.inf"
        return WrittenText(text, SIGNED if text[0] == "-" else ATOM)
    if (
        isinstance(value, float)
        and value == int(value)
        and abs(value) < 1e15
        and not np.signbit(value - 0.5 * (value == 0))
    ):
        value = int(value)  # 1.0 and 1 are one in arithmetic with floats
    return WrittenText(numeral(value), SIGNED if repr(value).startswith("-") else ATOM)


def _of_length(spelling: Spelling, values: Sequence[Any]) -> WrittenText:
    """A number that is 1 / n, √n or 1 / √n of a length n: in Python's numbers, which leave float32 as it is."""
    for inverse in (False, True):
        for power in (1, 2):
            lengths = [(1 / float(v) if inverse else float(v)) ** power for v in values]
            whole = [round(n) for n in lengths]
            if min(values) > 0 and all(abs(n - w) <= 1e-12 * n for n, w in zip(lengths, whole, strict=True)):
                length = _binding(spelling.sizes.number(whole))
                length = powered(length, WrittenText("0.5")) if power == 2 else length
                return infix(WrittenText("1"), "/", length, MULTIPLIED) if inverse else length
    raise UnspelledError("derive number", numbers=", ".join(f"{float(v):g}" for v in values))


def _binding(text: str) -> WrittenText:
    binds = ADDED if " + " in text or " - " in text else MULTIPLIED if " " in text else ATOM
    return WrittenText(text, binds)


def axis_text(spelling: Spelling, axis: int, ndim: int) -> str:
    """An axis, the last one as -1 where forward counts so."""
    axis %= ndim
    return "-1" if spelling.last_axis and axis == ndim - 1 else str(axis)


def _axis_options(spelling: Spelling, node: Node) -> list[str]:
    ndim, axis, options = len(node.inputs[0].shape), node.static.get("axis"), []
    axes = None if axis is None else (axis,) if isinstance(axis, int) else tuple(axis)
    if (axes is not None and len(axes) < ndim) or (axes and node.primitive in primitives("argmax argmin")):
        texts = [axis_text(spelling, a, ndim) for a in axes or ()]
        options.append(f"axis={one_or_tuple(texts)}")
    if node.static.get("keepdims"):
        options.append("keepdims=True")
    return [*options, *(f"{key}={node.static[key]!r}" for key in ("ddof", "initial") if key in node.static)]


# --- rows that need more than their name ------------------------------------------------------------------------------


def _product(spelling: Spelling, node: Node, operands: Operands) -> WrittenText:
    if spelling.dot and all(len(i.shape) <= 2 for i in node.inputs):
        return called("np.dot", *map(str, operands))
    if node.primitive is PRIMITIVES["dot"] and (len(node.inputs[1].shape) > 2 or not all(i.shape for i in node.inputs)):
        return called("np.dot", *map(str, operands))
    return infix(operands[0], "@", operands[1], MULTIPLIED)


def _sigmoid(spelling: Spelling, node: Node, operands: Operands) -> WrittenText:
    """The exponential of −softplus(−x): it never overflows, and keeps its digits on both sides."""
    return called("np.exp", f"-np.logaddexp(0, {negated(operands[0])})")


def _transpose(spelling: Spelling, node: Node, operands: Operands) -> WrittenText:
    axes = tuple(node.static["axes"])
    n = len(axes)
    if axes == tuple(reversed(range(n))):
        return WrittenText(f"{operands[0].within(ATOM)}.T")
    moved = [i for i in range(n) if axes[i] != i]
    if len(moved) == 2:
        one, two = (str(i - n) if moved == [n - 2, n - 1] else str(i) for i in moved)
        return called("np.swapaxes", str(operands[0]), one, two)
    return method(operands[0], "transpose", *map(str, axes))


def _reshape(spelling: Spelling, node: Node, operands: Operands) -> WrittenText:
    x = node.inputs[0]
    if "order" in node.static or ("order" in x.static and node.primitive is not PRIMITIVES["reshape"]):
        raise UnspelledError("derive order")
    before, after = spelling.shapes(x), spelling.shapes(node)
    if (inserted := _ones_between(after, before)) is not None:
        return WrittenText(f"{operands[0].within(ATOM)}[{_index_with(inserted, len(after[0]))}]")
    if len(after[0]) == 1:
        return method(operands[0], "ravel")
    if (dropped := _ones_between(before, after)) is not None:
        return called("np.squeeze", str(operands[0]), f"axis={one_or_tuple(list(map(str, dropped)))}")
    return method(operands[0], "reshape", spelling.sizes.shape(after))


def _index_with(axes: Collection[int], ndim: int) -> str:
    """The index that inserts some axes of length one."""
    if list(axes) == [ndim - 1] and ndim > 2:
        return "..., np.newaxis"
    return ", ".join("np.newaxis" if axis in axes else ":" for axis in range(max(axes) + 1))


def _ones_between(longer: Shapes, shorter: Shapes) -> list[int] | None:
    """The axes of length one that `longer` has more than `shorter`; None if the shapes differ otherwise."""
    axes: list[int] = []
    rest = list(zip(*shorter, strict=True))
    for axis, sizes in enumerate(zip(*longer, strict=True)):
        if rest and rest[0] == sizes:
            rest.pop(0)
        elif set(sizes) == {1}:
            axes.append(axis)
        else:
            return None
    return axes if axes and not rest else None


def _broadcast_to(spelling: Spelling, node: Node, operands: Operands) -> WrittenText:
    return called("np.broadcast_to", str(operands[0]), spelling.sizes.shape(spelling.shapes(node)))


def _astype(spelling: Spelling, node: Node, operands: Operands) -> WrittenText:
    return method(operands[0], "astype", spelling.dtype(node.dtype))


def _concatenate(spelling: Spelling, node: Node, operands: Operands) -> WrittenText:
    axis = axis_text(spelling, node.static["axis"], len(node.shape))
    return called("np.concatenate", tupled([str(o) for o in operands]), f"axis={axis}")


def _array(spelling: Spelling, node: Node, operands: Operands) -> WrittenText:
    return called("np.array", f"[{', '.join(map(str, operands))}]")


def _einsum(spelling: Spelling, node: Node, operands: Operands) -> WrittenText:
    subscripts = str(node.static["subscripts"])
    inputs, _, out = subscripts.partition("->")
    common = set.intersection(*map(set, inputs.split(",")))
    by_matrices = ["optimize=True"] if len(operands) > 1 and common and common.isdisjoint(out) else []
    return called("np.einsum", f'"{subscripts}"', *map(str, operands), *by_matrices)


def _running(spelling: Spelling, node: Node, operands: Operands) -> WrittenText:
    axis = node.static.get("axis")
    more = [] if axis is None else [f"axis={axis_text(spelling, axis, len(node.inputs[0].shape))}"]
    return called(f"np.{node.primitive}", str(operands[0]), *more)


def _filled(spelling: Spelling, node: Node, operands: Operands) -> WrittenText:
    """An array made of one number."""
    shape, dtype = spelling.sizes.shape(spelling.shapes(node)), f"dtype={spelling.dtype(node.dtype)}"
    function = {PRIMITIVES["full"]: "full", PRIMITIVES["ones"]: "ones"}.get(node.primitive, "zeros")
    return called(f"np.{function}", shape, *map(str, operands), dtype)


def _getitem(spelling: Spelling, node: Node, operands: Operands) -> WrittenText:
    return WrittenText(f"{operands[0].within(ATOM)}[{key_text(spelling, node, operands[1:], node.inputs[0])}]")


def _numbers(spelling: Spelling, values: Sequence[Any]) -> str:
    """A whole number, or tuples of them, in each of the recordings, as expressions of lengths."""
    if not isinstance(values[0], tuple | list):
        return spelling.sizes.number(values)
    return tupled([_numbers(spelling, one) for one in zip(*values, strict=True)])


def _roll(spelling: Spelling, node: Node, operands: Operands) -> WrittenText:
    axis = node.static["axis"]
    shift = _numbers(spelling, spelling.statics(node, "shift"))
    return called("np.roll", str(operands[0]), shift, *([] if axis is None else [f"axis={axis}"]))


def _pad(spelling: Spelling, node: Node, operands: Operands) -> WrittenText:
    width, value = _numbers(spelling, spelling.statics(node, "width")), node.static.get("value", 0)
    return called("np.pad", str(operands[0]), width, *([f"constant_values={value!r}"] if value else []))


def _repeat(spelling: Spelling, node: Node, operands: Operands) -> WrittenText:
    repeats = _numbers(spelling, spelling.statics(node, "repeats"))
    return called("np.repeat", str(operands[0]), repeats, f"axis={node.static['axis']}")


def _tile(spelling: Spelling, node: Node, operands: Operands) -> WrittenText:
    return called("np.tile", str(operands[0]), _numbers(spelling, spelling.statics(node, "reps")))


def _windows(spelling: Spelling, node: Node, operands: Operands) -> WrittenText:
    axes = node.static["axes"]
    lengths = [spelling.sizes.number(one) for one in zip(*spelling.statics(node, "window"), strict=True)]
    axis = one_or_tuple(list(map(str, axes)))
    made = called("np.lib.stride_tricks.sliding_window_view", str(operands[0]), one_or_tuple(lengths), f"axis={axis}")
    steps = list(zip(*spelling.statics(node, "steps", (1,) * len(axes)), strict=True))
    if all(set(step) == {1} for step in steps):
        return made
    parts = [":"] * len(node.inputs[0].shape)
    for taken, step in zip(axes, steps, strict=True):
        parts[taken] = f"::{spelling.sizes.number(step)}"
    return WrittenText(f"{made}[{', '.join(parts)}]")


def _nonzero(spelling: Spelling, node: Node, operands: Operands) -> WrittenText:
    return WrittenText(f"{called('np.nonzero', str(operands[0]))}[{node.static['axis']}]")


def _places(spelling: Spelling, node: Node, operands: Operands) -> WrittenText:
    """A function that gives places, or one of its results."""
    given = {key: spelling.statics(node, key) for key in node.static if key not in _OF_PLACES}
    unlike = next((values for values in given.values() if any(v != values[0] for v in values)), None)
    if unlike is not None:
        raise UnspelledError("derive number", numbers=", ".join(map(str, unlike)))
    options = [f"{key}={values[0]!r}" for key, values in given.items()]
    found = called(f"np.{node.static['function']}", *map(str, operands), *options)
    part = node.static.get("part")
    return found if part is None else WrittenText(f"{found}[{part}]")


_OF_PLACES = frozenset({"function", "part", "shape", "dtype"})  # what says which result it is, and what that looks like


def _triangle(spelling: Spelling, node: Node, operands: Operands) -> WrittenText:
    k = node.static.get("k", 0)
    return called(f"np.{node.primitive}", str(operands[0]), *([str(k)] if k else []))


def _around(spelling: Spelling, node: Node, operands: Operands) -> WrittenText:
    decimals = node.static.get("decimals", 0)
    return called("np.round", str(operands[0]), *([str(decimals)] if decimals else []))


_ROWS: Mapping[Primitive, Row] = by_primitive({
    "sigmoid": _sigmoid, "matmul": _product, "dot": _product, "transpose": _transpose, "reshape": _reshape,
    "ravel": _reshape, "flatten": _reshape, "broadcast_to": _broadcast_to, "astype": _astype, "einsum": _einsum,
    "concatenate": _concatenate, "array": _array, "cumsum": _running, "cumprod": _running, "argsort": _running,
    "zeros": _filled, "empty": _filled, "ones": _filled, "full": _filled, "getitem": _getitem, "roll": _roll,
    "pad": _pad, "repeat": _repeat, "tile": _tile, "tril": _triangle, "triu": _triangle, "diag": _triangle,
    "around": _around, "nonzero": _nonzero, "places": _places, "windows": _windows,
    **dict.fromkeys(("asarray", "copy", "positive", "float"), lambda spelling, node, operands: operands[0]),
    **dict.fromkeys(("power", "pow"), lambda spelling, node, operands: powered(*operands)),
    "square": lambda spelling, node, operands: powered(operands[0], WrittenText("2")),
    "softplus": lambda spelling, node, operands: called("np.logaddexp", "0", str(operands[0])),
    "item": lambda spelling, node, operands: method(operands[0], "item"),
    "negative": lambda spelling, node, operands: negated(operands[0]),
    "invert": lambda spelling, node, operands: WrittenText(f"~{operands[0].within(SIGNED)}", SIGNED),
})  # fmt: skip
