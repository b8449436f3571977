"""Steps that a layer makes by itself: of the size that an optimizer gives them, or with a limit after them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from dout.adapt.interface.learned_gradients import parameters_of
from dout.adapt.interface.users_backward import step_rate
from dout.check.exact.exact_route import Examination
from dout.check.exact.subject import Subject
from dout.judge.float_judge import outcomes_in_float64
from dout.run import arrays, attributes_of, copied, deep_copy, otherwise, run_backward
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


@otherwise(False)
def is_limited_after_its_step(subject: Subject, name: str, shares: Iterable[float]) -> bool:
    """Whether backward makes the right step of a parameter, or one of these shares of it, and limits it after that.

    A backward of no `dout` makes the limit alone. From where that leaves all parameters it has to give the same numbers
    after the right step as the step itself, and others after a step in the other direction.
    """
    if subject.interface is None or not subject.interface.steps:
        return False
    limited = replace(subject, make=partial(deep_copy, _limited(subject)))
    examination = Examination(limited.recorded(subject.run().douts))
    outcomes, _ = outcomes_in_float64(examination, examination.base, confirm=False)
    one = next(outcome for outcome in outcomes if outcome.judged.name == name)
    got, expected = np.asarray(one.got, dtype=float), np.asarray(one.expected, dtype=float)

    def distance(gradient: Any) -> float:
        moved = _stepped(limited, {name: gradient})
        return float(np.max(np.abs(gradient + _of_no_dout(limited, moved).get(name, 0.0) - got), initial=0.0))

    size = _ROUNDING * np.max(np.abs(got), initial=0.0)
    return any(distance(share * expected) <= size < distance(-share * expected) for share in shares)


def _limited(subject: Subject) -> Any:
    """A fresh layer whose parameters are where a backward of no `dout` leaves them."""
    return _stepped(subject, _of_no_dout(subject, subject.again()))


def _stepped(subject: Subject, gradients: Mapping[str, Any]) -> Any:
    """A fresh layer whose parameters have made the steps of these gradients."""
    layer = subject.again()
    held = dict(parameters_of(layer))
    for name, gradient in gradients.items():
        held[name][...] -= step_rate(layer, layer.dout_interface) * gradient
    return layer


def _of_no_dout(subject: Subject, layer: Any) -> dict[str, Any]:
    """What the backward of a layer notes for its parameters where `dout` is 0."""
    subject.runner.forward(layer, subject.fresh_inputs())
    run_backward(layer, tuple(0 * dout for dout in subject.run().douts))
    noted = attributes_of(layer).get(GRADIENTS, {})
    return {name: np.asarray(gradient, dtype=float) for name, gradient in noted.items()}


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
