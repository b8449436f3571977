"""What a function does with an argument: multiply it, as an upstream gradient, or ask it, as a loss, for a gradient.

Or hand it to another function, as what that takes.
"""

from __future__ import annotations

import ast
from typing import Any

import numpy as np

from dout.adapt.source.syntax import name_of, read, walk

_LINEAR = frozenset({
    "dot", "multiply", "matmul", "einsum", "outer", "tensordot", "sum", "reshape", "transpose", "repeat", "pad",
    "expand_dims", "squeeze", "tile", "moveaxis",
})  # fmt: skip


def only_multiplied(function: Any, name: str) -> bool:
    """Whether each use of an argument is a factor, or a part of it; a target is subtracted, divided, or handed on."""
    mine = _reads(function, name)
    return bool(mine) and all(_is_factor(above) for above, _ in mine)


def only_passed_on(function: Any, name: str) -> bool:
    """Whether an argument is returned, scaled or with some of its elements replaced: a derivative takes none such."""
    mine = _reads(function, name)
    return bool(mine) and all(_is_passed_on(*one) for one in mine)


def _reads(function: Any, name: str) -> list[tuple[ast.AST, ast.AST]]:
    """Where a function reads a name, each with what stands around it."""
    own = read(function)
    uses = [(above, n) for above in walk(own.node) for n in ast.iter_child_nodes(above)] if own else []
    return [
        pair for pair in uses if isinstance(n := pair[1], ast.Name) and n.id == name and isinstance(n.ctx, ast.Load)
    ]


def _is_passed_on(above: ast.AST, node: ast.AST) -> bool:
    match above:
        case ast.Return() | ast.BinOp(op=ast.Mult()):
            return True
        case ast.Subscript(value=inner, ctx=ast.Store()):
            return inner is node
    return False


def only_asked(function: Any, name: str) -> bool:
    """Whether all that is done with an argument is to call it, or a method of it, with something: `loss.d(out, y)`.

    A method that arrays have, `dout.reshape(shape)`, is none of a loss.
    """
    own = read(function)
    nodes = list(walk(own.node)) if own else []
    uses = [n for n in nodes if isinstance(n, ast.Name) and n.id == name]
    calls = [n for n in nodes if isinstance(n, ast.Call) and n.args]
    calls = [n for n in calls if not (isinstance(n.func, ast.Attribute) and hasattr(np.ndarray, n.func.attr))]
    asked = [n.func.value if isinstance(n.func, ast.Attribute) else n.func for n in calls]
    return bool(uses) and all(any(use is one for one in asked) for use in uses)


def handed_to(function: Any, called: str) -> set[str]:
    """The arguments that a function gives first to one of this name: `x` of `s = sigmoid(x)`, `self.forward(x)`."""
    own = read(function)
    calls = [n for n in walk(own.node) if isinstance(n, ast.Call) and name_of(n.func) == called] if own else []
    return {n.id for call in calls for n in call.args[:1] if isinstance(n, ast.Name)}


def _is_factor(above: ast.AST) -> bool:
    match above:
        case ast.BinOp(op=ast.Mult() | ast.MatMult()) | ast.Attribute():
            return True
        case ast.Call(func=ast.Attribute(value=ast.Name(id="np" | "numpy"), attr=called)):
            return called in _LINEAR
        case ast.Call(func=ast.Attribute(attr="dot")):
            return True
    return False
