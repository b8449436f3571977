"""A layer that stops the gradient on purpose: what goes in comes out, and nothing goes back."""

from __future__ import annotations

import numpy as np

from dout.check.exact.subject import Subject


def stops_the_gradient(subject: Subject) -> bool:
    """Whether a layer hands its only input on, whatever it is, and gives 0 for it: an input layer, a `detach`."""
    if len(subject.inputs) != 1:
        return False
    try:
        runs = [subject.run((factor * np.asarray(subject.inputs[0]),)) for factor in (1, -2)]
    except Exception:  # the user's code, on other inputs
        return False
    return all(
        len(run.outputs) == 1
        and np.array_equal(run.outputs[0], run.inputs[0])
        and all(gradient is not None and not np.any(gradient) for gradient in run.gradients)
        for run in runs
    )
