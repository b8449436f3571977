"""Edits that make a gradient another formula: a sign, a factor, a term, an axis, a transpose, a mask, a name."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator

from benchmarks.checker.edits import Edit, Layer, expression, expressions, instead, is_self, rewritten, statements

FLIPPED = {ast.Lt: ast.Gt, ast.Gt: ast.Lt, ast.LtE: ast.GtE, ast.GtE: ast.LtE, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq}
OTHER_FUNCTION = {
    "maximum": "minimum", "minimum": "maximum", "sum": "mean", "mean": "sum", "argmax": "argmin", "argmin": "argmax",
    "max": "min", "hstack": "vstack", "repeat": "tile", "exp": "expm1", "expm1": "exp", "log": "log1p", "tanh": "sin",
    "sign": "abs", "zeros_like": "ones_like", "logical_and": "logical_or", "log1p": "log",
}  # fmt: skip
CAUSE_OF_FUNCTION = {"sum": "factor", "mean": "factor", "logical_and": "mask", "sign": "sign", "repeat": "axis"}
Change = tuple[str, str, ast.expr]


def edits(layer: Layer) -> Iterator[Edit]:
    """Every single change of formula, to forward, backward and helpers."""
    kept = layer.residuals()
    for where, function in layer.functions(layer.tree):
        for statement in statements(function):
            for node in expressions(statement):
                for name, cause, new in _changes(node, where, kept):
                    edit = rewritten(layer, statement, node, new, f"{where}-{name}", cause)
                    if edit is not None:
                        yield edit
            yield from _of_statement(layer, where, statement)


def _changes(node: ast.expr, where: str, kept: list[str]) -> Iterator[Change]:
    if isinstance(node, ast.BinOp):
        yield from _binary(node)
    elif isinstance(node, ast.UnaryOp):
        if isinstance(node.op, ast.USub) and not isinstance(node.operand, ast.Constant):
            yield "no-minus", "sign", node.operand
        elif isinstance(node.op, ast.Invert):
            yield "no-invert", "mask", node.operand
    elif isinstance(node, ast.Compare) and len(node.ops) == 1:
        flipped = FLIPPED.get(type(node.ops[0]))
        if flipped:
            yield "flipped", "mask", ast.Compare(node.left, [flipped()], node.comparators)
        if isinstance(node.comparators[0], ast.Constant) and node.comparators[0].value == 0:
            yield "threshold", "mask", ast.Compare(node.left, node.ops, [ast.Constant(0.5)])
    elif isinstance(node, ast.Call):
        yield from _call(node)
    elif isinstance(node, ast.Attribute) and node.attr == "T":
        yield "no-transpose", "transpose", node.value
    elif is_self(node) and isinstance(node.ctx, ast.Load) and where == "backward" and node.attr in kept:
        for other in kept:
            if other != node.attr:
                yield f"self.{other}", "swapped", ast.Attribute(node.value, other, ast.Load())
    elif isinstance(node, ast.Name) and node.id == "dout" and where == "backward" and isinstance(node.ctx, ast.Load):
        yield "no-dout", "factor", expression("np.ones_like(dout)")
    elif isinstance(node, ast.Tuple):
        yield from _tuple(node)
    elif isinstance(node, ast.Slice):
        yield from _slice(node)


def _binary(node: ast.BinOp) -> Iterator[Change]:
    left, right = node.left, node.right
    if isinstance(node.op, ast.Add):
        yield "minus", "sign", ast.BinOp(left, ast.Sub(), right)
        yield "first-term", "missing term", left
        yield "second-term", "missing term", right
    elif isinstance(node.op, ast.Sub):
        yield "plus", "sign", ast.BinOp(left, ast.Add(), right)
        yield "first-term", "missing term", left
        yield "other-way", "sign", ast.BinOp(right, ast.Sub(), left)
    elif isinstance(node.op, ast.Mult):
        cause = "mask" if _is_mask(right) or _is_mask(left) else "factor"
        yield "first-factor", cause, left
        yield "second-factor", cause, right
        yield "divided", "factor", ast.BinOp(left, ast.Div(), right)
    elif isinstance(node.op, ast.Div):
        yield "not-divided", "factor", left
        yield "times", "factor", ast.BinOp(left, ast.Mult(), right)
    elif isinstance(node.op, ast.Pow):
        yield "no-power", "formula", left
        if isinstance(right, ast.Constant):
            yield "power+1", "formula", ast.BinOp(left, ast.Pow(), ast.Constant(right.value + 1))
    elif isinstance(node.op, ast.MatMult):
        yield "other-way", "transpose", ast.BinOp(right, ast.MatMult(), left)
        whole = ast.BinOp(left, ast.MatMult(), right)
        yield "turned", "transpose", ast.Attribute(whole, "T", ast.Load())
        yield "turned-right", "transpose", ast.BinOp(left, ast.MatMult(), ast.Attribute(right, "T", ast.Load()))
    elif isinstance(node.op, ast.BitAnd):
        yield "or", "mask", ast.BinOp(left, ast.BitOr(), right)
        yield "first-mask", "mask", left
    elif isinstance(node.op, ast.BitOr):
        yield "and", "mask", ast.BinOp(left, ast.BitAnd(), right)
        yield "second-mask", "mask", right
    if isinstance(node.op, ast.Mult | ast.Div | ast.Sub | ast.Add):
        for side in (left, right):
            if isinstance(side, ast.Constant) and side.value:
                new = ast.Constant(side.value * 2)
                pair = (new, right) if side is left else (left, new)
                yield "constant", "factor", ast.BinOp(pair[0], node.op, pair[1])


def _is_mask(node: ast.expr) -> bool:
    names = ("mask", "inside", "outside", "kept", "open", "left", "positive", "active")
    return isinstance(node, ast.Compare) or (isinstance(node, ast.Attribute) and node.attr in names)


def _call(node: ast.Call) -> Iterator[Change]:
    called = node.func.attr if isinstance(node.func, ast.Attribute) else ""
    for i, keyword in enumerate(node.keywords):
        if keyword.arg in ("axis", "axes"):
            for axis in _other_axes(keyword.value):
                yield "axis", "axis", _with_keyword(node, i, axis)
        elif keyword.arg == "keepdims":
            yield "no-keepdims", "broadcast", _with_keyword(node, i, ast.Constant(False))
    if called in ("sum", "mean") and node.keywords:
        inner = node.args[0] if _is_np(node) else node.func.value
        yield f"no-{called}", "broadcast", inner
    if called in OTHER_FUNCTION:
        new = copy.deepcopy(node)
        new.func.attr = OTHER_FUNCTION[called]
        yield OTHER_FUNCTION[called], CAUSE_OF_FUNCTION.get(called, "formula"), new
    if called == "where" and len(node.args) == 3:
        condition, yes, no = node.args
        yield "where-swapped", "mask", ast.Call(node.func, [condition, no, yes], [])
        yield "where-first", "mask", yes
        yield "where-second", "mask", no
    if called in ("dot", "outer") and _is_np(node):
        yield "other-way", "transpose", ast.Call(node.func, node.args[::-1], [])
        yield "turned", "transpose", ast.Attribute(node, "T", ast.Load())
    if called == "transpose" and len(node.args) > 2:
        for i in range(len(node.args) - 1):
            order = [*node.args]
            order[i], order[i + 1] = order[i + 1], order[i]
            yield "axes-swapped", "transpose", ast.Call(node.func, order, [])
    if called == "einsum" and isinstance(node.args[0], ast.Constant):
        yield from _einsum(node)
    if called in ("clip", "cumsum", "flip"):
        yield f"no-{called}", "formula", node.args[0]


def _is_np(node: ast.Call) -> bool:
    return isinstance(node.func, ast.Attribute) and ast.unparse(node.func.value) == "np"


def _with_keyword(node: ast.Call, i: int, value: ast.expr) -> ast.Call:
    new = copy.deepcopy(node)
    new.keywords[i].value = value
    return new


def _other_axes(axis: ast.expr) -> Iterator[ast.expr]:
    text = ast.unparse(axis)
    for other in {"0": ("1",), "1": ("0", "-1"), "-1": ("0",), "2": ("1",), "(0, 2, 3)": ("(0, 1)",)}.get(text, ()):
        yield expression(other)


def _einsum(node: ast.Call) -> Iterator[Change]:
    operands, result = node.args[0].value.split("->")
    if len(result) > 1:
        turned = f"{operands}->{result[:-2]}{result[-1]}{result[-2]}"
        yield "einsum-turned", "transpose", ast.Call(node.func, [ast.Constant(turned), *node.args[1:]], [])
    first, _, second = operands.partition(",")
    if second:
        other = f"{first},{second[:-2]}{second[-1]}{second[-2]}->{result}"
        yield "einsum-inner", "transpose", ast.Call(node.func, [ast.Constant(other), *node.args[1:]], [])
        yield "einsum-other-way", "transpose", ast.Call(node.func, [node.args[0], *node.args[:0:-1]], [])


def _tuple(node: ast.Tuple) -> Iterator[Change]:
    if all(isinstance(e, ast.Constant | ast.Slice) for e in node.elts):
        return
    for i in range(len(node.elts) - 1):
        order = [*node.elts]
        order[i], order[i + 1] = order[i + 1], order[i]
        yield "swapped", "swapped", ast.Tuple(order, node.ctx)


def _slice(node: ast.Slice) -> Iterator[Change]:
    if node.lower is None and node.upper is not None and node.step is None:
        yield "other-part", "formula", ast.Slice(node.upper, None, None)
    elif node.upper is None and node.lower is not None and node.step is None:
        yield "other-part", "formula", ast.Slice(None, node.lower, None)


def _of_statement(layer: Layer, where: str, statement: ast.stmt) -> Iterator[Edit]:
    if isinstance(statement, ast.AugAssign):
        target, value = ast.unparse(statement.target), ast.unparse(statement.value)
        sign = {ast.Add: "-=", ast.Sub: "+=", ast.Mult: "/=", ast.Div: "*="}.get(type(statement.op))
        if sign:
            cause = "sign" if sign in ("-=", "+=") else "factor"
            yield instead(layer, statement, [f"{target} {sign} {value}"], f"{where}-{sign}", cause)
        if isinstance(statement.op, ast.Add):
            yield instead(layer, statement, [f"{target} = {value}"], f"{where}-set", "missing term")
        yield instead(layer, statement, ["pass"], f"{where}-left-out", "missing term")
    elif isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Subscript):
        cause = "mask" if _is_mask(statement.targets[0].slice) else "missing term"
        yield instead(layer, statement, ["pass"], f"{where}-left-out", cause)
    elif isinstance(statement, ast.Assign) and where == "backward":
        target = ast.unparse(statement.targets[0])
        if target.startswith(("d", "self.d", "self.grads")):
            value = ast.unparse(statement.value)
            yield instead(layer, statement, [f"{target} = -({value})"], f"{where}-negated", "sign")
    elif isinstance(statement, ast.Return) and where == "backward" and not isinstance(statement.value, ast.Tuple):
        yield instead(layer, statement, [f"return -({ast.unparse(statement.value)})"], f"{where}-negated", "sign")
    elif isinstance(statement, ast.Expr) and "np.add.at(" in ast.unparse(statement):
        target, index, value = map(ast.unparse, statement.value.args)
        yield instead(layer, statement, [f"{target}[{index}] += {value}"], f"{where}-add-at", "missing term")
        yield instead(layer, statement, [f"{target}[{index}] = {value}"], f"{where}-set-at", "missing term")
    elif isinstance(statement, ast.For) and where == "backward":
        shorter = f"for {ast.unparse(statement.target)} in list({ast.unparse(statement.iter)})[1:]:"
        yield instead(layer, statement, [shorter], f"{where}-one-less", "missing term")
