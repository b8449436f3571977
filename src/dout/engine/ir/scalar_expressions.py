"""What a kernel computes for one element: which rows can, in which dtypes, and as which expression.

Each node computes in the dtype that NumPy would choose for its operands, so that a kernel's numbers are NumPy's.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from dout.engine.ir.sign_analysis import extreme_of, sign
from dout.graph import CONSTANT, DType, Node, Primitive, Shape
from dout.ops import PRIMITIVES, by_primitive, primitives
from dout.rewrite.identities import only_inserts

# --- the tables -------------------------------------------------------------------------------------------------------

# Functions of `dout.engine.math`, each with a version for float32 and float64.
FUNCTIONS = frozenset(
    ["exp", "decay", "log", "log1p", "expm1", "tanh", "sigmoid", "erf", "pow", "softplus", "exp2", "log2", "log10",
     "sin", "cos", "tan", "sinh", "cosh", "log_sigmoid", "maximum", "minimum", "minus"]
)  # fmt: skip

# Expressions that a kernel takes instead of the row's own: where Numba has another name for a function, where a branch
# must become a select, and for rows that have no expression.
_INSTEAD = by_primitive(
    {
        "maximum": "maximum({0}, {1})",  # NaN wins
        "minimum": "minimum({0}, {1})",
        "sqrt": "np.sqrt({0})",
        "logical_and": "{0} & {1}",
        "logical_or": "{0} | {1}",
        "logical_xor": "{0} != {1}",
        "bitwise_xor": "{0} != {1}",
        "invert": "not {0}",
        "floor": "np.floor({0})",
        "ceil": "np.ceil({0})",
        "trunc": "np.trunc({0})",
        "rint": "np.rint({0})",
        "isnan": "{0} != {0}",
        "isfinite": "abs({0}) < inf",
        "isinf": "abs({0}) == inf",
    }
)

# `x ** 2` is answered by NumPy as np.square, and so on; only where the exponent is a plain number.
_POWERS = {2: "{0} * {0}", 1: "{0}", 0.5: "np.sqrt({0})", -1: "1 / {0}"}

_INSTEAD_OF_WHOLE = by_primitive(
    {"maximum": "max({0}, {1})", "minimum": "min({0}, {1})", "clip": "min(max({0}, {1}), {2})"}
)

# Rows that move no element: their value is that of their first input, cast to their dtype.
MOVES = primitives("copy astype asarray broadcast_to reshape positive full getitem")
FILLS = by_primitive({"zeros": 0, "ones": 1})
REDUCTIONS = primitives("sum mean max min any all")
EXTREMES, TESTS = primitives("max min"), primitives("any all")

# Kinds of dtype that a row computes in, where it is not floats alone.
_WHOLE = dict.fromkeys(["add", "subtract", "multiply", "square", "maximum", "minimum", "clip"], "fiu")
_COMPARED = dict.fromkeys(["less", "less_equal", "greater", "greater_equal", "equal", "not_equal", "where"], "fiub")
_LOGIC = dict.fromkeys(
    ["bitwise_and", "bitwise_or", "bitwise_xor", "invert", "logical_and", "logical_or", "logical_xor", "logical_not"],
    "b",
)
_KINDS = by_primitive({**_WHOLE, **_COMPARED, **_LOGIC, "negative": "fi"})

# Rows that have an expression, but not NumPy's numbers: signs of zero and rounding of quotients differ.
_NEVER = primitives("floor_divide mod left_shift right_shift")

_UFUNCS: dict[Primitive, np.ufunc] = by_primitive({"pow": np.power})

_BOOL = np.dtype(bool)
_DTYPES = frozenset(map(np.dtype, ["?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8"]))


# --- which rows -------------------------------------------------------------------------------------------------------


def fusible(node: Node) -> bool:
    """Whether a kernel can compute this node, in its dtype and with NumPy's result."""
    if isinstance(node.dtype, type) or node.dtype not in _DTYPES:
        return False  # plain numbers are Python's
    if not all(i.dtype in (bool, int, float) if isinstance(i.dtype, type) else i.dtype in _DTYPES for i in node.inputs):
        return False
    row = node.primitive
    if row in REDUCTIONS:
        return _reduces(node)
    if row in FILLS:
        return True
    if row in MOVES:
        return node.static.get("order") != "F" and _moves_nothing(node) and _casts(node.inputs[0].dtype, node.dtype)
    return row not in _NEVER and _has_expression(node) and _computes(node)


