"""The call of a layer that another layer holds, as a primitive: its gradient is what its own backward returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dout.graph import DType, Node, Primitive, Shape
from dout.run import copied, deep_copy, flat, quiet, run_backward


@dataclass(frozen=True, eq=False)
class PartCall:
    """A call of `parts`, one after the other, which a layer holds; a chain of several is the items of a container.

    `path` is the part as an expression, `self.first`, or what a loop over the chain runs through, `self.layers`. A
    chain is all that a container holds: of a few items nobody knows which they are where there are more.
    `parts` are as they were before the call. `takes` has for each input of forward which of the gradients that backward
    returns is that of the input, or None. `number` tells the calls of one forward apart. `writes`: backward overwrites
    what it is given; `ignores`: it returns the same whatever that is, as that of a loss may.
    """

    path: str
    parts: tuple[Any, ...]
    number: int
    takes: tuple[int | None, ...] = ()
    returned: int = 1
    writes: bool = False
    ignores: bool = False
    _found: dict[Any, list[Any]] = field(default_factory=dict)

    @property
    def is_chain(self) -> bool:
        """Whether a loop over several parts is meant."""
        return len(self.parts) > 1

    def after(self, inputs: Sequence[Any]) -> tuple[Any, list[Any]]:
        """What a forward on these inputs returns, and copies of the parts after it."""
        parts, values = deep_copy(list(self.parts)), [copied(item) for item in inputs]
        with quiet():
            for part in parts:
                values = [part.forward(*values)]
        return values[0], parts

    def gradients(self, dout: Any, inputs: Sequence[Any]) -> list[Any]:
        """What a backward returns after a forward on these inputs, as a list; kept, for many ask for the same."""
        key = tuple((np.asarray(item).dtype, np.shape(item), np.asarray(item).tobytes()) for item in (dout, *inputs))
        if key not in self._found:
            _, parts = self.after(inputs)
            with quiet():
                self._found[key] = list(flat(backward_of(parts, copied(dout))))
        return self._found[key]


def backward_of(parts: Sequence[Any], dout: Any) -> Any:
    """What the backwards of a chain return, from the last to the first."""
    for part in reversed(parts):
        dout = run_backward(part, (dout,))
    return dout


def _forward(*inputs: Any, call: PartCall) -> Any:
    return call.after(inputs[:-1])[0]


def _gradient(dout: Any, *inputs: Any, call: PartCall, index: int | None) -> Any:
    if index is None:  # a number that no other value is equal to
        return float(np.sum(np.cos(dout)) + call.number)
    return call.gradients(dout, inputs)[index]


def _backward(dout: Any, out: Any, *inputs: Any, call: PartCall) -> tuple[Any, ...]:
    """The gradient of each input, and of what the part holds: that is a number, and stands for the call itself."""
    given = inputs[:-1]
    found = [None if i is None else PART_GRADIENT(dout, *given, call=call, index=i) for i in call.takes]
    return (*found, PART_GRADIENT(dout, *given, call=call, index=None))


def _infer(_: Primitive, inputs: tuple[Node, ...], static: dict[str, Any]) -> tuple[Shape, DType]:
    index = static["index"]
    if index is None:
        return (), float
    one = inputs[1 + static["call"].takes.index(index)]
    return one.shape, one.dtype


PART = Primitive("part", forward=_forward, backward=_backward)
PART_GRADIENT = Primitive("part gradient", forward=_gradient, infer=_infer)


def read_by(node: Node, called: set[PartCall] | None = None) -> tuple[Node, ...]:
    """The inputs that a backward step reads; a part keeps the inputs of its forward itself.

    All gradients of a part come of one call: those of the ones that are `called` read nothing.
    """
    if node.primitive is not PART_GRADIENT:
        return node.inputs
    call: PartCall = node.static["call"]
    if called is not None:
        if call in called:
            return ()
        called.add(call)
    return node.inputs[:1]
