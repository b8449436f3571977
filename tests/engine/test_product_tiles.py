"""The tiles of products, for vectors of every length that machines have."""

import ctypes
from functools import cache
from itertools import product

import llvmlite.binding as llvm
import numpy as np
import pytest

from dout.engine.runtime import binding, product_tiles

KINDS = {"float": np.float32, "double": np.float64}
WHOLE, PLACE = ctypes.c_int64, ctypes.c_void_p
TILES = ctypes.CFUNCTYPE(None, *[WHOLE] * 3, PLACE, WHOLE, WHOLE, *[PLACE, WHOLE] * 2, ctypes.c_bool)


@cache
def compiled(kind, lanes):
    machine = binding.target().create_target_machine(jit=True, opt=2)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(product_tiles.text(kind, lanes)), machine)
    engine.finalize_object()
    return engine


def drawn(rng, dtype, rows, columns, lines):
    """A part of a larger matrix, of whole numbers, by rows or by columns."""
    larger = rng.integers(-9, 9, (rows + 2, columns + 2)).astype(dtype)
    return (larger if lines == "rows" else np.asfortranarray(larger))[1:-1, 1:-1]


def run(function, x, y, out, adds):
    """Let a function of tiles compute a product, of which it knows where the elements lie."""
    size, (rows, inner) = x.itemsize, x.shape
    down, along = (stride // size for stride in x.strides)
    line = max(y.strides) // size
    places = (x.ctypes.data, down, along, y.ctypes.data, line, out.ctypes.data, out.strides[0] // size)
    function(rows, y.shape[1], inner, *places, adds)


def sizes(name, lanes):
    """Rows, columns, sums and whether the product is added: whole and ragged tiles, one and several blocks."""
    if name == "across":  # it overlaps tiles where they are ragged, and takes a long sum in pieces
        height, width = product_tiles.ACROSS
        for more, inner, adds in product((0, 1, 7), (1, lanes - 1, lanes, 3 * lanes + 1, 1500), (False, True)):
            yield height + more, width + more, inner, adds
        return
    rows = (1, 4, 7, 11, 13, 51, 101)
    columns = (1, lanes - 1, lanes, lanes + 1, 2 * lanes, 5 * lanes - 1)
    yield from product(rows, columns, (1, 128, 130, 300), (False, True))


@pytest.mark.one_in(8)
@pytest.mark.parametrize("name", product_tiles.NAMES)
@pytest.mark.parametrize(("kind", "vector"), [*product(KINDS, (16, 32, 64))])
def test_a_function_of_tiles_writes_every_element_of_its_result_and_none_beside(kind, vector, name):
    dtype, rng = np.dtype(KINDS[kind]), np.random.default_rng(vector)
    lanes = vector // dtype.itemsize
    engine = compiled(kind, lanes)
    function = TILES(engine.get_function_address(name))
    for rows, columns, inner, adds in sizes(name, lanes):
        for left in ("rows",) if name == "across" else ("rows", "columns"):
            x = drawn(rng, dtype, rows, inner, left)
            y = drawn(rng, dtype, inner, columns, "columns" if name == "across" else "rows")
            room = np.full((rows + 2, columns + 2), 7, dtype)
            right = np.full_like(room, 7)
            right[1:-1, 1:-1] = x @ y + adds * room[1:-1, 1:-1]  # whole numbers: exact
            run(function, x, y, room[1:-1, 1:-1], adds)
            np.testing.assert_array_equal(room, right)
