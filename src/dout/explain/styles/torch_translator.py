"""Expressions of NumPy in; the same in PyTorch out: calls by the table, and dtypes as NumPy has them."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from dout.explain.spelling.syntax_trees import items_of, parsed
from dout.explain.styles import torch_calls
from dout.explain.styles.call_rows import CallRow, CannotBindError
from dout.explain.styles.seen_kinds import SeenKind, kind, with_kind
from dout.explain.styles.torch_calls import ALL_TENSORS, REDUCTIONS, as_tensor, reversed_axes
from dout.explain.styles.translator import Translator

_ATTRIBUTES = {"shape", "dtype", "ndim"}
_ONE_AXIS = {"prod", "any", "all", "argmax", "argmin", "cumsum", "cumprod", "expand_dims"}


class TorchTranslator(Translator):
    """Writes NumPy as PyTorch."""

    library = "PyTorch"
    rows = torch_calls.ROWS
    special = torch_calls.SPECIAL
    methods = torch_calls.METHODS
    dtypes: Mapping[str, str] = {
        "float64": "torch.float64", "float32": "torch.float32", "float16": "torch.float16", "int64": "torch.int64",
        "int32": "torch.int32", "bool_": "torch.bool", "intp": "torch.int64", "uint8": "torch.uint8",
    }  # fmt: skip

    def bound(
        self, row: CallRow, node: ast.Call, arguments: list[ast.expr], keywords: dict[str, ast.expr], is_method: bool
    ) -> ast.expr:
        """A call by its row; a method where NumPy has one."""
        name = next(n for n, r in self.rows.items() if r is row)
        given = row.bind(arguments, keywords)
        given = self._checked(name, node, given)
        made = row.filled(given)
        assert isinstance(made, ast.Call)
        if is_method:
            assert isinstance(made.func, ast.Attribute)
            owner = made.args.pop(0)
            made.func = ast.Attribute(owner, made.func.attr, ast.Load())
        return made

    def _checked(self, name: str, node: ast.Call, given: dict[str, ast.expr]) -> dict[str, ast.expr]:
        axis = given.get("axis")
        first = next(iter(given))
        if name in _ONE_AXIS and axis is not None and kind(axis).what != "number":
            raise CannotBindError("several axes")
        if name == "linalg.norm" and axis is None and kind(given[first]).ndim != 1 and "ord" in given:
            raise CannotBindError("an order for all axes")
        if name in ("repeat", "split", "array_split") and not all(
            kind(v).is_plain for k, v in given.items() if k != "a"
        ):
            raise CannotBindError("an array")
        if name in REDUCTIONS and "keepdims" in given and axis is None:
            ndim = kind(given[first]).ndim
            if ndim is None:
                raise CannotBindError("keepdims and no axis")
            given = {**given, "axis": parsed(repr(tuple(range(ndim))))}
        if name in ALL_TENSORS:
            given = {k: as_tensor(self, v) for k, v in given.items()}
        tensors = [k for k, v in given.items() if kind(v).is_tensor]
        if kind(given[first]).what == "items" and first != "arrays":
            raise CannotBindError("a list")
        if kind(given[first]).is_plain:
            raise CannotBindError("a number")
        if kind(node).is_float and not any(kind(given[k]).is_float for k in tensors):
            given = {k: self._floated(v) if k in tensors else v for k, v in given.items()}
        return given

    def _floated(self, node: ast.expr) -> ast.expr:
        """A tensor of whole numbers or truth values, as floats."""
        made = ast.Call(ast.Attribute(node, "to", ast.Load()), [parsed(f"{self.like}.dtype")], [])
        return with_kind(made, SeenKind("tensor", "f", kind(node).ndim))

    # --- operators ----------------------------------------------------------------------------------------------------

    def visit_BinOp(self, node: ast.BinOp) -> Any:
        """Whole numbers and truth values become floats where NumPy makes them so."""
        self.generic_visit(node)
        left, right = kind(node.left), kind(node.right)
        tensors = [one for one in (left, right) if one.is_tensor]
        if not tensors:
            return node
        if kind(node).is_float and not any(one.is_float for one in tensors):
            node.left = self._floated(node.left) if left.is_tensor else node.left
            node.right = self._floated(node.right) if right.is_tensor else node.right
        elif isinstance(node.op, ast.Sub):
            node.left = self._floated(node.left) if left.is_tensor and left.dtype == "b" else node.left
            node.right = self._floated(node.right) if right.is_tensor and right.dtype == "b" else node.right
        elif any(one.what == "unknown" for one in (left, right)):
            raise self.refused("a value of two kinds", node)
        return node

    def attribute(self, node: ast.Attribute) -> ast.expr:
        """An attribute of an array."""
        if not kind(node.value).is_tensor:
            if not kind(node).is_plain:
                raise self.refused(f".{node.attr}", node)
            return node
        if node.attr in _ATTRIBUTES:
            return node
        if node.attr == "T" and (made := reversed_axes(node.value, kind(node.value).ndim)) is not None:
            return made
        if node.attr == "size":
            return ast.Call(ast.Attribute(node.value, "numel", ast.Load()), [], [])
        raise self.refused(f".{node.attr}", node)

    def index(self, node: ast.Subscript) -> ast.expr:
        """An index; steps backwards become a flip."""
        parts = items_of(node.slice)
        backward = [i for i, part in enumerate(parts) if _step(part) is not None and _step(part) != 1]
        unclear = [i for i in backward if (_step(parts[i]) or 0) < 1]
        if not unclear:
            return node
        plain = all(isinstance(p, ast.Slice) for p in parts)
        whole = all(isinstance(parts[i], ast.Slice) and _is_whole_reversal(parts[i]) for i in unclear)
        if not (plain and whole) or not isinstance(node.ctx, ast.Load):
            raise self.refused("an index with a negative step", node)
        rest = [ast.Slice() if i in unclear else part for i, part in enumerate(parts)]
        owner = node.value
        if any(not _is_full(part) for part in rest):
            owner = ast.Subscript(owner, ast.Tuple(rest, ast.Load()), ast.Load())
        return ast.Call(ast.Attribute(owner, "flip", ast.Load()), [ast.Constant(i) for i in unclear], [])


def _step(node: ast.expr) -> int | None:
    """The step of a slice; 0 where it is not written as a number."""
    if not isinstance(node, ast.Slice) or node.step is None:
        return None
    try:
        return int(ast.literal_eval(node.step))
    except ValueError:
        return 1 if kind(node.step).what == "number" else 0  # PyTorch itself refuses a negative one


def _is_whole_reversal(node: ast.expr) -> bool:
    return isinstance(node, ast.Slice) and node.lower is None and node.upper is None and _step(node) == -1


def _is_full(node: ast.expr) -> bool:
    return isinstance(node, ast.Slice) and node.lower is None and node.upper is None and node.step is None
