"""Abstract stand-ins: shape and dtype, no value. Row functions that run on them make nodes without computing."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from dout.errors import EscapeError
from dout.graph import CONSTANT, NUMPY_VALUES, PYTHON_NUMBERS, DType, Node, Primitive, Where
from dout.ops.operators import ArrayStandIn, Recorder
from dout.ops.registry import kind_of


class AbstractRecorder(Recorder):
    """Records from shapes and dtypes alone; `made` keeps the nodes in order."""

    def __init__(self, where: Where | None = None) -> None:
        self.where = where
        self.made: list[Node] = []

    def wrap(self, node: Node) -> Abstract:
        """Return the stand-in of a node's value."""
        return Abstract(self, node)

    def emit(self, primitive: Primitive, operands: tuple[Any, ...], static: dict[str, Any]) -> Any:
        """Record one node: its shape and dtype are inferred."""
        inputs = tuple(self._node_of(operand) for operand in operands)
        assert primitive.infer is not None
        shape, dtype = primitive.infer(primitive, inputs, static)
        return self.wrap(self._keep(Node(primitive, inputs, static, shape, dtype, self.where)))

    def _node_of(self, operand: Any) -> Node:
        if isinstance(operand, Abstract):
            return operand.node
        if isinstance(operand, (*PYTHON_NUMBERS, *NUMPY_VALUES)) and np.ndim(operand) == 0:
            return self._keep(Node(CONSTANT, (), {"value": operand}, (), kind_of(operand)))
        raise EscapeError(f"a {type(operand).__name__} cannot be part of a derived gradient")

    def _keep(self, node: Node) -> Node:
        self.made.append(node)
        return node


class Abstract(ArrayStandIn):
    """A value of which only shape and dtype are known."""

    __slots__ = ("_recorder", "node")

    def __init__(self, recorder: AbstractRecorder, node: Node) -> None:
        self._recorder = recorder
        self.node = node

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the value."""
        return self.node.shape

    @property
    def dtype(self) -> DType:
        """Dtype of the value, or the type of a plain Python number."""
        return self.node.dtype

    def _escape(self, *_: Any) -> NoReturn:
        raise EscapeError("a derived gradient has no value yet: only shape and dtype are known")

    __bool__ = __float__ = __int__ = __index__ = __complex__ = __array__ = __iter__ = __len__ = _escape
    __hash__ = object.__hash__
