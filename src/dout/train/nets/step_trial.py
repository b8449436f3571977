"""A step that is about to run in; whether its net updates itself, or adds to the gradients of the step before, out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dout.errors import TrainingError
from dout.run import deep_copy, generators_of, global_states, quiet

if TYPE_CHECKING:
    from dout.train.nets.train_step import TrainStep

_ROUNDING = 1e-4


class StepTrial:
    """What parameters and gradients are before a step, and what copies make of them; it is asked after the step."""

    def __init__(self, step: TrainStep, x: Any, t: Any) -> None:
        self.step = step
        self.values = {name: np.array(one.array) for name, one in step.registry.parameters.items()}
        self.gradients = {name: np.array(one) for name, one in step.registry.gradients().items()}
        self.anew: dict[str, Any] = {}  # the gradients of a step that finds zeros
        self.by_forward: dict[str, Any] = {}  # the parameters after a forward
        put_back = global_states(generators_of(**step.roots))
        try:
            with quiet():
                one, x_, t_ = deep_copy((step, x, t))
                one.registry.clear_gradients()
                one.run(x_, t_)
                self.anew = one.registry.gradients()
                put_back()
                two, x_, t_ = deep_copy((step, x, t))
                two.loss_of(x_, t_)
                self.by_forward = {name: parameter.array for name, parameter in two.registry.parameters.items()}
        except Exception:  # the user's code, on what it was not made for
            pass
        finally:
            put_back()

    def check_parameters(self, where: str) -> None:
        """Raise TrainingError where backward has changed a parameter; forward may, by a norm or a bound."""
        for name, one in self.step.registry.parameters.items():
            same = self.by_forward.get(name)
            if same is not None and not one.is_number and not np.array_equal(one.array, same, equal_nan=True):
                said = "backward changes it: the net updates itself; train it by its own loop"
                raise TrainingError(f"{where}: {name} is another one after a step, because {said}")

    def accumulates(self) -> bool:
        """Whether backward has added to the gradients that it found; then these are put right."""
        found = self.step.registry.gradients()
        if not self.anew or all(
            np.array_equal(found[name], self.anew.get(name, np.nan), equal_nan=True) for name in found
        ):
            return False
        for name, gradient in found.items():
            if name not in self.anew or name not in self.gradients:
                return False
            size = float(np.max(np.abs(gradient), initial=0)) + float(np.max(np.abs(self.gradients[name]), initial=0))
            if not np.allclose(gradient - self.gradients[name], self.anew[name], rtol=0, atol=_ROUNDING * size):
                return False
        for name, gradient in found.items():
            gradient[...] = self.anew[name]
        return True
