"""Steps that a layer makes by itself as an optimizer does: of another size than its gradient, and in its direction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dout.check.exact.subject import Subject
from dout.run import arrays, attributes_of, copied, otherwise, run_backward
from dout.trace.session.pairing import GRADIENTS, pairs

_GROWS = 1.5  # as much as less than half of dout's growth
_ROUNDING = 1e-9  # of a gradient, where its parts cancel


@otherwise(False)
def is_an_optimizers(subject: Subject, name: str, got: Any, expected: Any) -> bool:
    """Whether each number of a step has the sign of the gradient's, and does not grow with dout, as Adam's does not.

    A gradient with a penalty is not linear in dout either, but grows with it.
    """
    got, expected = np.asarray(got, dtype=float), np.asarray(expected, dtype=float)
    known = np.abs(expected) > _ROUNDING * np.max(np.abs(expected), initial=0.0)  # of others the sign is none
    is_along = got.shape == expected.shape and np.array_equal(np.sign(got)[known], np.sign(expected)[known])
    if subject.interface is None or not subject.interface.steps or not is_along:
        return False
    one, two = (_step(subject, name, scale) for scale in (1.0, 2.0))
    return bool(np.all(np.abs(two) <= _GROWS * np.abs(one)))


@otherwise(None)
def decay_of(subject: Subject, name: str) -> float | None:
    """How much of what the steps before have left is a part of a step; None where nothing is.

    That is an array of the layer, of the parameter's shape.
    """
    first = subject.run()
    before = attributes_of(subject.again())
    usual = _left(before, first.layer, name)
    alike = [path for path, item in arrays(subject.again()).items() if item.shape == usual.shape]
    for path in alike:
        layer = subject.again()
        subject.runner.forward(layer, subject.fresh_inputs())
        arrays(layer)[path][...] += 1
        run_backward(layer, tuple(map(copied, first.douts)))
        moved = _left(before, layer, name) - usual
        if np.all(moved > 0) and np.ptp(moved) <= _ROUNDING * np.max(moved):
            return float(np.mean(moved))
    return None


def _left(before: Mapping[str, Any], layer: Any, name: str) -> Any:
    """What backward has left as the gradient of a parameter, noted as its step or paired with it."""
    after = attributes_of(layer)
    found = {**{pair.name: pair.gradient for pair in pairs(before, after)}, **after.get(GRADIENTS, {})}
    return np.asarray(found[name], dtype=float)


def _noted(layer: Any, name: str) -> Any:
    return np.asarray(attributes_of(layer)[GRADIENTS][name], dtype=float)


def _step(subject: Subject, name: str, scale: float) -> Any:
    """The step of a parameter, by the rate at which it is made, where dout is so many times the usual one."""
    run = subject.run(douts=tuple(dout * scale for dout in subject.run().douts))
    return _noted(run.layer, name)
