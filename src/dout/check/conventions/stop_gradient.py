"""Layers whose gradient is another one on purpose: what hands its input on and stops the gradient, and steps."""

from __future__ import annotations

import numpy as np

from dout.check.exact.subject import Subject
from dout.run import otherwise


@otherwise(False)
def stops_the_gradient(subject: Subject) -> bool:
    """Whether a layer hands its only input on, whatever it is, and gives 0 for it: an input layer, a `detach`."""
    if len(subject.inputs) != 1:
        return False
    runs = [subject.run((factor * np.asarray(subject.inputs[0]),)) for factor in (1, -2)]
    return all(
        len(run.outputs) == 1
        and np.array_equal(run.outputs[0], run.inputs[0])
        and all(gradient is not None and not np.any(gradient) for gradient in run.gradients)
        for run in runs
    )


@otherwise(False)
def goes_straight_through(subject: Subject) -> bool:
    """Whether forward has steps, whose derivative is 0, and backward hands `dout` on, or 0 beyond limits.

    So do layers that round, compare or take signs, to be trained at all: the straight-through estimator (Bengio,
    Léonard and Courville, 2013).
    """
    if len(subject.inputs) != 1:
        return False
    given = np.asarray(subject.inputs[0], float)  # float32 does not tell 1 + 1e-9 from 1
    here, near, other = (subject.run((given * factor,)) for factor in (1, 1 + 1e-9, -2))
    (x,), (y,), (dout,), (dx,) = here.inputs, here.outputs, here.douts, here.gradients
    handed_on = np.isin(dx - dout, 0) | np.isin(dx, 0)
    has_steps = np.array_equal(y, near.outputs[0]) and not np.array_equal(y, other.outputs[0])
    return bool(np.shape(x) == np.shape(y) and has_steps and np.any(dx) and np.all(handed_on))
