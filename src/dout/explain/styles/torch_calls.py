"""The calls of NumPy and what they are in PyTorch: one table, and the few calls that a row cannot say."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence

from dout.explain.spelling.syntax_trees import items_of, parsed
from dout.explain.styles.call_rows import CallRow, rows
from dout.explain.styles.seen_kinds import SeenKind, kind, with_kind
from dout.explain.styles.translator import Special, Translator, is_number

_SAME = (
    "exp log sqrt sin cos tan tanh sinh cosh arctan arcsin arccos arcsinh arccosh arctanh log1p expm1 log2 log10 exp2 "
    "square floor ceil trunc sign abs absolute isnan isfinite isinf sinc logical_not negative reciprocal rad2deg "
    "deg2rad"
)
_TWO = (
    "logaddexp logaddexp2 hypot arctan2 outer kron inner matmul logical_and logical_or logical_xor greater less "
    "greater_equal less_equal equal not_equal"
)
_COMPARES = {"greater": "gt", "less": "lt", "greater_equal": "ge", "less_equal": "le", "equal": "eq", "not_equal": "ne"}

ROWS: Mapping[str, CallRow] = rows(
    "\n".join(
        [
            *(f"{name}(x) -> torch.{name}(x)" for name in _SAME.split()),
            *(f"{name}(a, b) -> torch.{_COMPARES.get(name, name)}(a, b)" for name in _TWO.split()),
        ]
    )
    + """
