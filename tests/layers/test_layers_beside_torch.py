"""Layers give what PyTorch's of the same name give, over all options; skipped where PyTorch is not installed."""

import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.random import default_rng

torch = pytest.importorskip("torch")
sys.path.insert(0, str(Path(__file__).parents[2]))  # the benchmarks lie beside the tests
rows = pytest.importorskip("benchmarks.layers.rows")
table = pytest.importorskip("benchmarks.layers.__main__")


@pytest.mark.filterwarnings("ignore::UserWarning")  # PyTorch's advice on reductions
@pytest.mark.parametrize("name", rows.ROWS)
@settings(max_examples=20)
@given(seed=st.integers(0, 2**32 - 1))
def test_outputs_and_gradients_are_those_of_pytorch(name, seed):
    limit = 1e-6 if name in table.ROUNDED else table.LIMIT
    assert max(table.beside(rows.ROWS[name](default_rng(seed)))) <= limit
