"""Gradients that are others on purpose: of what hands its input on and stops them, of frozen rows, and of steps."""

from __future__ import annotations

import ast
import inspect
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from dout.adapt.source.attribute_reads import own_attributes
from dout.adapt.source.syntax import read, walk
from dout.check.exact.subject import Subject
from dout.judge.outcomes import Outcome
from dout.run import attributes_of, is_float_array, otherwise

_BESIDE = 1.0371  # of the numbers that dout chooses, which are whole multiples of powers of 2


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


@otherwise("")
def scaling_setting(subject: Subject) -> str:
    """The number of a layer, `self.scale` or `-self.strength`, by which it multiplies `dout`, and hands its input on.

    Such a layer has no other use than to scale gradients, or to turn them around (Ganin and Lempitsky, 2015); what its
    forward computes with is no such number.
    """
    if len(subject.inputs) != 1:
        return ""
    layer = subject.again()
    ahead, _ = own_attributes(getattr(type(layer), subject.forward_name))
    for name, number in attributes_of(layer).items():
        if isinstance(number, bool) or not isinstance(number, int | float) or not number or name in ahead:
            continue
        made = [replace(subject, make=partial(_with_number, subject, name, n)) for n in (number, 0.6 * number + 0.05)]
        for text, sign in (("", 1), ("-", -1)):
            if all(_multiplies_dout(one, sign * getattr(one.again(), name)) for one in made):
                return f"{text}self.{name}"
    return ""


def _with_number(subject: Subject, name: str, number: float) -> Any:
    layer = subject.again()
    setattr(layer, name, number)
    return layer


def _multiplies_dout(subject: Subject, factor: float) -> bool:
    run = subject.run((-2 * np.asarray(subject.inputs[0]),))
    (y,), (dx,) = run.outputs, run.gradients
    return np.array_equal(y, run.inputs[0]) and np.allclose(dx, factor * run.douts[0], rtol=1e-6)


@otherwise(False)
def goes_straight_through(subject: Subject) -> bool:
    """Whether forward has steps, whose derivative is 0, and backward hands `dout` on, or 0 beyond limits.

    So do layers that round, compare or take signs, to be trained at all: the straight-through estimator (Bengio,
    Léonard and Courville, 2013).
    """
    if len(subject.inputs) != 1:
        return False
    run = subject.run()
    (x,), (y,), (dout,), (dx,) = run.inputs, run.outputs, run.douts, run.gradients
    handed_on = np.isin(dx - dout, 0) | np.isin(dx, 0)
    return bool(np.shape(x) == np.shape(y) and np.any(dx) and np.all(handed_on) and has_steps(subject))


def has_steps(subject: Subject) -> bool:
    """Whether forward gives the same for inputs nearby, and something else far away.

    The inputs lie beside those of the subject, which may be just where a step is. Nearby, each is larger by a share of
    its own, as what only scales them together may change nothing, and by more than is lost where forward rounds to
    float32.
    """
    beside = [x * _BESIDE if is_float_array(x) else x for x in subject.inputs]
    nearby = [x * (1 + 1e-5 * np.cos(np.arange(x.size))).reshape(x.shape) if is_float_array(x) else x for x in beside]
    away = [x * -2.0 if is_float_array(x) else x for x in beside]
    here, near, far = (subject.forward(tuple(inputs)) for inputs in (beside, nearby, away))
    return all(map(np.array_equal, here, near)) and not any(map(np.array_equal, here, far))


@otherwise(False)
def freezes_rows(subject: Subject, outcome: Outcome) -> bool:
    """Whether a gradient is right but for whole rows, which backward sets to 0: the row of padding does not learn."""
    expected, got = np.asarray(outcome.expected, float), np.asarray(outcome.got, float)
    wrong = ~np.isclose(expected, got, rtol=1e-9).all(axis=tuple(range(1, got.ndim)))
    if np.any(got[wrong]) or not np.any(got) or got.ndim < 2:
        return False
    own = read(inspect.unwrap(type(subject.again()).backward))
    return any(
        isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Subscript)
        and isinstance(node.targets[0].slice, ast.Attribute | ast.Name)
        and isinstance(node.value, ast.Constant)
        and node.value.value == 0
        for node in (walk(own.node) if own else ())
    )