rint(x) -> torch.round(x)
fabs(x) -> torch.abs(x)
add(a, b) -> torch.add(a, b)
subtract(a, b) -> torch.sub(a, b)
multiply(a, b) -> torch.mul(a, b)
divide(a, b) -> torch.div(a, b)
true_divide(a, b) -> torch.div(a, b)
power(a, b) -> torch.pow(a, b)
sum(a, axis=None, keepdims=False) -> torch.sum(a, dim=axis, keepdim=keepdims)
mean(a, axis=None, keepdims=False) -> torch.mean(a, dim=axis, keepdim=keepdims)
var(a, axis=None, ddof=0, keepdims=False) -> torch.var(a, dim=axis, correction=ddof, keepdim=keepdims)
std(a, axis=None, ddof=0, keepdims=False) -> torch.std(a, dim=axis, correction=ddof, keepdim=keepdims)
max(a, axis=None, keepdims=False) -> torch.amax(a, dim=axis, keepdim=keepdims)
amax(a, axis=None, keepdims=False) -> torch.amax(a, dim=axis, keepdim=keepdims)
min(a, axis=None, keepdims=False) -> torch.amin(a, dim=axis, keepdim=keepdims)
amin(a, axis=None, keepdims=False) -> torch.amin(a, dim=axis, keepdim=keepdims)
prod(a, axis=None, keepdims=False) -> torch.prod(a, dim=axis, keepdim=keepdims)
any(a, axis=None, keepdims=False) -> torch.any(a, dim=axis, keepdim=keepdims)
all(a, axis=None, keepdims=False) -> torch.all(a, dim=axis, keepdim=keepdims)
argmax(a, axis=None, keepdims=False) -> torch.argmax(a, dim=axis, keepdim=keepdims)
argmin(a, axis=None, keepdims=False) -> torch.argmin(a, dim=axis, keepdim=keepdims)
cumsum(a, axis) -> torch.cumsum(a, dim=axis)
cumprod(a, axis) -> torch.cumprod(a, dim=axis)
linalg.norm(a, ord=None, axis=None, keepdims=False) -> torch.linalg.norm(a, ord=ord, dim=axis, keepdim=keepdims)
linalg.inv(a) -> torch.linalg.inv(a)
linalg.det(a) -> torch.linalg.det(a)
linalg.solve(a, b) -> torch.linalg.solve(a, b)
concatenate(arrays, axis=0) -> torch.cat(arrays, dim=axis)
stack(arrays, axis=0) -> torch.stack(arrays, dim=axis)
hstack(arrays) -> torch.hstack(arrays)
vstack(arrays) -> torch.vstack(arrays)
split(a, n, axis=0) -> torch.tensor_split(a, n, dim=axis)
array_split(a, n, axis=0) -> torch.tensor_split(a, n, dim=axis)
expand_dims(a, axis) -> torch.unsqueeze(a, axis)
squeeze(a, axis=None) -> torch.squeeze(a, dim=axis)
swapaxes(a, axis1, axis2) -> torch.swapaxes(a, axis1, axis2)
moveaxis(a, source, destination) -> torch.moveaxis(a, source, destination)
broadcast_to(a, shape) -> torch.broadcast_to(a, shape)
tile(a, reps) -> torch.tile(a, reps)
repeat(a, repeats, axis=None) -> torch.repeat_interleave(a, repeats, dim=axis)
roll(a, shift, axis=None) -> torch.roll(a, shift, dims=axis)
fliplr(m) -> torch.fliplr(m)
cbrt(x) -> torch.copysign(torch.abs(x) ** (1 / 3), x)
take_along_axis(a, indices, axis) -> torch.take_along_dim(a, indices, dim=axis)
triu(a, k=0) -> torch.triu(a, diagonal=k)
tril(a, k=0) -> torch.tril(a, diagonal=k)
diag(a, k=0) -> torch.diag(a, diagonal=k)
diagonal(a, offset=0, axis1=0, axis2=1) -> torch.diagonal(a, offset=offset, dim1=axis1, dim2=axis2)
trace(a) -> torch.trace(a)
tensordot(a, b, axes=2) -> torch.tensordot(a, b, dims=axes)
zeros_like(a) -> torch.zeros_like(a)
ones_like(a) -> torch.ones_like(a)
empty_like(a) -> torch.empty_like(a)
full_like(a, value) -> torch.full_like(a, value)
diff(a, n=1, axis=-1) -> torch.diff(a, n=n, dim=axis)
argsort(a, axis=-1) -> torch.argsort(a, dim=axis)
copy(a) -> torch.clone(a)
array(a) -> torch.clone(a)
ascontiguousarray(a) -> torch.clone(a)
heaviside(a, b) -> torch.heaviside(a, b)
reshape(a, shape) -> torch.reshape(a, shape)
ravel(a) -> torch.reshape(a, (-1,))
clip(a, a_min=None, a_max=None) -> torch.clamp(a, min=a_min, max=a_max)
scipy.special.expit(x) -> torch.special.expit(x)
scipy.special.log_expit(x) -> torch.nn.functional.logsigmoid(x)
scipy.special.erf(x) -> torch.special.erf(x)
scipy.special.erfc(x) -> torch.special.erfc(x)
scipy.special.xlogy(a, b) -> torch.special.xlogy(a, b)
scipy.special.entr(x) -> torch.special.entr(x)
scipy.special.gammaln(x) -> torch.special.gammaln(x)
scipy.special.digamma(x) -> torch.special.digamma(x)
scipy.special.ndtr(x) -> torch.special.ndtr(x)
"""
)

# Calls whose arguments must all be tensors; one that is a number becomes a tensor like another.
ALL_TENSORS = frozenset({"logaddexp", "logaddexp2", "hypot", "arctan2", "heaviside", "outer"})
# Calls that may be given numbers and tensors, and whose tensors are made floats where the result is.
REDUCTIONS = frozenset({
    "sum", "mean", "var", "std", "max", "amax", "min", "amin", "prod", "any", "all", "linalg.norm",
})  # fmt: skip

Arguments = list[ast.expr]
Keywords = dict[str, ast.expr]


def _bound(names: str, arguments: Sequence[ast.expr], keywords: Mapping[str, ast.expr]) -> Keywords:
    """Arguments by the names of the parameters; one that is optional has a =, as in "a axis="."""
    text = ", ".join(f"{n}None" if n.endswith("=") else n for n in names.split())
    (row,) = rows(f"f({text}) -> f()").values()
    return row.bind(arguments, keywords)


def _method(owner: ast.expr, name: str, *arguments: ast.expr | str) -> ast.expr:
    over = [parsed(a) if isinstance(a, str) else a for a in arguments]
    return ast.Call(ast.Attribute(owner, name, ast.Load()), over, [])


def _extreme(name: str, bound: str) -> Special:
    def write(t: Translator, node: ast.Call, arguments: Arguments, keywords: Keywords) -> ast.expr | None:
        given = _bound("a b", arguments, keywords)
        a, b = given["a"], given["b"]
        if is_number(a) and is_number(b):
            return ast.Call(parsed(name.removesuffix("imum")), [a, b], [])
        if is_number(a):
            a, b = b, a
        if is_number(b):
            return ast.Call(parsed("torch.clamp"), [a], [ast.keyword(bound, b)])
        return ast.Call(parsed(f"torch.{name}"), [a, b], [])

    return write


def _where(t: Translator, node: ast.Call, arguments: Arguments, keywords: Keywords) -> ast.expr | None:
    if len(arguments) != 3 or keywords:
        return None
    if kind(arguments[0]).is_plain:
        arguments[0] = ast.Call(parsed("torch.tensor"), [arguments[0]], [_device(t)])
    made = ast.Call(parsed("torch.where"), arguments, [])
    if kind(node).is_float and not any(kind(a).is_float for a in arguments[1:]):
        return _method(made, "to", f"{t.like}.dtype")
    return made


def _transpose(t: Translator, node: ast.Call, arguments: Arguments, keywords: Keywords) -> ast.expr | None:
    owner, *axes = arguments
    axes += list(keywords.values())
    ndim = kind(owner).ndim
    if len(axes) == 1 and isinstance(axes[0], ast.Tuple | ast.List):
        axes = axes[0].elts
    if axes:
        return ast.Call(ast.Attribute(owner, "permute", ast.Load()), axes, [])
    return reversed_axes(owner, ndim)


def reversed_axes(owner: ast.expr, ndim: int | None) -> ast.expr | None:
    """`x.T`, of any number of axes."""
    if ndim is None:
        return None
    if ndim < 2:
        return owner
    if ndim == 2:
        return ast.Attribute(owner, "T", ast.Load())
    return _method(owner, "permute", *map(str, range(ndim)[::-1]))


def _dtype(t: Translator, dtype: ast.expr | None, seen: SeenKind) -> str:
    """The dtype of a new tensor; for floats the dtype of the input, so that float32 stays."""
    if dtype is not None and isinstance(dtype, ast.Attribute) and dtype.attr == "dtype":
        return ast.unparse(dtype)
    if dtype is not None and (kind(dtype).what == "dtype" or ast.unparse(dtype).startswith("torch.")):
        return ast.unparse(dtype)
    if dtype is not None and kind(dtype).what == "items":
        raise t.refused("this dtype", dtype)
    kept = dtype is not None and isinstance(dtype, ast.Name) and dtype.id not in ("float", "int", "bool")
    if kept:
        assert dtype is not None
        return ast.unparse(dtype)
    return {"f": f"{t.like}.dtype", "i": "torch.int64", "b": "torch.bool"}[seen.dtype]


def _astype(t: Translator, node: ast.Call, arguments: Arguments, keywords: Keywords) -> ast.expr | None:
    given = _bound("a dtype copy=", arguments, keywords)
    made = _method(given["a"], "to", _dtype(t, given["dtype"], kind(node)))
    assert isinstance(made, ast.Call)
    made.keywords = [ast.keyword("copy", ast.Constant(True))] if writes_in_place(t) else []
    return made


def writes_in_place(t: Translator) -> bool:
    """Whether a method writes into arrays: then what NumPy copies must be a copy."""
    for method in (t.parts.forward, t.parts.backward):
        for node in ast.walk(method):
            if isinstance(node, ast.AugAssign) or (isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store)):
                return True
    return False


def _device(t: Translator) -> ast.keyword:
    return ast.keyword("device", parsed(f"{t.like}.device"))


def _new(name: str, names: str) -> Special:
    def write(t: Translator, node: ast.Call, arguments: Arguments, keywords: Keywords) -> ast.expr | None:
        given = _bound(f"{names} dtype=", arguments, keywords)
        dtype = _dtype(t, given.pop("dtype", None), kind(node))
        options = [ast.keyword("dtype", parsed(dtype)), _device(t)]
        return ast.Call(parsed(f"torch.{name}"), list(given.values()), options)

    return write


def _full(t: Translator, node: ast.Call, arguments: Arguments, keywords: Keywords) -> ast.expr | None:
    given = _bound("shape value dtype=", arguments, keywords)
    if kind(given["value"]).is_tensor and "dtype" not in given:
        repeated = ast.Call(parsed("torch.broadcast_to"), [given["value"], given["shape"]], [])
        return _method(repeated, "clone")
    return _new("full", "shape value")(t, node, arguments, keywords)


def _arange(t: Translator, node: ast.Call, arguments: Arguments, keywords: Keywords) -> ast.expr | None:
    if keywords or not all(kind(a).is_plain for a in arguments):
        return None
    options = [_device(t)]
    if kind(node).dtype == "f":
        options.insert(0, ast.keyword("dtype", parsed(f"{t.like}.dtype")))
    return ast.Call(parsed("torch.arange"), arguments, options)


def _array(t: Translator, node: ast.Call, arguments: Arguments, keywords: Keywords) -> ast.expr | None:
    (first, *rest) = arguments
    if kind(first).is_tensor and not rest and not keywords:
        return _method(first, "clone")
    if kind(first).is_plain and not rest and not keywords:
        options = [ast.keyword("dtype", parsed(_dtype(t, None, kind(node)))), _device(t)]
        return ast.Call(parsed("torch.tensor"), [first], options)
    if isinstance(first, ast.List | ast.Tuple) and all(kind(e).is_float for e in first.elts) and not rest:
        return None if keywords else ast.Call(parsed("torch.stack"), [first], [])
    return None


def _asarray(t: Translator, node: ast.Call, arguments: Arguments, keywords: Keywords) -> ast.expr | None:
    return arguments[0] if len(arguments) == 1 and not keywords and kind(arguments[0]).is_tensor else None


def _pad(t: Translator, node: ast.Call, arguments: Arguments, keywords: Keywords) -> ast.expr | None:
    """`torch.nn.functional.pad` counts the axes from the last one."""
    given = _bound("a width mode= constant_values=", arguments, keywords)
    mode, width, ndim = given.get("mode"), given["width"], kind(given["a"]).ndim
    if mode is not None and not (isinstance(mode, ast.Constant) and mode.value == "constant"):
        return None
    pairs: list[list[ast.expr]] = []
    if isinstance(width, ast.Tuple | ast.List) and all(isinstance(e, ast.Tuple | ast.List) for e in width.elts):
        pairs = [list(e.elts) for e in width.elts if isinstance(e, ast.Tuple | ast.List)]
    elif is_number(width) and ndim is not None:
        pairs = [[width, width]] * ndim
    if not pairs or len(pairs) != ndim or any(len(pair) != 2 for pair in pairs):
        return None
    flat: list[ast.expr] = [edge for pair in reversed(pairs) for edge in pair]
    value = given.get("constant_values")
    options = [ast.keyword("value", value)] if value is not None else []
    return ast.Call(parsed("torch.nn.functional.pad"), [given["a"], ast.Tuple(flat, ast.Load())], options)


def _add_at(t: Translator, node: ast.Call, arguments: Arguments, keywords: Keywords) -> ast.expr | None:
    """`x.index_put_(indices, values, accumulate=True)`: all indices are tensors of whole numbers."""
    if len(arguments) != 3 or keywords:
        return None
    owner, index, value = arguments
    parts = items_of(index)
    if not all(kind(p).is_tensor and kind(p).dtype in "ib" for p in parts):
        return None
    where = ast.Tuple(parts, ast.Load())
    made = ast.Call(ast.Attribute(owner, "index_put_", ast.Load()), [where, as_tensor(t, value)], [])
    made.keywords = [ast.keyword("accumulate", ast.Constant(True))]
    return made


def as_tensor(t: Translator, value: ast.expr) -> ast.expr:
    """A number as a tensor of the input's dtype and device."""
    if not kind(value).is_plain:
        return value
    return with_kind(_method(parsed(t.like), "new_tensor", value), SeenKind("tensor", "f", 0))


