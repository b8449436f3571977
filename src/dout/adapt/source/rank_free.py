"""Whether a function is written for arrays of any number of axes."""

from __future__ import annotations

import ast
from typing import Any

from dout.adapt.source.syntax import read, total, walk
from dout.trace.model.user_source import behind


@total(bool)
def counts_from_the_end(function: Any) -> bool:
    """Whether a function names an axis from the end, asks for the number of axes, or writes `...` for some of them."""
    own = read(behind(function))
    return own is not None and any(map(_is_rank_free, walk(own.node)))


def _is_rank_free(node: ast.AST) -> bool:
    match node:
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int())) | ast.Attribute(attr="ndim"):
            return True
        case ast.Constant():
            return node.value is Ellipsis
    return False
