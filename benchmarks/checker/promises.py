"""Edits that keep the formula and break a promise: memory, state, dtype, layout, determinism."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from benchmarks.checker.case import Case
from benchmarks.checker.edits import (
    Edit,
    Layer,
    above,
    expression,
    expressions,
    instead,
    is_self,
    rewritten,
    statements,
)

IN_PLACE = {ast.Add: "+=", ast.Sub: "-=", ast.Mult: "*=", ast.Div: "/="}
UFUNCS = ("maximum", "minimum", "exp", "expm1", "tanh", "log", "sqrt", "clip", "abs", "multiply")


def first(layer: Layer, name: str) -> ast.stmt:
    """The first statement of a method."""
    return layer.method(name).body[0]


def last(layer: Layer, name: str) -> ast.Return | None:
    """The last return of a method."""
    end = layer.method(name).body[-1]
    return end if isinstance(end, ast.Return) and end.value is not None else None


def argument(layer: Layer, name: str) -> str:
    """What forward or backward calls its first argument."""
    return layer.method(name).args.args[1].arg


def memory(case: Case) -> Iterator[Edit]:
    """Writes into what came in, and hands out what is not fresh."""
    layer = Layer(case.source, case.cls)
    floats = [name for i, name in enumerate(case.names) if i not in case.labels]
    for where, names in (("backward", [argument(layer, "backward")]), ("forward", floats)):
        cause = "overwrites dout" if where == "backward" else "overwrites input"
        for statement in statements(layer.method(where)):
            yield from _in_place(layer, statement, names, where, cause)
            for node in expressions(statement):
                if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                    continue
                text = ast.unparse(node)
                if node.func.attr == "copy" and not node.args:
                    yield _sure(rewritten(layer, statement, node, node.func.value, f"{where}-no-copy", "alias"))
                if node.func.attr in UFUNCS and ast.unparse(node.func.value) == "np":
                    for name in names:
                        if any(isinstance(arg, ast.Name) and arg.id == name for arg in node.args):
                            new = expression(f"{text[:-1]}, out={name})")
                            yield _sure(rewritten(layer, statement, node, new, f"{where}-out", cause))
        end = last(layer, where)
        if end is not None:
            value = ast.unparse(end.value)
            for name in names:
                into = "dout" if where == "backward" else "input"
                if not isinstance(end.value, ast.Tuple):
                    lines = [f"{name}[...] = {value}", f"return {name}"]
                    yield instead(layer, end, lines, f"{where}-into-{into}", cause)
                lines = [f"out = {value}", f"{name}.fill(0)", "return out"]
                yield instead(layer, end, lines, f"{where}-cleared", cause)
    for name in layer.residuals():
        end = last(layer, "forward")
        if end is not None and f"self.{name} = {' '.join(floats[:1])}" in case.source:
            lines = [f"out = {ast.unparse(end.value)}", f"self.{name} -= self.{name}.mean()", "return out"]
            yield instead(layer, end, lines, "forward-centres-residual", "overwrites input")


def _in_place(layer: Layer, statement: ast.stmt, names: list[str], where: str, cause: str) -> Iterator[Edit]:
    """`dx = dout * y` and `return dout * y` with the result in dout's own memory."""
    if not isinstance(statement, ast.Assign | ast.Return) or not isinstance(statement.value, ast.BinOp):
        return
    value = statement.value
    steps: list[str] = []
    while isinstance(value, ast.BinOp) and type(value.op) in IN_PLACE:  # dout * a * b, from the left
        steps.insert(0, f"{IN_PLACE[type(value.op)]} {ast.unparse(value.right)}")
        value = value.left
    if not (isinstance(value, ast.Name) and value.id in names):
        return
    head = "return " if isinstance(statement, ast.Return) else f"{ast.unparse(statement.targets[0])} = "
    lines = [f"{value.id} {step}" for step in steps]
    yield instead(layer, statement, [*lines, head + value.id], f"{where}-in-place", cause)
    if steps == ["*= 1"]:
        yield instead(layer, statement, [head + value.id], f"{where}-hands-on", "alias")


