"""Running the user's code in trials: nobody hears it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout

import numpy as np

from dout.trace.tracer.random_draws import random_states_kept


@contextmanager
def in_silence() -> Iterator[None]:
    """Nothing printed, no floating-point warning, and the global random states as they were."""
    with random_states_kept(), np.errstate(all="ignore"), redirect_stdout(io.StringIO()):
        yield
