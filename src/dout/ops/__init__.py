"""THE primitives: one row each. Every reader reads these rows; nothing about a primitive is said anywhere else.

>>> from dout.ops import PRIMITIVES
>>> PRIMITIVES["multiply"].says
'swap the inputs'
"""

from dout.graph import Primitive
from dout.ops import choices, create, elementwise, linalg, plain_math, rearrange, reduce, shape, special
from dout.ops.operators import ArrayStandIn, Recorder, StandIn, emit, install_rows
from dout.ops.registry import CALLS, METHODS, OPERATORS, PRIMITIVES, by_primitive, define, kind_of, primitives

Primitive.emit = staticmethod(emit)
install_rows()

__all__ = [
    "CALLS",
    "METHODS",
    "OPERATORS",
    "PRIMITIVES",
    "ArrayStandIn",
    "Recorder",
    "StandIn",
    "abstract",
    "by_primitive",
    "choices",
    "create",
    "define",
    "elementwise",
    "kind_of",
    "linalg",
    "plain_math",
    "primitives",
    "raising",
    "rearrange",
    "reduce",
    "shape",
    "special",
]
