"""A backward that runs its forward again, `gradient(x, t)` of a network with dropout: it draws what that drew."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np

from dout.adapt.interface import Interface
from dout.trace.source import behind


def drawing_again(user: Any, interface: Interface) -> Callable[[], None]:
    """What brings the global random states to where they are now, before forward, if backward runs that again."""
    code = getattr(behind(getattr(user, interface.backward)), "__code__", None)
    if code is None or interface.forward not in code.co_names:
        return lambda: None
    states = random.getstate(), np.random.get_state()  # noqa: NPY002 - the state users draw from

    def put_back() -> None:
        random.setstate(states[0])
        np.random.set_state(states[1])  # noqa: NPY002

    return put_back
