"""The tiles of small products, for vectors of every length that machines have."""

import ctypes
from itertools import product

import llvmlite.binding as llvm
import numpy as np
import pytest

from dout.engine.runtime import binding, product_tiles

KINDS = {"float": np.float32, "double": np.float64}
WHOLE = ctypes.c_int64
TILES = ctypes.CFUNCTYPE(
    None, *[WHOLE] * 3, ctypes.c_void_p, WHOLE, WHOLE, *[ctypes.c_void_p, WHOLE] * 2, ctypes.c_bool
)


@pytest.mark.parametrize(("kind", "vector"), [*product(KINDS, (16, 32, 64))])
def test_tiles_are_right_with_vectors_of_other_machines(kind, vector):
    dtype = np.dtype(KINDS[kind])
    size, lanes, rng = dtype.itemsize, vector // dtype.itemsize, np.random.default_rng(vector)
    machine = binding.target().create_target_machine(jit=True, opt=2)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(product_tiles.text(kind, lanes)), machine)
    engine.finalize_object()

    def drawn(*shape):
        return rng.integers(-9, 9, shape).astype(dtype)

    for name in product_tiles.NAMES:
        run, across = TILES(engine.get_function_address(name)), name == "across"
        height, width = product_tiles.ACROSS if across else (int(name[-1]), product_tiles.WIDTH * lanes)
        for more, inner, adds in product((0, 1, 2 * width - 1), (1, lanes - 1, lanes, 3 * lanes + 1), (False, True)):
            rows, columns = (height, width) if adds else (height + more, width + more)
            x, y = drawn(rows, inner), drawn(columns, inner).T if across else drawn(inner, columns)
            out = drawn(rows, columns)
            right = x @ y + adds * out
            line = y.strides[1 if across else 0] // size
            factors = (x.ctypes.data, inner, 1, y.ctypes.data, line)
            run(rows, columns, inner, *factors, out.ctypes.data, columns, adds)
            np.testing.assert_array_equal(out, right)
