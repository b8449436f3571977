"""Products of matrices."""

from __future__ import annotations

import math
import operator
import string
from typing import Any

import numpy as np

from dout.graph import Node, Primitive, Shape
from dout.ops.registry import define, shaped
from dout.ops.shape import ndim_of, sum_to


def _product(x: Shape, y: Shape) -> Shape:
    return (*np.broadcast_shapes(x[:-2], y[:-2]), *x[-2:-1], *(y[-1:] if len(y) > 1 else ()))


def _swap(x: Any) -> Any:
    n = len(x.shape)
    return np.transpose(x, (*range(n - 2), n - 1, n - 2))


def _matmul_backward(dout: Any, out: Any, x: Any, y: Any) -> tuple[Any, Any]:
    # A vector on the left is a row, on the right a column: give all three their second axis, then drop it again.
    row, column = len(x.shape) == 1, len(y.shape) == 1
    x2 = np.reshape(x, (1, *x.shape)) if row else x
    y2 = np.reshape(y, (*y.shape, 1)) if column else y
    batch = np.broadcast_shapes(tuple(x2.shape[:-2]), tuple(y2.shape[:-2]))
    dout2 = np.reshape(dout, (*batch, x2.shape[-2], y2.shape[-1]))
    dx = sum_to(np.matmul(dout2, _swap(y2)), x2.shape)
    dy = sum_to(np.matmul(_swap(x2), dout2), y2.shape)
    return np.reshape(dx, x.shape), np.reshape(dy, y.shape)


matmul = define(
    "matmul",
    forward=np.matmul,
    python=operator.matmul,
    backward=_matmul_backward,
    infer=shaped(_product),
    symbol="@",
    onnx="MatMul",
    latex=r"{0} {1}",
    says="dout times the other matrix, transposed",
)


def _dot_shape(x: Shape, y: Shape) -> Shape:
    if not x or not y:
        return x or y
    return (*x[:-1], *y[:-2], *y[-1:]) if len(y) > 1 else x[:-1]


def _dot_backward(dout: Any, out: Any, x: Any, y: Any) -> tuple[Any, Any]:
    if not x.shape or not y.shape:  # np.dot with a number multiplies
        return dout * y, dout * x
    # As matrices: (rows, shared) times (shared, columns).
    shared = x.shape[-1]
    inner = len(y.shape) - 2
    order = (inner, *range(inner), inner + 1) if inner > 0 else tuple(range(len(y.shape)))
    moved = np.transpose(y, order)
    rows, columns = math.prod(x.shape[:-1]), math.prod(moved.shape[1:])
    x2, y2 = np.reshape(x, (rows, shared)), np.reshape(moved, (shared, columns))
    dout2 = np.reshape(dout, (rows, columns))
    dx = np.reshape(np.matmul(dout2, _swap(y2)), x.shape)
    dy = np.reshape(np.matmul(_swap(x2), dout2), moved.shape)
    return dx, np.transpose(dy, sorted(range(len(order)), key=order.__getitem__))


dot = define(
    "dot",
    forward=np.dot,
    backward=_dot_backward,
    infer=shaped(_dot_shape),
    calls={np.dot: lambda x, y: ((x, y), {})},
    methods={"dot": lambda x, y: ((x, y), {})},
    symbol="·",
    latex=r"{0} {1}",
    says="dout times the other matrix, transposed",
)


def _inner_backward(dout: Any, out: Any, x: Any, y: Any) -> tuple[Any, Any]:
    if not x.shape or not y.shape:  # np.inner with a number multiplies
        return dout * y, dout * x
    rows, columns, shared = math.prod(x.shape[:-1]), math.prod(y.shape[:-1]), x.shape[-1]
    dout2 = np.reshape(dout, (rows, columns))
    dx = np.matmul(dout2, np.reshape(y, (columns, shared)))
    dy = np.matmul(_swap(dout2), np.reshape(x, (rows, shared)))
    return np.reshape(dx, x.shape), np.reshape(dy, y.shape)


# Not np.dot with a transposed matrix: NumPy multiplies an array with itself by another routine, to other last bits.
inner = define(
    "inner",
    forward=np.inner,
    backward=_inner_backward,
    infer=shaped(lambda x, y: (*x[:-1], *y[:-1]) if x and y else x or y),
    calls={np.inner: lambda a, b: ((a, b), {})},
    symbol="·",
    latex=r"{0} {1}^\mathsf{{T}}",
    says="dout times the other matrix",
)


# --- equations --------------------------------------------------------------------------------------------------------


