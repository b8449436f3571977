"""The parameters of a net, and where its backward leaves the gradient of each: found as `dout check` finds them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np

from dout.errors import TrainingError
from dout.run import attributes_of, named_objects, places
from dout.trace.session.pairing import Pair, pairs
from dout.train.nets.gradient_shapes import misfit

Array = np.ndarray[Any, Any]
Before = list[tuple[str, Any, dict[str, Any]]]  # the path of each object, the object, and what its attributes were
NAMINGS = "W and dW, b and db, params and grads, W.data and W.grad"


@dataclass
class LearnedArray:
    """One array that training changes, the object that holds it, and the places in which its gradient is left."""

    name: str
    array: Array
    owners: list[tuple[Any, Pair]]
    readers: list[Callable[[], Any]] = field(default_factory=list)

    @property
    def is_number(self) -> bool:
        """Whether it stands in its object as a plain number, and `array` is our copy of it."""
        return bool(self.owners) and not isinstance(self.owners[0][1].parameter, np.ndarray)

    def lies_in(self, data: Iterable[Array]) -> bool:
        """Whether it is, or is a view of, one of these arrays."""
        return not self.is_number and any(np.may_share_memory(self.array, item) for item in data)

    def gradient(self) -> Array | None:
        """What the latest backward left: the sum over all places; None where it left nothing."""
        total = None
        for read in self.readers:
            found = read()
            if found is not None:
                total = found if total is None else total + found
        return None if total is None else np.asarray(total)

    def put_gradient(self, gradient: Array) -> None:
        """Leave another gradient where backward left its own."""
        for owner, pair in self.owners:
            found = [place for place in places(owner, "item") if place.item is pair.gradient]
            for place in found:
                place.put(gradient)
            if self.gradient() is not gradient:
                raise TrainingError(
                    f"{self.name} is used in several places, and the gradients of these are to add up; "
                    f"{type(owner).__name__} leaves its own where no sum can be put: leave it in an attribute"
                )


class Registry:
    """All parameters of a net by name, each once, in the order of its layers."""

    def __init__(self, parameters: Mapping[str, LearnedArray]) -> None:
        self.parameters = dict(parameters)

    @classmethod
    def after_a_step(cls, before: Before) -> Registry:
        """What a forward and a backward since `before` have shown."""
        found: dict[Any, LearnedArray] = {}
        claims: dict[Any, list[tuple[str, Any, Pair, Mapping[str, Any]]]] = {}
        for path, item, attributes in before:
            for pair in pairs(attributes, attributes_of(item)):
                claims.setdefault(_memory_of(item, pair), []).append((path, item, pair, attributes))
        for key, all_claims in claims.items():
            outer = [one for one in all_claims if not any(_holds(other[0], one[0]) for other in all_claims)]
            outer = list({(id(one[1])): one for one in outer}.values())
            path, _, pair, _ = outer[0]
            parameter = LearnedArray(f"{path}.{pair.name}", np.asarray(pair.parameter), [(o[1], o[2]) for o in outer])
            gradients = {id(one[2].gradient): one for one in outer}  # one array in several places counts once
            parameter.readers = [_reader(item, pair, attributes) for _, item, pair, attributes in gradients.values()]
            found[key] = parameter
        return cls({parameter.name: parameter for parameter in found.values()})

    def check_memory(self) -> None:
        """Raise TrainingError where a parameter cannot be written, or two are views of the same numbers."""
        arrays = [(name, one.array) for name, one in self.parameters.items() if not one.is_number]
        for name, array in arrays:
            if not array.flags.writeable:
                raise TrainingError(f"{name} is a read-only array, which cannot learn: give the net a copy of it")
        for (name, array), (other, second) in combinations(arrays, 2):
            if np.may_share_memory(array, second) and _overlap(array, second):
                raise TrainingError(
                    f"{other} and {name} are views of the same numbers, and each update would move these twice; "
                    "give one of them an array of its own, or use one array in both, transposed in forward and backward"
                )

    def __len__(self) -> int:
        return len(self.parameters)

    def arrays(self) -> dict[str, Array]:
        """The parameters themselves, to be changed in place; a plain number as an array, see `put_numbers`."""
        for parameter in self.parameters.values():
            if parameter.is_number:
                owner, pair = parameter.owners[0]
                parameter.array = np.array(attributes_of(owner)[pair.name])
        return {name: parameter.array for name, parameter in self.parameters.items()}

    def gradients(self) -> dict[str, Array]:
        """The gradient of each parameter that has one now. Raises TrainingError where one has another shape."""
        found = ((name, parameter, parameter.gradient()) for name, parameter in self.parameters.items())
        return {name: _fitting(name, one, gradient) for name, one, gradient in found if gradient is not None}

    def put_numbers(self) -> None:
        """Give parameters that are plain numbers in the net what an update has made of their arrays."""
        for parameter in self.parameters.values():
            if parameter.is_number:
                owner, pair = parameter.owners[0]
                pair.put(owner, parameter.array[()])

    def size(self) -> int:
        """How many numbers there are to learn."""
        return sum(parameter.array.size for parameter in self.parameters.values())


def _fitting(name: str, parameter: LearnedArray, gradient: Array) -> Array:
    """A gradient in the shape of its parameter: (3,) is one for (1, 3), but a number is none for three."""
    shape = parameter.array.shape
    if gradient.shape == shape:
        return gradient
    if [n for n in gradient.shape if n != 1] != [n for n in shape if n != 1]:
        owner, pair = parameter.owners[0]
        raise misfit(name, owner, parameter.array, pair.gradient, gradient)
    return gradient.reshape(shape)


def _memory_of(item: Any, pair: Pair) -> Any:
    """What is the same for two names of one array, also where one is a view of the whole other."""
    array = pair.parameter
    if not isinstance(array, np.ndarray) or not array.size:
        return id(item), pair.name
    return array.__array_interface__["data"][0], array.shape, array.strides, array.dtype.str


def _overlap(one: Array, other: Array) -> bool:
    """Whether two arrays have a number in common; no where NumPy would need long to say."""
    try:
        return np.shares_memory(one, other, max_work=10**5)  # type: ignore[arg-type] # the stub knows two numbers
    except np.exceptions.TooHardError:
        return False


def length_of(gradients: Mapping[str, Array]) -> float:
    """The length of all gradients as one vector; infinite or NaN where a number of them, or its square, is."""
    return float(sum(float(np.vdot(gradient, gradient)) for gradient in gradients.values()) ** 0.5)


def before_a_step(**roots: Any) -> Before:
    """What every object within reach of these holds now: `before_a_step(net=net)`."""
    return [(path, item, dict(attributes_of(item))) for path, item in named_objects(**roots)]


def _holds(outer: str, inner: str) -> bool:
    return inner.startswith((f"{outer}.", f"{outer}["))


def _reader(item: Any, pair: Pair, before: Mapping[str, Any]) -> Callable[[], Any]:
    """What reads a gradient where it lies: at its path, or, where it is put together, by pairing anew."""
    for place in places(item, "item"):
        if place.item is pair.gradient:
            try:
                read = eval(compile(f"lambda item: {place.path}", "<the place of a gradient>", "eval"), {})
                if read(item) is pair.gradient:
                    return partial(_read_at, read, item)
            except Exception:
                break  # a key that cannot be written
    return partial(_paired_anew, item, pair.name, before)


def _read_at(read: Callable[[Any], Any], item: Any) -> Any:
    try:
        return read(item)
    except (AttributeError, KeyError, IndexError, TypeError):
        return None


def _paired_anew(item: Any, name: str, before: Mapping[str, Any]) -> Any:
    return next((pair.gradient for pair in pairs(before, attributes_of(item)) if pair.name == name), None)