def _reduces(node: Node) -> bool:
    x = node.inputs[0]
    if len(node.inputs) > 1 or not x.shape or set(node.static) - {"axis", "keepdims", "dtype"}:
        return False
    axes = reduced_axes(node)
    if not axes or not _casts(x.dtype, operand_dtypes(node)[0]):
        return False
    row, kind = node.primitive, np.dtype(node.dtype).kind
    if row in TESTS:
        return True
    if row in EXTREMES:
        return kind != "b" and 0 not in (x.shape[a] for a in axes)
    return kind == "f" if row is PRIMITIVES["mean"] else kind != "b"  # a sum of truth values may be one: NumPy's "or"


def reduced_axes(node: Node) -> tuple[int, ...]:
    """The axes of its input that a reduction reduces, in order."""
    ndim, axis = len(node.inputs[0].shape), node.static.get("axis")
    axes = range(ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
    return tuple(sorted(a % ndim for a in axes)) if ndim else ()  # NumPy takes an axis of a number, too


def _moves_nothing(node: Node) -> bool:
    if node.static.get("array"):
        return False  # a copy that is an array also of a number, which a kernel has no memory for
    if node.primitive is PRIMITIVES["getitem"] and (len(node.inputs) > 1 or not only_inserts(node.static["key"])):
        return False
    if node.primitive in primitives("reshape getitem"):
        return without_ones(node.inputs[0].shape) == without_ones(node.shape)
    return True


def without_ones(shape: Shape) -> Shape:
    """The lengths that are not one."""
    return tuple(n for n in shape if n != 1)


def _casts(origin: DType, target: DType) -> bool:
    """Whether a cast gives NumPy's result; that of a float beyond the range of whole numbers is undefined."""
    return np.dtype(origin).kind != "f" or np.dtype(target).kind in "fb"


def _has_expression(node: Node) -> bool:
    return expression_of(node) is not None and all(name in FUNCTIONS or name == "abs" for name in functions_of(node))


def _computes(node: Node) -> bool:
    """Whether the node's dtypes are among those that its row computes in, and no cast on the way can go wrong."""
    try:
        operands = operand_dtypes(node)
    except TypeError:
        return False
    kinds = _KINDS.get(node.primitive, "f")
    chosen = operands[1:] if node.primitive is PRIMITIVES["where"] else operands
    if any(d.kind not in kinds or d not in _DTYPES for d in chosen) or result_dtype(node) != node.dtype:
        return False
    if len(set(chosen)) > 1:
        return False  # NumPy compares int64 with uint64 as what they are
    return all(_casts(i.dtype, d) and _fits(i, d) for i, d in zip(node.inputs, operands, strict=True))


def _fits(number: Node, dtype: np.dtype[Any]) -> bool:
    """Whether a plain whole number can be cast to a dtype: NumPy refuses, or has an answer of its own, where not."""
    if number.dtype is not int or dtype.kind not in "iu":
        return True
    if number.primitive is not CONSTANT:
        return dtype == np.int64
    return bool(np.iinfo(dtype).min <= number.static["value"] <= np.iinfo(dtype).max)


# --- in which dtypes --------------------------------------------------------------------------------------------------


def operand_dtypes(node: Node) -> tuple[np.dtype[Any], ...]:
    """The dtype to which NumPy casts each operand before it computes. TypeError where it cannot compute."""
    return _loop(node)[0]


def result_dtype(node: Node) -> np.dtype[Any]:
    """The dtype in which NumPy computes the result."""
    return _loop(node)[1]


def _loop(node: Node) -> tuple[tuple[np.dtype[Any], ...], np.dtype[Any]]:
    row, own = node.primitive, np.dtype(node.dtype)
    if row is PRIMITIVES["where"]:
        return (_BOOL, own, own), own
    if row in REDUCTIONS:
        return (np.dtype(node.inputs[0].dtype) if row in EXTREMES else own,), own
    ufunc = _UFUNCS.get(row, row.forward)
    if not isinstance(ufunc, np.ufunc):
        return (own,) * len(node.inputs), own
    given = tuple(_BOOL if i.dtype is bool else i.dtype for i in node.inputs)
    *operands, result = ufunc.resolve_dtypes((*given, None))
    return tuple(operands), result


# --- as which expression ----------------------------------------------------------------------------------------------

_CALL = re.compile(r"(?<![\w.])([a-z]\w*)\(")
_NUMBER = re.compile(r"(?<![\w.{])(?:\d+(?:\.\d+)?|inf\b)")


def expression_of(node: Node) -> str | None:
    """The row's expression for this node, with {0}, {1} … for its operands, or None."""
    row = node.primitive
    if row in MOVES:
        return "{0}"
    if row is PRIMITIVES["pow"] and node.inputs[1].primitive is CONSTANT and isinstance(node.inputs[1].dtype, type):
        special = _POWERS.get(node.inputs[1].static["value"])
        if special is not None:
            return special
    if row in primitives("isnan isinf isfinite") and np.dtype(node.inputs[0].dtype).kind != "f":
        return None
    return _INSTEAD.get(row, row.kernel)


def functions_of(node: Node) -> list[str]:
    """The functions that the row's expression calls, by their names."""
    return _CALL.findall(expression_of(node) or "")


def cast(text: str, origin: DType, target: np.dtype[Any]) -> str:
    """The text of a value, cast from one dtype to another."""
    if np.dtype(origin) == target:
        return text
    if target == _BOOL:
        return f"({text} != 0)"
    return f"np.{target.name}({text})"


def literal(value: Any, dtype: np.dtype[Any]) -> str:
    """A number as it stands in a kernel of this dtype.

    >>> literal(2, np.dtype("f4")), literal(0.1, np.dtype("f8")), literal(True, np.dtype("f8"))
    ('np.float32(2.0)', '0.1', '1.0')
    """
    if dtype.kind == "b":
        return str(bool(value))
    number: Any = float(value) if dtype.kind == "f" else int(value)
    text = repr(number) if np.isfinite(number) else {"inf": "np.inf", "-inf": "-np.inf"}.get(repr(number), "np.nan")
    return text if dtype in (np.float64, np.int64) else f"np.{dtype.name}({text})"


def _known_of(node: Node) -> str | None:
    """An expression that relies on what is known of the operands.

    An extreme is one of those that it is subtracted from, also where these are computed anew and as products: such a
    difference is rounded as NumPy's, so that it is zero there, and nowhere of the other sign.
    """
    row = node.primitive
    if row is PRIMITIVES["exp"] and sign(node.inputs[0]) < 0:
        return "decay({0})"
    if (
        row is PRIMITIVES["subtract"]
        and np.dtype(node.dtype).kind == "f"
        and (extreme_of(*node.inputs) or extreme_of(*node.inputs[::-1]))
    ):
        return "minus({0}, {1})"
    return None


def expression(node: Node, operands: Sequence[str]) -> str:
    """One element of a node, from the texts of its operands, which already have the dtypes NumPy casts them to.

    Numbers in the row's expression take the node's dtype, functions its version, whole numbers wrap.
    """
    text = _known_of(node) or expression_of(node)
    assert text is not None
    dtypes = operand_dtypes(node)
    loop = dtypes[-1]
    text = _NUMBER.sub(lambda number: literal(float(number[0]), loop), text)
    if loop.kind in "iu":
        text = _INSTEAD_OF_WHOLE.get(node.primitive, text)
    version = f"_f{8 * loop.itemsize}("
    text = _CALL.sub(lambda call: f"{call[1]}{version}" if call[1] in FUNCTIONS else call[0], text)
    text = text.format(*operands)
    narrow = np.dtype(node.dtype).kind in "iu" and np.dtype(node.dtype) != np.int64
    return f"np.{np.dtype(node.dtype).name}({text})" if narrow else text
