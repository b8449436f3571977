"""What a layer is given in place of things that only hear of gradients: an optimizer, a context."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


class RecordingOptimizer:
    """An optimizer that changes nothing and remembers what it was given: any method takes (parameter, gradient).

    Of a dict of gradients alone, `update(layer, {"dW": …})`, it remembers the keys in place of parameters.

    >>> optimizer = RecordingOptimizer()
    >>> float(optimizer.update(np.float64(3.0), np.float64(0.5)))
    3.0
    >>> optimizer.updates
    [(np.float64(3.0), np.float64(0.5))]
    """

    learning_rate = lr = rate = 0.5

    def __init__(self) -> None:
        self.updates: list[tuple[Any, Any]] = []

    def __copy__(self) -> RecordingOptimizer:
        return RecordingOptimizer()

    def __call__(self, *items: Any, **named: Any) -> Any:
        """As `update`."""
        return self.update(*items, **named)

    def update(self, *items: Any, **named: Any) -> Any:
        """Remember a parameter and its gradient; the parameter is returned as it was."""
        given = [item for item in (*items, *named.values()) if isinstance(item, np.ndarray | np.generic | float)]
        if len(given) >= 2:
            self.updates.append((given[0], given[1]))
        if len(items) >= 2:
            one, two = items[:2]
            if isinstance(one, dict) and isinstance(two, dict):
                self.updates += [(one[key], two[key]) for key in one if key in two]
            elif isinstance(two, dict):
                self.updates += [(key, gradient) for key, gradient in two.items() if isinstance(gradient, np.ndarray)]
            elif isinstance(one, list | tuple) and isinstance(two, list | tuple):
                self.updates += list(zip(one, two, strict=False))
        return given[0] if given else None

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("__"):
            raise AttributeError(name)
        return self.update


class Context:
    """Where a static forward keeps what its backward reads, as `torch.autograd.Function` has it."""

    saved_tensors: tuple[Any, ...] = ()

    def save_for_backward(self, *items: Any) -> None:
        """Keep these; they are `saved_tensors` afterwards."""
        self.saved_tensors = items

    @property
    def saved_variables(self) -> tuple[Any, ...]:
        """An older name of `saved_tensors`."""
        return self.saved_tensors

    @property
    def saved_values(self) -> tuple[Any, ...]:
        """Another name of `saved_tensors`."""
        return self.saved_tensors

    needs_input_grad = (True,) * 16
