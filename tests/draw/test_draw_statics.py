"""What stands quietly below a node: the parameters that it was called with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import dout


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda x: x.sum(axis=0), ("axis=0",)),
        (lambda x: np.max(x, axis=-1, keepdims=True), ("axis=−1", "keepdims")),
        (lambda x: x.reshape(3, 2), ("(3, 2)",)),
        (lambda x: x.T, ()),
        (lambda x: x[:, 1:3], ("[:, 1:3]",)),
        (lambda x: x[..., ::2], ("[..., ::2]",)),
        (lambda x: x[1], ("[1]",)),
        (lambda x: x[x > 0], ()),
        (lambda x: x[:, np.array([0, 2])], ("[:, ·]",)),
    ],
)
def test_parameters_are_said_where_they_say_something(function: Callable[[Any], Any], words: tuple[str, ...]) -> None:
    picture = dout.trace(function, np.arange(6.0).reshape(2, 3)).draw()
    assert [i.constants for i in picture.scene.level.items if i.kind == "operator"][-1] == words