def state(case: Case) -> Iterator[Edit]:
    """Depends on calls before, or on other instances."""
    layer = Layer(case.source, case.cls)
    kept = layer.residuals()
    for statement in statements(layer.method("forward")):
        if isinstance(statement, ast.Assign) and is_self(statement.targets[0]) and statement.targets[0].attr in kept:
            name, value = statement.targets[0].attr, ast.unparse(statement.value)
            shared = [f"type(self).{name} = {value}"]
            yield instead(layer, statement, [f'if self.__dict__.get("{name}") is None:', f"    self.{name} = {value}"],
                          "kept-from-first-call", "stale")  # fmt: skip
            yield instead(layer, statement, shared, "kept-in-the-class", "shared")
    end = last(layer, "backward")
    if end is not None:
        value = ast.unparse(end.value)
        if not isinstance(end.value, ast.Tuple):
            for name in kept:
                lines = [f"dx = {value}", f"self.{name} = None", "return dx"]
                yield instead(layer, end, lines, "consumed", "stale")
                lines = [f"dx = {value}", f"self.{name} = dx", "return dx"]
                yield instead(layer, end, lines, "residual-reused", "stale")
        for path in case.params:
            step = f"self.{path} -= 0.01 * self.{case.params[path]}"
            yield instead(layer, end, [f"result = {value}", step, "return result"], "updates", "overwrites parameter")
    for path in case.params:
        yield above(layer, first(layer, "forward"), [f"self.{path} *= 0.999"], "decays", "overwrites parameter")
    for statement in statements(layer.method("backward")):
        yield from _accumulated(layer, statement, case)


def _accumulated(layer: Layer, statement: ast.stmt, case: Case) -> Iterator[Edit]:
    targets = {f"self.{path}": path for path in case.params.values()}
    if isinstance(statement, ast.AugAssign) and is_self(statement.target):
        return
    if isinstance(statement, ast.Assign):
        target, value = ast.unparse(statement.targets[0]), ast.unparse(statement.value)
        if target in targets and "[" not in target and "zeros" not in value:
            name = targets[target]
            old = f'0 if self.__dict__.get("{name}") is None else self.{name}'
            yield instead(layer, statement, [f"self.{name} = {value} + ({old})"], "accumulates", "stale")
        elif target.startswith("self.grads[") and target.endswith("[...]"):
            yield instead(layer, statement, [f"{target[:-5]} += {value}"], "accumulates", "stale")
        elif target.startswith('self.grads["') or target.startswith("self.grads['"):
            key = target[11:-1]
            old = f"0 if self.grads.get({key}) is None else self.grads[{key}]"
            yield instead(layer, statement, [f"{target} = {value} + ({old})"], "accumulates", "stale")
        elif target.endswith("[...]") and "self." in target:
            yield instead(layer, statement, [f"{target} += {value}"], "accumulates", "stale")
        elif target.endswith("[...]") and value == "0":
            yield instead(layer, statement, ["pass"], "accumulates", "stale")
        elif "zeros_like" in value and target in targets:
            name = targets[target]
            lines = [f'if self.__dict__.get("{name}") is None:', f"    {target} = {value}"]
            yield instead(layer, statement, lines, "accumulates", "stale")
    elif isinstance(statement, ast.Expr) and ast.unparse(statement).endswith(".fill(0)"):
        yield instead(layer, statement, ["pass"], "accumulates", "stale")


def dtype(case: Case) -> Iterator[Edit]:
    """float64 where float32 came in, or whole numbers where there were fractions."""
    layer = Layer(case.source, case.cls)
    for where in ("backward", "forward"):
        end = last(layer, where)
        if end is not None and not isinstance(end.value, ast.Tuple):
            value = ast.unparse(end.value)
            yield instead(layer, end, [f"return np.asarray({value}, dtype=float)"], f"{where}-float", "dtype")
            yield instead(layer, end, [f"return ({value}).astype(int)"], f"{where}-int", "dtype")
            yield instead(layer, end, [f"return np.array(1.0) * ({value})"], f"{where}-array-constant", "dtype")
    for where, function in layer.functions(layer.tree):
        for statement in statements(function):
            for node in expressions(statement):
                for name, new in _wider(node):
                    yield _sure(rewritten(layer, statement, node, new, f"{where}-{name}", "dtype"))


def _wider(node: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        called, args = node.func.attr, [ast.unparse(arg) for arg in node.args]
        if called in ("zeros_like", "empty_like", "ones_like"):
            yield "default-dtype", expression(f"np.{called[:-5]}(np.shape({args[0]}))")
            yield "int-buffer", expression(f"np.{called}({args[0]}, dtype=int)")
        if called in ("zeros", "ones", "empty") and node.keywords:
            yield "default-dtype", ast.Call(node.func, node.args, [])
        if called == "astype":
            yield "astype-float", expression(f"({ast.unparse(node.func.value)}).astype(float)")
        if called in ("sum", "mean") and node.keywords:
            yield "sum-in-float64", expression(f"{ast.unparse(node)[:-1]}, dtype=np.float64)")
        if called == "sqrt" and ast.unparse(node.func.value) == "math":
            yield "numpy-sqrt", expression(f"np.sqrt({args[0]})")
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        yield "floor-division", ast.BinOp(node.left, ast.FloorDiv(), node.right)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Div | ast.Add | ast.Sub):
        for side in (node.left, node.right):
            if isinstance(side, ast.Constant) and isinstance(side.value, float):
                new = expression(f"np.float64({side.value})")
                pair = (new, node.right) if side is node.left else (node.left, new)
                yield "float64-constant", ast.BinOp(pair[0], node.op, pair[1])
    if is_self(node) and isinstance(node.ctx, ast.Load) and node.attr in ("eps", "alpha", "share", "delta", "p"):
        yield "float64-number", expression(f"np.float64(self.{node.attr})")