def _dot(t: Translator, node: ast.Call, arguments: Arguments, keywords: Keywords) -> ast.expr | None:
    """`@` means the same for one and two axes."""
    given = _bound("a b", arguments, keywords)
    a, b = kind(given["a"]).ndim, kind(given["b"]).ndim
    if not a or not b:
        return ast.BinOp(given["a"], ast.Mult(), given["b"]) if 0 in (a, b) else None
    return ast.BinOp(given["a"], ast.MatMult(), given["b"]) if b <= 2 else None


def _einsum(t: Translator, node: ast.Call, arguments: Arguments, keywords: Keywords) -> ast.expr | None:
    keywords.pop("optimize", None)
    is_text = isinstance(arguments[0], ast.Constant)
    return ast.Call(parsed("torch.einsum"), arguments, []) if is_text and not keywords else None


def _sort(t: Translator, node: ast.Call, arguments: Arguments, keywords: Keywords) -> ast.expr | None:
    given = _bound("a axis=", arguments, keywords)
    dim = given.get("axis", ast.Constant(-1))
    return ast.Attribute(ast.Call(parsed("torch.sort"), [given["a"]], [ast.keyword("dim", dim)]), "values", ast.Load())


def _ptp(t: Translator, node: ast.Call, arguments: Arguments, keywords: Keywords) -> ast.expr | None:
    high = ROWS["max"].filled(ROWS["max"].bind(arguments, keywords))
    return ast.BinOp(high, ast.Sub(), ROWS["min"].filled(ROWS["min"].bind(arguments, keywords)))


