"""Operations on objects whose constructor takes no array: a function makes them of lists, a method reads them back."""

import numpy as np
import pytest

from dout import check
from dout.judge.outcomes import RIGHT, Word


class Store:
    """Numbers in one line, and the shape in which they are meant."""

    def __init__(self, line, shape):
        self.line = line if isinstance(line, np.ndarray) else np.array(line, dtype=float)
        self.shape = tuple(shape)
        assert self.line.size == int(np.prod(self.shape))


class Grid:
    """What an operation is given: it has no array of its own, and its operations stand in `ops`."""

    def __init__(self, store, ops):
        assert isinstance(store, Store)
        self._store = store
        self.ops = ops

    @property
    def shape(self):
        return self._store.shape

    def item(self):
        assert self._store.line.size == 1
        return self._store.line[0]

    def as_array(self):
        return self._store.line.reshape(self.shape)


class Ops:
    """Loops over the elements, as a first version of such a package has them."""

    @staticmethod
    def each(function, *grids):
        line = np.zeros(grids[0]._store.line.size)
        for i in range(line.size):
            line[i] = function(*(grid._store.line[i] for grid in grids))
        return Grid(Store(line, grids[0].shape), Ops)

    @staticmethod
    def summed(grid, axis):
        whole = grid.as_array().sum(axis=axis, keepdims=True)
        return Grid(Store(whole.reshape(-1), whole.shape), Ops)


def _flat(rows):
    return [x for row in rows for x in _flat(row)] if isinstance(rows, list) else [rows]


def _shape(rows):
    return (len(rows), *_shape(rows[0])) if isinstance(rows, list) else ()


def grid(rows, ops=Ops):
    return Grid(Store(_flat(rows), _shape(rows)), ops)


class Kept:
    def __init__(self):
        self.values = ()

    def keep(self, *values):
        self.values = values


class Product:
    @staticmethod
    def forward(ctx, a, b):
        ctx.keep(a, b)
        return a.ops.each(lambda x, y: x * y, a, b)

    @staticmethod
    def backward(ctx, arrived):
        a, b = ctx.values
        times = arrived.ops.each
        return times(lambda x, y: x * y, b, arrived), times(lambda x, y: x * y, a, arrived)


class WrongProduct(Product):
    @staticmethod
    def backward(ctx, arrived):
        a, b = ctx.values
        times = arrived.ops.each
        return times(lambda x, y: x * y, a, arrived), times(lambda x, y: x * y, b, arrived)


class Total:
    """The sum along an axis; what called it repeats the gradient in the shape of the input."""

    @staticmethod
    def forward(ctx, a, dim):
        ctx.keep(a.shape, dim)
        return a.ops.summed(a, int(dim.item()))

    @staticmethod
    def backward(ctx, arrived):
        return arrived, 0.0


class WrongTotal(Total):
    @staticmethod
    def backward(ctx, arrived):
        return arrived.ops.each(lambda x: 2 * x, arrived), 0.0


@pytest.mark.parametrize("operation", [Product, Total])
def test_operations_on_objects_that_a_function_makes_of_lists_are_exact(operation):
    report = check(operation)
    assert report.verdicts[0].word in {*RIGHT, Word.AGREES}
    assert not [finding for finding in report.findings if finding.severity == "error"]


@pytest.mark.parametrize("operation", [WrongProduct, WrongTotal])
def test_a_wrong_gradient_of_such_an_operation_is_an_error(operation):
    assert [finding.code for finding in check(operation).findings if finding.severity == "error"]
