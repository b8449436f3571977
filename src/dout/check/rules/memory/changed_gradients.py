"""How a gradient differs from the one that it should be, in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dout.check.lab.other_values import differs_at, few


def difference(right: Sequence[Any], got: Sequence[Any], i: int) -> str:
    """Say how the gradients at place `i` differ: `2 for 1 at [0]`, `1 gradients for 2`, `another shape`."""
    if i < len(right) and i < len(got) and np.shape(right[i]) == np.shape(got[i]):
        index = differs_at(right[i], got[i])
        at = f" at {list(index)}" if index else ""
        return f"{few(np.asarray(got[i])[index])} for {few(np.asarray(right[i])[index])}{at}"
    return f"{len(got)} gradients for {len(right)}" if len(right) != len(got) else "another shape"