def _flatten(t: Translator, node: ast.Call, arguments: Arguments, keywords: Keywords) -> ast.expr | None:
    if keywords or len(arguments) > 1:
        return None
    made = _method(arguments[0], "reshape", "-1")
    return _method(made, "clone") if writes_in_place(t) else made


def _size(t: Translator, node: ast.Call, arguments: Arguments, keywords: Keywords) -> ast.expr | None:
    return _method(arguments[0], "numel") if len(arguments) == 1 else None


def _shape(t: Translator, node: ast.Call, arguments: Arguments, keywords: Keywords) -> ast.expr | None:
    return ast.Attribute(arguments[0], "shape", ast.Load()) if kind(arguments[0]).is_tensor else None


def _plain_method(name: str) -> Special:
    def write(t: Translator, node: ast.Call, arguments: Arguments, keywords: Keywords) -> ast.expr | None:
        return None if keywords else _method(arguments[0], name, *arguments[1:])

    return write


def _flip(t: Translator, node: ast.Call, arguments: Arguments, keywords: Keywords) -> ast.expr | None:
    given = _bound("a axis=", arguments, keywords)
    axis, ndim = given.get("axis"), kind(given["a"]).ndim
    if axis is None:
        return _method(given["a"], "flip", f"{tuple(range(ndim))}") if ndim else None
    return _method(given["a"], "flip", axis)