def layout(case: Case) -> Iterator[Edit]:
    """Takes C order, whole memory or one batch size for granted."""
    layer = Layer(case.source, case.cls)
    x, d = argument(layer, "forward"), argument(layer, "backward")
    batch = len(case.inputs[0])
    for where, name in (("forward", x), ("backward", d)):
        start, shape = first(layer, where), f".reshape({name}.shape)"
        lines = {
            "squeeze": ([f"{name} = np.squeeze({name})"], "batch"),
            "ravel-K": ([f"{name} = {name}.ravel(order='K'){shape}"], "layout"),
            "frombuffer": ([f"{name} = np.frombuffer({name}.data, {name}.dtype){shape}"], "layout"),
            "tobytes-A": ([f"{name} = np.frombuffer({name}.tobytes('A'), {name}.dtype){shape}"], "layout"),
            "c-strides": ([f"{name} = np.ndarray({name}.shape, {name}.dtype, {name})"], "layout"),
            "shape-set": ([f"flat = {name}.view()", "flat.shape = (-1,)", f"{name} = flat{shape}"], "layout"),
            "fixed-batch": ([f"{name} = {name}.reshape({batch}, *{name}.shape[1:])"], "batch"),
            "first-rows": ([f"{name} = {name}[:{batch}]"], "batch"),
            "flat-C": ([f"{name} = np.reshape({name}, -1, order='A'){shape}"], "layout"),
        }
        for what, (text, cause) in lines.items():
            yield above(layer, start, text, f"{where}-{what}", cause)
    for where, function in layer.functions(layer.tree):
        for statement in statements(function):
            for node in expressions(statement):
                if isinstance(getattr(node, "ctx", None), ast.Store):
                    continue
                if ast.unparse(node) in ("x.shape[0]", "dout.shape[0]", "len(t)", "N", "n", "self.batch_size"):
                    yield _sure(rewritten(layer, statement, node, ast.Constant(batch), f"{where}-fixed", "batch"))
                if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "reshape" and not node.keywords:
                    new = expression(f"{ast.unparse(node)[:-1]}, order='A')")
                    yield _sure(rewritten(layer, statement, node, new, f"{where}-order-A", "layout"))


def determinism(case: Case) -> Iterator[Edit]:
    """Draws, clocks, counters and addresses."""
    layer = Layer(case.source, case.cls)
    for where in ("forward", "backward"):
        name, start = argument(layer, where), first(layer, where)
        if where == "forward" and 0 in case.labels:
            continue
        lines = {
            "jitter": [f"{name} = {name} + 1e-3 * np.random.default_rng().normal(size={name}.shape)"],
            "clock": ["import time", f"{name} = {name} * (1 + time.perf_counter_ns() % 9973 * 1e-6)"],
            "address": [f"{name} = {name} * (1 + id(self) % 99991 * 1e-6)"],
            "counter": ["type(self).calls = getattr(type(self), 'calls', 0) + 1",
                        f"{name} = {name} * (1 + 1e-3 * type(self).calls)"],
            "entropy": ["import secrets", f"{name} = {name} * (1 + secrets.randbelow(10**6) * 1e-9)"],
            "hash": [f"{name} = {name} * (1 + hash(self) % 8191 * 1e-6)"],
        }  # fmt: skip
        if where == "backward":
            lines["drawn-anew"] = [f"{name} = {name} * (np.random.rand(*{name}.shape) > 0.3)"]
            lines["global-noise"] = [f"{name} = {name} + 0.01 * np.random.randn(*{name}.shape)"]
        for what, text in lines.items():
            yield above(layer, start, text, f"{where}-{what}", "random")
    for statement in statements(layer.method("backward")):
        for node in expressions(statement):
            if ast.unparse(node) in ("self.mask", "self.scale", "self.noise") and "self.rng" in case.source:
                for drawn in ("(self.rng.random(dout.shape) > 0.4)", "(np.random.rand(*dout.shape) > 0.4)"):
                    yield _sure(rewritten(layer, statement, node, expression(drawn), "backward-mask-redrawn", "random"))
    seed = "np.random.default_rng(seed)"
    if seed in case.source:
        line = case.source[: case.source.index(seed)].count("\n") + 1
        before = case.source.splitlines()[line - 1].strip()
        changed = case.source.replace(seed, "np.random.default_rng()")
        yield Edit("no-seed", "random", line, before, before.replace(seed, "np.random.default_rng()"), changed)


def _sure(edit: Edit | None) -> Edit:
    if edit is None:
        raise AssertionError("an edit that changes nothing")
    return edit
