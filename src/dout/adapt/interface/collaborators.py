"""What a layer is given in place of things that only hear of gradients: an optimizer, a context."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from dout.adapt.argument_names import names_output, names_rate, names_switch
from dout.run import attributes_of, copied
from dout.trace.program.stub_modules import is_dropped
from dout.trace.tracer.traced import plain

RATE = 0.5  # a learning rate that we give: exact in binary, so that an update shows the gradient to the last bit


class Collaborator:
    """What a layer is connected to: an optimizer, the layer before it, the network around both.

    It remembers what it was given: any method takes (parameter, gradient). What is called an update or a step returns
    the parameter as after one, so that what is computed with that shows; where nobody takes it, the parameter itself
    is changed. Of a dict of gradients alone, `update(layer, {"dW": …})`, it remembers the keys in place of parameters,
    and of a whole layer with gradients, `update(layer, dW, db)`, the layer with all of them. Whatever is called a shape
    is that of what the layer before gives, whatever is called a size its last, and it is in training.

    >>> one = Collaborator((4, 6))
    >>> float(one.update(np.float64(3.0), np.float64(0.5))), one.updates
    (2.75, [(np.float64(3.0), np.float64(0.5))])
    >>> one.out_shape, one.get_output_shape(), one.units, one.learning_rate, one.training
    ((4, 6), (4, 6), 6, 0.5, True)
    """

    def __init__(self, shape: tuple[int, ...] = (), dimension: Any = None) -> None:
        self.updates: list[tuple[Any, Any]] = []
        self._shape = shape
        self._dimension = shape[-1] if shape and dimension is None else dimension

    def __repr__(self) -> str:
        return f"a collaborator of {self._shape}" if self._shape else "a collaborator"

    def __deepcopy__(self, memo: Any) -> Collaborator:
        return Collaborator(self._shape, self._dimension)

    def __call__(self, *items: Any, **named: Any) -> Any:
        """As `heard`."""
        return self.heard(*items, **named)

    def update(self, *items: Any, **named: Any) -> Any:
        """Remember a parameter and its gradient; the parameter is returned as after a step."""
        known = len(self.updates)
        parameter, pairs = self.heard(*items, **named), self.updates[known:]
        if len(pairs) != 1 or pairs[0][0] is not parameter or np.shape(parameter) != np.shape(pairs[0][1]):
            return parameter
        stepped = parameter - RATE * pairs[0][1]
        if np.ndim(parameter) and is_dropped(sys._getframe(1)):  # it changes what it is given
            parameter[...] = stepped
        return stepped

    def heard(self, *items: Any, **named: Any) -> Any:
        """Remember a parameter and its gradient; the parameter is returned as it was."""
        given = [item for item in (*items, *named.values()) if isinstance(item, np.ndarray | np.generic | float)]
        arrays = [item for item in given if np.ndim(item)]
        given = arrays if len(arrays) > 1 else given  # without a rate
        owner = attributes_of(items[0]) if items and given and items[0] is not given[0] else {}
        if owner and not any(item is given[0] for item in owner.values()):  # `update(self, dW, db)`
            self.updates.append((items[0], tuple(given)))
        elif len(given) >= 2:
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

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if "shape" in name.lower() and self._shape:
            return _Shape(self._shape)
        if names_rate(name) and name != "step":  # which is an optimizer's method
            return RATE
        if names_switch(name):
            return True
        if isinstance(self._dimension, int) and _SIZE.search(name):
            return _Size(self._dimension)
        return self.update if re.search("update|step", name) else self.heard


class Overheard(Collaborator):
    """An optimizer of the user's, or a list or a dict of them: what it is given is remembered, and it does as it does.

    Which of two arrays is a parameter is told by itself, not by its place.

    >>> W, dW = np.array([3.0]), np.array([0.5])
    >>> one = Overheard(lambda dW, W: W - 0.1 * dW, [W])
    >>> one(dW, W), one.updates
    (array([2.95]), [(array([3.]), array([0.5]))])
    """

    __deepcopy__ = None  # type: ignore[assignment]  # with what it stands for

    def __init__(self, own: Any, parameters: Sequence[Any], updates: list[tuple[Any, Any]] | None = None) -> None:
        self.__dict__.update(_own=own, _parameters=parameters, updates=[] if updates is None else updates)

    def __call__(self, *items: Any, **named: Any) -> Any:
        """As the user's own, which may change what it is given."""
        known = len(self.updates)
        self.heard(*items, **named)
        self.updates[known:] = [self._ordered(*pair) for pair in self.updates[known:]]
        return self._own(*items, **named)

    def _ordered(self, one: Any, two: Any) -> tuple[Any, Any]:
        """A parameter, or its key, and a copy of its gradient, which may be changed; or a layer and all of them."""
        is_known = isinstance(one, str) or any(plain(one) is plain(item) for item in self._parameters)
        return (one, copied(two)) if is_known or isinstance(two, tuple) else (two, copied(one))

    def _beside(self, own: Any) -> Overheard:
        return Overheard(own, self._parameters, self.updates)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        item = getattr(self._own, name)
        return self._beside(item) if callable(item) else item

    def __setattr__(self, name: str, item: Any) -> None:
        if name in self.__dict__:
            self.__dict__[name] = item
        else:
            setattr(self._own, name, item)

    def __getitem__(self, key: Any) -> Any:
        return self._beside(self._own[key])


