"""What a layer is given in place of things that only hear of gradients: an optimizer, a context."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("__"):
            raise AttributeError(name)
        return self.update


class ContainedPart:
    """A layer for a container to hold: `x (0.5 + x)`, or, if it mixes, `x (0.5 + sum(x))` of each row.

    >>> one, two = two_parts("forward_pass", "backward_pass")
    >>> two.forward_pass(np.array([1.0, 2.0])), two.backward_pass(np.array([1.0, 0.0]))
    (array([3.5, 7. ]), array([4.5, 1. ]))
    """

    def __init__(self, mixes: bool, forward: str, backward: str) -> None:
        self.mixes, self.names = mixes, (forward, backward)
        self.params: list[Any] = []
        self.grads: list[Any] = []

    def __repr__(self) -> str:
        return "a part"

    def _mixed(self, x: Any) -> Any:
        return x.sum(axis=-1, keepdims=True) if self.mixes else x

    def forward(self, *given: Any, **named: Any) -> Any:
        """The output; what else a network passes is not asked, nor what it calls the input."""
        self.x = next(iter((*given, *named.values())))
        self.factor = 0.5 + self._mixed(self.x)
        return self.x * self.factor

    def backward(self, *given: Any, **named: Any) -> Any:
        """The gradient of the input."""
        dout = next(iter((*given, *named.values())))
        return dout * self.factor + self._mixed(dout * self.x)

    __call__ = forward

    def __getattr__(self, name: str) -> Any:
        forward, backward = self.__dict__.get("names", ("", ""))
        if name in (forward, backward):
            return self.forward if name == forward else self.backward
        raise AttributeError(name)


def two_parts(forward: str, backward: str) -> list[ContainedPart]:
    """Parts of which the order counts, in backward too."""
    return [ContainedPart(False, forward, backward), ContainedPart(True, forward, backward)]


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