def _inverse(x: Any, unknown: bool = False) -> Any:
    """The inverse. If there is none, and the result may be `unknown` as in a gradient, NaN."""
    try:
        return np.linalg.inv(x)
    except np.linalg.LinAlgError:
        if not unknown:
            raise
        return np.full(x.shape, np.nan, x.dtype)


inverse: Primitive = define(
    "inv",
    forward=_inverse,
    backward=lambda dout, out, x, unknown=False: -np.matmul(np.matmul(_swap(out), dout), _swap(out)),
    infer=shaped(lambda x, unknown=False: x),
    calls={np.linalg.inv: lambda a: ((a,), {})},
    symbol="⁻¹",
    latex=r"{{{0}}}^{{-1}}",
    says="minus dout between two transposed inverses",
)


def _solve_backward(dout: Any, out: Any, a: Any, b: Any) -> tuple[Any, Any]:
    column = len(b.shape) == 1  # a vector; else a matrix, or a stack of them
    db = np.linalg.solve(_swap(a), dout)
    one, two = (np.reshape(db, (*db.shape, 1)), np.reshape(out, (*out.shape, 1))) if column else (db, out)
    return sum_to(-np.matmul(one, _swap(two)), a.shape), sum_to(db, b.shape)


solve: Primitive = define(
    "solve",
    forward=np.linalg.solve,
    backward=_solve_backward,
    infer=shaped(lambda a, b: (*np.broadcast_shapes(a[:-2], b[:-2]), *b[-2:])),
    calls={np.linalg.solve: lambda a, b: ((a, b), {})},
    latex=r"{{{0}}}^{{-1}} {1}",
    says="solve the transposed equations for dout; to the matrix, minus that times the solution",
)

determinant = define(
    "det",
    forward=np.linalg.det,
    backward=lambda dout, out, x: np.reshape(dout * out, (*out.shape, 1, 1)) * _swap(inverse(x, unknown=True)),
    infer=shaped(lambda x: x[:-2]),
    calls={np.linalg.det: lambda a: ((a,), {})},
    latex=r"\det {0}",
    onnx="Det",
    says="dout times the determinant and the transposed inverse",
)

# --- convolution ------------------------------------------------------------------------------------------------------


