"""Small products go on one thread of the BLAS, and leave its threads as they were."""

import numpy as np
import pytest

from dout.engine.runtime import blas_threads

pytestmark = pytest.mark.skipif(blas_threads.threads() is None, reason="this BLAS has no switch that we know")


def test_a_product_sees_one_thread_and_leaves_them_as_they_were():
    before, seen = blas_threads.threads(), []
    product = blas_threads.alone(lambda x, y, out: seen.append(blas_threads.threads()) or np.dot(x, y, out))
    x, y, out = np.ones((2, 3)), np.arange(12.0).reshape(3, 4), np.empty((2, 4))
    assert product(x, y, out) is out
    np.testing.assert_array_equal(out, x @ y)
    assert seen == [1]
    assert blas_threads.threads() == before


def test_an_error_leaves_them_too():
    before = blas_threads.threads()
    with pytest.raises(ValueError, match="not aligned"):
        blas_threads.alone(np.dot)(np.ones((2, 3)), np.ones((2, 3)), np.empty((2, 3)))
    assert blas_threads.threads() == before