def _windows(t: Translator, node: ast.Call, arguments: Arguments, keywords: Keywords) -> ast.expr | None:
    """`x.unfold(2, h, 1).unfold(3, w, 1)`: each axis puts its windows last, as NumPy does."""
    given = _bound("x window axis=", arguments, keywords)
    made, window, ndim = given["x"], given["window"], kind(given["x"]).ndim
    try:
        axes = ast.literal_eval(given.get("axis", ast.Constant(None)))
    except ValueError:
        return None
    if ndim is None or axes is None:
        return None
    axes = axes if isinstance(axes, tuple) else (axes,)
    if isinstance(window, ast.Tuple):
        sizes = list(window.elts)
    elif is_number(window):
        sizes = [window]
    else:
        sizes = [ast.Subscript(window, ast.Constant(i), ast.Load()) for i in range(len(axes))]
    for one, size in zip(axes, sizes, strict=True):
        made = _method(made, "unfold", str(one % ndim), size, "1")
    return made


SPECIAL: Mapping[str, Special] = {
    "lib.stride_tricks.sliding_window_view": _windows,
    "maximum": _extreme("maximum", "min"), "minimum": _extreme("minimum", "max"), "where": _where,
    "transpose": _transpose, "zeros": _new("zeros", "shape"), "ones": _new("ones", "shape"), "dot": _dot,
    "empty": _new("empty", "shape"), "full": _full, "eye": _new("eye", "n m="),
    "identity": _new("eye", "n"), "arange": _arange, "array": _array, "asarray": _asarray, "pad": _pad,
    "add.at": _add_at, "einsum": _einsum, "sort": _sort, "ptp": _ptp, "size": _size, "shape": _shape,
    "flip": _flip,
}  # fmt: skip
METHODS: Mapping[str, Special] = {
    "reshape": _plain_method("reshape"), "transpose": _transpose, "astype": _astype, "flatten": _flatten,
    "dot": _dot, "copy": _plain_method("clone"), "item": _plain_method("item"),
    "fill": _plain_method("fill_"), "ptp": _ptp,
}  # fmt: skip