def _convolve_backward(dout: Any, out: Any, x: Any, y: Any, mode: str = "full") -> tuple[Any, Any]:
    whole, shortest = x.shape[0] + y.shape[0] - 1, min(x.shape[0], y.shape[0])
    start = {"full": 0, "same": shortest - 1 - shortest // 2, "valid": shortest - 1}[mode]  # in the full convolution
    full = np.pad(dout, (start, whole - start - dout.shape[0])) if mode != "full" else dout
    return np.convolve(full, np.flip(y), "valid"), np.convolve(full, np.flip(x), "valid")


def _convolved(x: Shape, y: Shape, mode: str = "full") -> Shape:
    (one,), (two,) = x, y
    return ({"full": one + two - 1, "same": max(one, two), "valid": abs(one - two) + 1}[mode],)


def _convolve_arguments(a: Any, v: Any, mode: Any = "full") -> tuple[tuple[Any, ...], dict[str, Any]]:
    if ndim_of(a) != 1 or ndim_of(v) != 1 or mode not in ("full", "same", "valid"):
        raise TypeError("a convolution of numbers, or in a mode with another name")
    return (a, v), {} if mode == "full" else {"mode": mode}


convolve = define(
    "convolve",
    forward=np.convolve,
    backward=_convolve_backward,
    infer=shaped(_convolved),
    calls={np.convolve: _convolve_arguments},
    symbol="∗",
    latex=r"{0} \ast {1}",
    says="convolve dout with the other input, reversed",
)


# --- einsum -----------------------------------------------------------------------------------------------------------


def _terms(subscripts: str) -> tuple[list[str], str]:
    """The index letters of each operand and of the result."""
    left, _, right = subscripts.partition("->")
    return left.split(","), right


def spelled_out(subscripts: str, ndims: list[int], optimize: Any = False) -> str:
    """Einsum's subscripts with the result, and letters in the place of an ellipsis; operands have `ndims` axes.

    NumPy sums the axes of an ellipsis that the result lacks if it may optimize, and refuses them otherwise.

    >>> spelled_out("...ij,jk->...ik", [3, 2]), spelled_out("ij,jk", [2, 2])
    ('aij,jk->aik', 'ij,jk->ik')
    """
    left, arrow, right = subscripts.replace(" ", "").partition("->")
    free = [c for c in string.ascii_letters if c not in subscripts]
    terms = left.split(",")
    lengths = [n - len(term.replace("...", "")) for term, n in zip(terms, ndims, strict=True) if "..." in term]
    if min(lengths, default=0) < 0:
        raise TypeError("einsum with more letters than axes")
    whole = "".join(free[: max(lengths, default=0)])  # as in broadcasting, the last axes belong together
    if whole and arrow and "..." not in right and not optimize:
        raise ValueError(
            f"einsum {subscripts!r}: the axes of ... cannot be summed; write letters, or ... in the result"
        )
    own = iter(lengths)
    terms = [term.replace("...", whole[len(whole) - next(own) :]) if "..." in term else term for term in terms]
    letters = left.replace(",", "").replace("...", "")
    once = "".join(sorted(c for c in set(letters) if letters.count(c) == 1))
    return f"{','.join(terms)}->{right.replace('...', whole) if arrow else whole + once}"


def _einsum_arguments(subscripts: Any, *operands: Any, optimize: Any = False) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if not isinstance(subscripts, str) or len(operands) != subscripts.count(",") + 1:
        raise TypeError("einsum with its indices as lists")
    static: dict[str, Any] = {"subscripts": spelled_out(subscripts, [ndim_of(o) for o in operands], optimize)}
    if any(len(set(term)) < len(term) for term in _terms(static["subscripts"])[0]):
        raise TypeError("einsum with a letter twice in one operand")  # it is composed of a diagonal and this row
    return operands, {**static, "optimize": optimize} if optimize else static


def _einsum_shape(*shapes: Shape, subscripts: str, optimize: Any = False) -> Shape:
    terms, result = _terms(subscripts)
    size: dict[str, int] = {}
    for term, shape in zip(terms, shapes, strict=True):
        for letter, n in zip(term, shape, strict=True):
            if n != 1 or letter not in size:  # an axis of length one is repeated
                size[letter] = n
    return tuple(size[letter] for letter in result)


def _einsum_backward(dout: Any, out: Any, *operands: Any, subscripts: str, optimize: Any = False) -> tuple[Any, ...]:
    terms, result = _terms(subscripts)
    gradients = []
    for k, (term, operand) in enumerate(zip(terms, operands, strict=True)):
        others = [(t, o) for i, (t, o) in enumerate(zip(terms, operands, strict=True)) if i != k]
        known = {*result, *"".join(t for t, _ in others)}
        kept = "".join(letter for letter in term if letter in known)  # a letter of this operand alone was summed away
        formula = ",".join([result, *(t for t, _ in others)]) + "->" + kept
        part = np.einsum(formula, dout, *(o for _, o in others))
        wide = tuple(part.shape[kept.index(c)] if c in kept else 1 for c in term)
        whole = tuple(n if own == 1 else own for n, own in zip(wide, operand.shape, strict=True))
        gradients.append(np.broadcast_to(np.reshape(part, wide), whole))
    return tuple(gradients)


einsum = define(
    "einsum",
    forward=lambda *operands, subscripts, optimize=False: np.einsum(subscripts, *operands, optimize=optimize),
    backward=_einsum_backward,
    infer=shaped(_einsum_shape),
    write_back=lambda base, changed, subscripts, optimize=False: np.einsum(  # of one array alone NumPy gives a view
        "{2}->{0}".format(*subscripts.partition("->")), changed
    ),
    calls={np.einsum: _einsum_arguments},
    latex=r"\operatorname{{einsum}}({0}, \dots)",
    says="the same sum with dout in the place of this input",
)


def multiply_adds(node: Node) -> int:
    """How many products of two numbers a product of arrays adds up; 0 for all other rows.

    >>> from dout.graph import INPUT
    >>> x, W = (Node(INPUT, (), {}, shape, np.dtype(float)) for shape in ((3, 5), (5, 4)))
    >>> multiply_adds(Node(matmul, (x, W), {}, (3, 4), np.dtype(float)))
    60
    """
    shapes = [given.shape for given in node.inputs]
    if node.primitive in (matmul, dot, inner):
        return math.prod(node.shape) * shapes[0][-1] if all(shapes) else 0
    if node.primitive is convolve:
        return math.prod(shape[0] for shape in shapes)
    if node.primitive is not einsum or len(shapes) < 2:
        return 0
    terms, _ = _terms(node.static["subscripts"])
    pairs = (pair for term, shape in zip(terms, shapes, strict=True) for pair in zip(term, shape, strict=True))
    return math.prod(dict(pairs).values())
