"""Elementary functions that kernels call: scalar code that LLVM inlines into a loop and turns into vector instructions.

`exp_f32` and `exp_f64` are the exponential of a float32 and of a float64, and so on for every name in `FUNCTIONS`. Each
is within 2 ulp of the exact value (`pow` of float64 within 4) and follows NumPy at NaN, ±inf, ±0, subnormal numbers and
overflow; `decay`, the exponential of what is never above zero, does so from there down. Their results are the same bits
on every processor, in every loop.

There is no branch in here and no call into the C library: either would keep the loop around it scalar. `choose` has
both values computed and keeps one; where one of them is rare and takes long, `vector_math_rare` knows a way. The method
is that of W. J. Cody and W. Waite, *Software Manual for the Elementary Functions*, 1980, and J.-M. Muller, *Elementary
Functions*, 2016: reduce the argument to a short interval, where a polynomial will do, and undo the reduction on the
bits of the exponent. The polynomials are minimax or close to it, each coefficient rounded in its turn and the later
ones fitted again.

The loop around them becomes vector code, serial or under `prange`, where

- it is compiled with `error_model="numpy"`: Python's raises where it divides by zero, which is a branch;
- what it reads and writes along its innermost axis is contiguous and Numba knows so ("C", or `access`): an "A" it
  gathers;
- in a serial loop, no output is also an input under another name: LLVM asks whether they overlap before the loop and
  then takes a scalar one. A kernel in place has one name for the array; `prange` asks nothing;
- a sum in it is one that may be reordered (`accumulate`): an exact order keeps everything before it scalar, too.

The files `vector_math*.py` import NumPy, Numba and Numba's LLVM only, so that their text can stand in another module.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dout.engine.math.vector_math_base import F32, F64, FloatLayout
from dout.engine.math.vector_math_exp import COSH, DECAY, ERF, EXP, EXP2, EXPM1, SIGMOID, SINH, TANH
from dout.engine.math.vector_math_log import LOG, LOG1P, LOG2, LOG10, LOG_SIGMOID, POW, SOFTPLUS
from dout.engine.math.vector_math_waves import COS, SIN, TAN

_VERSIONS: dict[str, dict[FloatLayout, Any]] = {
    "exp": EXP, "decay": DECAY, "exp2": EXP2, "expm1": EXPM1, "sigmoid": SIGMOID, "tanh": TANH, "sinh": SINH,
    "cosh": COSH, "erf": ERF, "log": LOG, "log1p": LOG1P, "log2": LOG2, "log10": LOG10, "softplus": SOFTPLUS,
    "log_sigmoid": LOG_SIGMOID, "pow": POW, "sin": SIN, "cos": COS, "tan": TAN,
}  # fmt: skip

FUNCTIONS = {name: {np.float32: by[F32], np.float64: by[F64]} for name, by in _VERSIONS.items()}

globals().update({f"{name}_f32": by[F32] for name, by in _VERSIONS.items()})
globals().update({f"{name}_f64": by[F64] for name, by in _VERSIONS.items()})
