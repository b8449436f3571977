"""Why nothing else can run in place of a loop."""

from __future__ import annotations

import ast

from dout.errors import UnsupportedError


class LoopRefusal(UnsupportedError):
    """A loop has something in it that a kernel cannot do as NumPy does it; `node` is where."""

    def __init__(self, why: str, node: ast.AST | None = None) -> None:
        super().__init__(why)
        self.node = node


def cannot(node: ast.AST) -> LoopRefusal:
    """Neither a kernel nor a product of matrices has a way to do this."""
    return LoopRefusal(f"a kernel cannot do {ast.unparse(node).partition(chr(10))[0]}"[:80], node)
