"""Edits that keep the formula and lose the numbers: overflow, cancellation, a stabiliser left out.

Most are pairs of expressions that are equal over the reals; a letter in capitals stands for any expression.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator

from benchmarks.checker.case import Case
from benchmarks.checker.edits import Edit, Layer, expression, expressions, rewritten, statements

PAIRS: tuple[tuple[str, str, str], ...] = (
    ("np.log1p(A)", "np.log(1 + A)", "cancellation"),
    ("np.expm1(A)", "np.exp(A) - 1", "cancellation"),
    ("np.tanh(A)", "(np.exp(A) - np.exp(-(A))) / (np.exp(A) + np.exp(-(A)))", "overflow"),
    ("np.tanh(A)", "(np.exp(2 * (A)) - 1) / (np.exp(2 * (A)) + 1)", "overflow"),
    ("np.tanh(A)", "1 - 2 / (np.exp(2 * (A)) + 1)", "cancellation"),
    ("np.tanh(A)", "np.sinh(A) / np.cosh(A)", "overflow"),
    ("np.abs(A)", "np.sqrt((A) ** 2)", "overflow"),
    ("np.exp(np.minimum(A, 0))", "np.exp(A)", "overflow"),
    ("np.expm1(np.minimum(A, 0))", "np.expm1(A)", "overflow"),
    ("np.logaddexp(0, A)", "np.log(1 + np.exp(A))", "overflow"),
    ("np.where(x >= 0, 1, small) / (1 + small)", "1 / (1 + np.exp(-x))", "overflow"),
    ("np.where(x >= 0, 1, small) / (1 + small)", "np.exp(x) / (1 + np.exp(x))", "overflow"),
    ("np.where(a >= 0, 1, small) / (1 + small)", "1 / (1 + np.exp(-a))", "overflow"),
    ("np.where(a >= 0, 1, small) / (1 + small)", "np.exp(a) / (1 + np.exp(a))", "overflow"),
    ("np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))", "np.log(1 + np.exp(x))", "overflow"),
    ("np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))", "np.log1p(np.exp(x))", "overflow"),
    ("np.minimum(A, 0) - np.log1p(np.exp(-np.abs(A)))", "-np.log(1 + np.exp(-(A)))", "overflow"),
    ("np.minimum(A, 0) - np.log1p(np.exp(-np.abs(A)))", "np.log(sigmoid(A))", "overflow"),
    ("np.minimum(A, 0) - np.log1p(np.exp(-np.abs(A)))", "np.log(1 / (1 + np.exp(-(A))))", "overflow"),
    ("np.maximum(x, 0) - x * t + np.log1p(np.exp(-np.abs(x)))",
     "-(t * np.log(self.y) + (1 - t) * np.log(1 - self.y))", "overflow"),
    ("np.maximum(x, 0) - x * t + np.log1p(np.exp(-np.abs(x)))", "np.log(1 + np.exp(x)) - x * t", "overflow"),
    ("np.log(total) - z[np.arange(x.shape[0]), t]", "-np.log(self.y[np.arange(x.shape[0]), t])", "overflow"),
    ("z - np.log(np.exp(z).sum(axis=1, keepdims=True))",
     "np.log(np.exp(z) / np.exp(z).sum(axis=1, keepdims=True))", "overflow"),
    ("shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))",
     "np.log(np.exp(shifted) / np.exp(shifted).sum(axis=1, keepdims=True))", "overflow"),
    ("shifted - np.log(np.sum(np.exp(shifted), axis=1, keepdims=True))",
     "np.log(np.exp(shifted) / np.sum(np.exp(shifted), axis=1, keepdims=True))", "overflow"),
    ("top + np.log(total)", "np.log(np.sum(np.exp(x), axis=1, keepdims=True))", "overflow"),
    ("top + np.log(ex + ey)", "np.log(np.exp(x) + np.exp(y))", "overflow"),
    ("size + np.log1p(np.exp(-2 * size)) - 0.6931471805599453", "np.log(np.cosh(self.d))", "overflow"),
    ("size + np.log1p(np.exp(-2 * size)) - 0.6931471805599453",
     "np.log((np.exp(self.d) + np.exp(-self.d)) / 2)", "overflow"),
    ("scale * np.sqrt((x / scale) ** 2 + (y / scale) ** 2)", "np.sqrt(x**2 + y**2)", "overflow"),
    ("np.where(self.norm > 0, self.norm, 1)", "self.norm", "overflow"),
    ("np.where(r > 0, r, 1)", "r", "overflow"),
    ("np.maximum(np.maximum(np.abs(x), np.abs(y)), 1e-30)", "np.maximum(np.abs(x), np.abs(y))", "overflow"),
    ("(self.centred**2).mean(axis=0)", "(x**2).mean(axis=0) - x.mean(axis=0) ** 2", "cancellation"),
    ("np.mean(self.centred**2, axis=1, keepdims=True)",
     "np.mean(x**2, axis=1, keepdims=True) - np.mean(x, axis=1, keepdims=True) ** 2", "cancellation"),
    ("np.mean(xc**2, axis=0)", "np.mean(x**2, axis=0) - mu**2", "cancellation"),
    ("((x - mean) ** 2).mean(axis=axes, keepdims=True)",
     "(x**2).mean(axis=axes, keepdims=True) - mean**2", "cancellation"),
    ("x.var(axis=-1, keepdims=True)", "(x * x).mean(axis=-1, keepdims=True) - mu**2", "cancellation"),
    ("np.mean(centred**2)", "np.mean(x[n, c] ** 2) - np.mean(x[n, c]) ** 2", "cancellation"),
    ("(centred**2).mean(axis=2, keepdims=True)",
     "(grouped**2).mean(axis=2, keepdims=True) - grouped.mean(axis=2, keepdims=True) ** 2", "cancellation"),
    ("np.mean((x - np.mean(x)) ** 2)", "np.mean(x**2) - np.mean(x) ** 2", "cancellation"),
    ("np.sum(self.diff * self.diff)", "(np.sum(x * x) - 2 * np.sum(x * y) + np.sum(y * y))", "cancellation"),
    ("(self.diff * self.diff).sum(axis=1, keepdims=True)",
     "(x * x - 2 * x * y + y * y).sum(axis=1, keepdims=True)", "cancellation"),
    ("x[:, 1:] - x[:, :-1]", "(x[:, 1:] ** 2 - x[:, :-1] ** 2) / (x[:, 1:] + x[:, :-1])", "cancellation"),
    ("x - y", "(x**2 - y**2) / (x + y)", "cancellation"),
    ("x * y", "((x + y) ** 2 - (x - y) ** 2) / 4", "cancellation"),
    ("1 / (1 + np.abs(x))", "np.abs(x) / (np.abs(x) + x**2)", "overflow"),
    ("x * np.clip(x + 3, 0, 6) / 6", "x * x * np.clip(x + 3, 0, 6) / (6 * x)", "overflow"),
    ("np.exp(x[~positive])", "(1 / np.exp(-x[~positive]))", "overflow"),
)  # fmt: skip


def edits(case: Case) -> Iterator[Edit]:
    """Every pair that fits, every stabiliser and every shift by the greatest left out."""
    layer = Layer(case.source, case.cls)
    for where, function in layer.functions(layer.tree):
        for statement in statements(function):
            for node in expressions(statement):
                for i, (old, new, cause) in enumerate(PAIRS):
                    matched = _match(_wild(old), node)
                    if matched is not None:
                        yield from _one(layer, statement, node, _filled(new, matched), f"{where}-{i}", cause)
                if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub) and _greatest(node.right):
                    yield from _one(layer, statement, node, node.left, f"{where}-no-max", "overflow")
                if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add) and _tiny(node.right):
                    yield from _one(layer, statement, node, node.left, f"{where}-no-eps", "overflow")


def _one(layer: Layer, statement: ast.stmt, node: ast.expr, new: ast.expr, name: str, cause: str) -> Iterator[Edit]:
    edit = rewritten(layer, statement, node, new, name, cause)
    if edit is not None:
        yield edit


def _greatest(node: ast.expr) -> bool:
    text = ast.unparse(node)
    return ".max(" in text or text == "top"


def _tiny(node: ast.expr) -> bool:
    number = isinstance(node, ast.Constant) and isinstance(node.value, float) and node.value <= 1e-5
    return number or ast.unparse(node) == "self.eps"


def _wild(text: str) -> ast.expr:
    return expression(text)


def _match(pattern: ast.AST, node: ast.AST) -> str | None:
    """The text that A stands for, "" without an A; None where the pattern does not fit."""
    if isinstance(pattern, ast.Name) and pattern.id == "A" and isinstance(node, ast.expr):
        return ast.unparse(node)
    if type(pattern) is not type(node):
        return None
    found = ""
    for key in pattern._fields:
        one, two = getattr(pattern, key), getattr(node, key)
        pairs = list(zip(one, two, strict=False)) if isinstance(one, list) else [(one, two)]
        if isinstance(one, list) and len(one) != len(two):
            return None
        for a, b in pairs:
            if isinstance(a, ast.AST):
                inner = _match(a, b)
                if inner is None or (inner and found and inner != found):
                    return None
                found = found or inner
            elif a != b:
                return None
    return found


def _filled(text: str, what: str) -> ast.expr:
    class Fill(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.expr:
            return expression(what) if node.id == "A" else node

    return copy.deepcopy(Fill().visit(expression(text)))
