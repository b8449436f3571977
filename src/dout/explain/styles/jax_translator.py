"""Expressions of NumPy in; the same in JAX out: jnp has NumPy's names, and writes into no array."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from dout.explain.spelling.syntax_trees import items_of, parsed
from dout.explain.styles.seen_kinds import kind, shares_memory
from dout.explain.styles.translator import Special, Translator
from dout.run import deep_copy

_SAME = """
exp log sqrt sin cos tan tanh sinh cosh arctan arcsin arccos arcsinh arccosh arctanh log1p expm1 log2 log10 exp2
square floor ceil trunc sign abs absolute isnan isfinite isinf sinc logical_not negative reciprocal rad2deg deg2rad
logaddexp logaddexp2 hypot arctan2 outer kron inner matmul logical_and logical_or logical_xor greater less
greater_equal less_equal equal not_equal rint fabs add subtract multiply divide true_divide power cbrt heaviside sum
mean var std max amax min amin prod any all argmax argmin cumsum cumprod linalg.norm linalg.inv linalg.det
linalg.solve concatenate stack hstack vstack split array_split expand_dims squeeze swapaxes moveaxis broadcast_to tile
repeat roll flip fliplr flipud take_along_axis triu tril diag diagonal trace tensordot zeros_like ones_like empty_like
full_like diff sort argsort copy asarray reshape ravel clip maximum minimum where transpose dot einsum pad ptp size
shape average vdot tri
"""
_METHODS = (
    "sum mean var std max min prod any all argmax argmin cumsum cumprod reshape transpose copy flatten ravel dot "
    "squeeze swapaxes repeat clip round ptp"
)
_SCIPY = "expit log_expit erf erfc xlogy entr gammaln digamma ndtr softmax log_softmax logsumexp"
_KEYWORDS = {"axis", "keepdims", "ddof", "mode", "constant_values", "axes", "k", "n", "shift", "ord", "a_min", "a_max"}
_LISTS = {"concatenate", "stack", "hstack", "vstack", "einsum", "linalg.norm"}
_ATTRIBUTES = {"shape", "dtype", "ndim", "size", "T"}

Arguments = list[ast.expr]
Keywords = dict[str, ast.expr]


class JaxTranslator(Translator):
    """Writes NumPy as JAX."""

    library = "JAX"
    dtypes: Mapping[str, str] = {name: f"jnp.{name}" for name in ("float64", "float32", "int64", "int32", "bool_")}

    def attribute(self, node: ast.Attribute) -> ast.expr:
        """An attribute of an array."""
        if kind(node.value).is_tensor and node.attr not in _ATTRIBUTES:
            raise self.refused(f".{node.attr}", node)
        return node

    def index(self, node: ast.Subscript) -> ast.expr:
        """An index; where truth values choose, the size is not known."""
        if isinstance(node.ctx, ast.Load) and any(_is_mask(part) for part in items_of(node.slice)):
            raise self.refused("a choice by truth values", node)
        return node

    def truth(self, node: ast.expr) -> ast.expr:
        """A test: it may not depend on the numbers in an array."""
        if kind(node).is_tensor:
            raise self.refused("a branch that depends on an array", node)
        made: ast.expr = self.visit(node)
        return made

    def visit_IfExp(self, node: ast.IfExp) -> Any:
        """A choice between two values."""
        self.truth(deep_copy(node.test))
        return self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> Any:
        """`and` and `or` ask for the truth of what they join."""
        for value in node.values:
            self.truth(deep_copy(value))
        return self.generic_visit(node)

    def builtin(self, node: ast.Call) -> ast.expr | None:
        """A call of a function of Python."""
        name = ast.unparse(node.func)
        if name in {"float", "int", "bool", "min", "max", "round"} and any(kind(a).is_tensor for a in node.args):
            raise self.refused(f"{name} of an array", node)
        return None

    # --- writing ------------------------------------------------------------------------------------------------------

    def visit_Assign(self, node: ast.Assign) -> Any:
        """`x[i] = v` is `x = x.at[i].set(v)`."""
        shares = shares_memory(node)
        made = super().visit_Assign(node)
        if not isinstance(made, ast.Assign) or not isinstance(made.targets[0], ast.Subscript):
            return made
        target = made.targets[0]
        if any(_is_mask(part) for part in items_of(target.slice)):
            return self._chosen(node, target, made.value, made.value, shares)
        return self._written(node, target, "set", made.value, shares)

    def visit_AugAssign(self, node: ast.AugAssign) -> Any:
        """`x[i] += v` is `x = x.at[i].add(v)`, where no place is written twice."""
        shares = shares_memory(node)
        self.generic_visit(node)
        if not isinstance(node.target, ast.Subscript):
            if shares:
                raise self.refused("writing into an array that has another name", node)
            return node
        parts = items_of(node.target.slice)
        unique = any(ast.unparse(part).startswith("jnp.arange(") for part in parts)
        if not unique and any(kind(part).is_tensor and kind(part).dtype == "i" for part in parts):
            raise self.refused("an index that may name a place twice", node)
        if any(_is_mask(part) for part in parts):
            owner = deep_copy(node.target.value)
            changed = ast.BinOp(owner, node.op, node.value)
            return self._chosen(node, node.target, node.value, changed, shares)
        read = deep_copy(node.target)
        read.ctx = ast.Load()
        return self._written(node, node.target, "set", ast.BinOp(read, node.op, node.value), shares)

    def visit_Expr(self, node: ast.Expr) -> Any:
        """`np.add.at(x, i, v)` is `x = x.at[i].add(v)`."""
        call = node.value
        if isinstance(call, ast.Call) and self.function_name(call.func) == "add.at" and len(call.args) == 3:
            owner, index, value = (self.visit(a) for a in call.args)
            target = ast.Subscript(owner, index, ast.Store())
            return self._written(node, target, "add", value, shares_memory(node))
        raise self.refused("a call for what it changes", node)

    def _chosen(
        self, node: ast.stmt, target: ast.Subscript, given: ast.expr, value: ast.expr, shares: bool
    ) -> ast.stmt:
        """`x[mask] = 0` is `x = jnp.where(mask, 0, x)`."""
        mask = target.slice
        if kind(given).ndim != 0 or not _is_mask(mask) or kind(mask).ndim != kind(target.value).ndim:
            raise self.refused("writing an array where truth values choose", node)
        if shares or not isinstance(target.value, ast.Name):
            raise self.refused("writing into an array that has another name", node)
        name = ast.unparse(target.value)
        call = ast.Call(parsed("jnp.where"), [mask, value, parsed(name)], [])
        return ast.Assign([ast.Name(name, ast.Store())], call, lineno=node.lineno)

    def _written(self, node: ast.stmt, target: ast.Subscript, how: str, value: ast.expr, shares: bool) -> ast.stmt:
        if shares:
            raise self.refused("writing into an array that has another name", node)
        if not isinstance(target.value, ast.Name):
            raise self.refused("writing into a part of a part", node)
        owner = deep_copy(target.value)
        owner.ctx = ast.Load()
        at = ast.Subscript(ast.Attribute(owner, "at", ast.Load()), target.slice, ast.Load())
        call = ast.Call(ast.Attribute(at, how, ast.Load()), [value], [])
        return ast.Assign([ast.Name(ast.unparse(target.value), ast.Store())], call, lineno=node.lineno)


def _is_mask(node: ast.expr) -> bool:
    return kind(node).is_tensor and kind(node).dtype == "b"


def _same(name: str, written: str) -> Special:
    def write(t: Translator, node: ast.Call, arguments: Arguments, keywords: Keywords) -> ast.expr | None:
        keywords.pop("optimize", None)
        if set(keywords) - _KEYWORDS:
            return None
        if name not in _LISTS and arguments and kind(arguments[0]).what == "items":
            return None
        options = [ast.keyword(key, value) for key, value in keywords.items()]
        return ast.Call(parsed(written), arguments, options)

    return write


def _method(name: str) -> Special:
    def write(t: Translator, node: ast.Call, arguments: Arguments, keywords: Keywords) -> ast.expr | None:
        if set(keywords) - _KEYWORDS:
            return None
        options = [ast.keyword(key, value) for key, value in keywords.items()]
        return ast.Call(ast.Attribute(arguments[0], name, ast.Load()), arguments[1:], options)

    return write


def _astype(t: Translator, node: ast.Call, arguments: Arguments, keywords: Keywords) -> ast.expr | None:
    if len(arguments) != 2 or set(keywords) - {"copy"}:
        return None
    return ast.Call(ast.Attribute(arguments[0], "astype", ast.Load()), [_dtype(t, node, arguments[1])], [])


def _dtype(t: Translator, node: ast.Call, dtype: ast.expr | None) -> ast.expr:
    """The dtype of a new array; for floats the dtype of the input, so that float32 stays."""
    is_python = isinstance(dtype, ast.Name) and dtype.id in ("float", "int", "bool")
    if dtype is not None and not is_python:
        return dtype
    return parsed({"f": f"{t.like}.dtype", "i": "int", "b": "bool"}[kind(node).dtype])


def _new(name: str) -> Special:
    def write(t: Translator, node: ast.Call, arguments: Arguments, keywords: Keywords) -> ast.expr | None:
        dtype = keywords.pop("dtype", None)
        if name == "full" and kind(arguments[-1]).is_tensor and dtype is None and not keywords:
            return ast.Call(parsed("jnp.full"), arguments, [])
        if keywords or not all(kind(a).is_plain for a in arguments):
            return None
        if name == "arange" and dtype is None and kind(node).dtype == "i":
            return ast.Call(parsed("jnp.arange"), arguments, [])
        return ast.Call(parsed(f"jnp.{name}"), arguments, [ast.keyword("dtype", _dtype(t, node, dtype))])

    return write


def _array(t: Translator, node: ast.Call, arguments: Arguments, keywords: Keywords) -> ast.expr | None:
    if len(arguments) != 1 or keywords:
        return None
    if kind(arguments[0]).is_plain:
        return ast.Call(parsed("jnp.array"), arguments, [ast.keyword("dtype", _dtype(t, node, None))])
    return ast.Call(parsed("jnp.array"), arguments, [])


JaxTranslator.special = {
    **{name: _same(name, f"jnp.{name}") for name in _SAME.split()},
    **{f"scipy.special.{name}": _same(name, f"jax.scipy.special.{name}") for name in _SCIPY.split()},
    "scipy.special.log_expit": _same("log_expit", "jax.nn.log_sigmoid"),
    **{name: _new(name) for name in ("zeros", "ones", "empty", "full", "eye", "identity", "arange")},
    "array": _array, "ascontiguousarray": _array,
}  # fmt: skip
JaxTranslator.methods = {**{name: _method(name) for name in _METHODS.split()}, "astype": _astype}