_BACKWARD = re.compile(r"back|b_?prop", re.IGNORECASE)
_SIZE = re.compile(r"size|dim|units|num|n_|nodes|neurons|features|out", re.IGNORECASE)


class _Shape(tuple[int, ...]):
    """A shape, read as an attribute or from a method."""

    __slots__ = ()

    def __call__(self, *_: Any) -> tuple[int, ...]:
        return tuple(self)


class _Size(int):
    """A size, read as an attribute or from a method."""

    def __call__(self, *_: Any) -> int:
        return int(self)


class _Empty(list[Any]):
    """Nothing, in a list or a dict."""

    def items(self) -> tuple[Any, ...]:
        """None, as a dict has them."""
        return ()

    keys = values = items


class ContainedPart(SimpleNamespace):  # a recording looks into such an object, as into the user's
    """A layer for a container to hold: `w x (0.5 + x)`, or, if it mixes, `w x (0.5 + sum(x))` of each row.

    Its parameter `w` shows whether a container that returns no gradient runs its parts back.

    >>> one, two = two_parts("forward_pass", "backward_pass")
    >>> two.forward_pass(np.array([1.0, 2.0])), two.backward_pass(np.array([1.0, 0.0])), two.dw
    (array([ 7., 14.]), array([9., 2.]), array(3.5))
    """

    def __init__(self, mixes: bool = False, forward: str = "forward", backward: str = "backward") -> None:
        self.mixes, self.names = mixes, (forward, backward)
        self.w = np.array(2.0 if mixes else 0.75)
        self.params, self.grads = _Empty(), _Empty()

    __hash__ = object.__hash__  # type: ignore[assignment]
    __eq__ = object.__eq__

    def __repr__(self) -> str:
        return "a part"

    def _mixed(self, x: Any) -> Any:
        return x.sum(axis=-1, keepdims=True) if self.mixes else x

    def forward(self, *given: Any, **named: Any) -> Any:
        """The output; what else a network passes is not asked, nor what it calls the input."""
        self.x = next(iter((*given, *named.values())))
        self.factor = 0.5 + self._mixed(self.x)
        output = self.w * (self.x * self.factor)
        self.given: Callable[[], Any] = lambda: output  # no array: a recording would call it so
        return output

    def backward(self, *given: Any, **named: Any) -> Any:
        """The gradient of the input, which may be given again, or the output; without an upstream one that is 1."""
        every = [one for one in (*given, *named.values()) if one is not self.x and one is not self.given()]
        dout = every[0] if every else np.ones_like(self.x)
        self.dw = np.sum(dout * (self.x * self.factor), keepdims=True).reshape(())
        return self.w * (dout * self.factor + self._mixed(dout * self.x))

    __call__ = forward

    def __getattr__(self, name: str) -> Any:
        forward, backward = self.__dict__.get("names", ("", ""))
        if name == forward:
            return self.forward
        if name == backward or _BACKWARD.search(name):  # a network may call its own otherwise
            return self.backward
        if names_output(name) and "given" in self.__dict__:
            return self.given()
        if name.startswith(("update", "step", "zero_grad")):  # it stays as it is
            return lambda *_, **__: None
        raise AttributeError(name)


def two_parts(forward: str, backward: str) -> list[ContainedPart]:
    """Parts of which the order counts, in backward too."""
    return [ContainedPart(False, forward, backward), ContainedPart(True, forward, backward)]


class Context:
    """Where a static forward keeps what its backward reads, as `torch.autograd.Function` has it.

    Whatever method is given something keeps it; whatever is asked for that was never set is what was kept. Where
    forward is not given it, it was made with the inputs, as `items`: `ctx = Function(cls, *args)`.

    >>> ctx = Context()
    >>> ctx.save_for_backward(1, 2)
    >>> ctx.saved_tensors, ctx.get_saved()
    ((1, 2), (1, 2))
    >>> ctx["mask"] = 3
    >>> ctx["mask"], ctx.mask
    (3, 3)
    """

    needs_input_grad = (True,) * 16

    def __init__(self, items: Sequence[Any] = ()) -> None:
        self._items = tuple(items)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        kept = _Kept(self._items)
        kept.context = self
        return kept

    def __setitem__(self, name: Any, item: Any) -> None:
        self.__dict__[name] = item

    def __getitem__(self, name: Any) -> Any:
        return self.__dict__[name]


class _Kept(tuple[Any, ...]):
    """What a context keeps: a tuple, and a method that returns it, or keeps something else."""

    context: Context

    def __call__(self, *items: Any, **named: Any) -> Any:
        if items:
            self.context._items = items
        self.context.__dict__.update(named)
        return None if items or named else tuple(self)
