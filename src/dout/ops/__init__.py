"""THE primitives: one row each. Every reader reads these rows; nothing about a primitive is said anywhere else.

>>> from dout.ops import PRIMITIVES
>>> PRIMITIVES["multiply"].says
'swap the inputs'
"""

from dout.graph import Primitive
from dout.ops import arrange, create, elementwise, linalg, plain_math, reduce, select, shape, special
from dout.ops.registry import CALLS, METHODS, OPERATORS, PRIMITIVES, define, kind_of
from dout.ops.standin import ArrayStandIn, Recorder, StandIn, emit, install_rows

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
    "arrange",
    "create",
    "define",
    "elementwise",
    "kind_of",
    "linalg",
    "plain_math",
    "reduce",
    "select",
    "shape",
    "special",
]
