"""Layers in; one net out: a chain, or a graph in which values branch and layers are used more than once.

A net is itself a layer, so a net may stand in another one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from dout.errors import TrainingError
from dout.run import arrays, attributes_of, copied, objects_in, places
from dout.train.nets.other_manners import has_both, is_of_user, may_be_layer
from dout.train.nets.parameters import Registry, before_a_step

Names = str | tuple[str, ...]


class LayerGraph:
    """A net of named values: each is what a layer makes of others.

        net = LayerGraph({
            "h": (affine, "x"),
            "a": (relu, "h"),
            "out": (add, "a", "h"),           # h branches: its two gradients add up
        })

    Names that no layer makes are the inputs, in the order in which they are first used: here `net.forward(x)`. The last
    value is the output. A layer with several outputs has a tuple of names, and its backward gets a tuple. A layer may
    stand in several places: it keeps what it needs for each, and the gradients of its parameters add up.
    """

    def __init__(self, values: Mapping[Names, tuple[Any, ...]]) -> None:
        if not values:
            raise TrainingError("a net without layers: give at least one")
        self.layers = list({id(step[0]): step[0] for step in values.values()}.values())  # each once, in forward's order
        places = {id(layer): place for place, layer in enumerate(self.layers)}
        self.steps = [(name, places[id(step[0])], step[1:]) for name, step in values.items()]
        made = [one for name, _, _ in self.steps for one in _several(name)]
        used = dict.fromkeys(source for _, _, sources in self.steps for source in sources)
        self.inputs = tuple(name for name in used if name not in made)
        known = set(self.inputs)
        self.open: list[int] = []  # places of the user's layers, as long as no run has shown how they are called
        self.returns_more = False  # whether a backward gives gradients of what its layer is not given
        for name, place, sources in self.steps:
            layer = self.layers[place]
            if isinstance(layer, type):
                raise TrainingError(f"a layer of the net is the class {layer.__name__}: make an object of it")
            if is_of_user(layer) and place not in self.open:
                self.open.append(place)
            if not has_both(layer) and not may_be_layer(layer):
                raise TrainingError(f"{name!r}: {type(layer).__name__} is no layer: it has no forward and backward")
            if missing := [source for source in sources if source not in known]:
                raise TrainingError(f"{name!r} uses {missing[0]!r} before it is made: write that layer above")
            known.update(_several(name))
        self.output = self.steps[-1][0]
        count = Counter(place for _, place, _ in self.steps)
        self.shared = [SharedLayer(layer) if count[place] > 1 else None for place, layer in enumerate(self.layers)]

    def is_open(self) -> bool:
        """Whether there are layers, here or in a net within, of which no run has shown how they are called."""
        return bool(self.open) or any(isinstance(layer, LayerGraph) and layer.is_open() for layer in self.layers)

    def settle(self, *inputs: Any) -> None:
        """Find out how the user's layers are called, by a run of copies with a few samples of these."""
        if not self.is_open() or len(inputs) != len(self.inputs):
            return
        from dout.train.nets.other_manners import as_manner, settled  # here: no code that runs in a step

        def inner(layer: Any, given: list[Any]) -> None:
            if isinstance(layer, LayerGraph):
                layer.settle(*given)

        found = settled(self.layers, self.steps, dict(zip(self.inputs, inputs, strict=True)), self.open, inner)
        for place, manner in found.manners.items():
            layer = self.layers[place] = as_manner(self.layers[place], manner)
            self.shared[place] = SharedLayer(layer) if self.shared[place] else None
        self.open = [place for place in self.open if place not in found.known]
        self.returns_more |= found.returns_more

    def forward(self, *inputs: Any) -> Any:
        """What the layers make of the inputs."""
        if self.open:
            self.settle(*inputs)
        if len(inputs) != len(self.inputs):
            names = ", ".join(self.inputs)
            raise TrainingError(f"the net takes {len(self.inputs)} inputs, {names}; {len(inputs)} were given")
        values = {name: value for name, value in zip(self.inputs, inputs, strict=True)}  # noqa: C416 - the engine reads it
        for shared in self.shared:
            if shared is not None:
                shared.begin()
        for name, place, sources in self.steps:
            out = (self.shared[place] or self.layers[place]).forward(*[values[source] for source in sources])
            values |= {one: part for one, part in _named(name, out)}  # noqa: C416
        return values[self.output] if type(self.output) is str else tuple([values[name] for name in self.output])

    def backward(self, dout: Any = 1) -> Any:
        """The gradients of the inputs, and those of all parameters in their layers."""
        gradients = {name: gradient for name, gradient in _named(self.output, dout)}  # noqa: C416
        for name, place, sources in reversed(self.steps):
            arriving = tuple(map(gradients.get, name)) if type(name) is tuple else gradients.get(name)
            if arriving is None:  # nothing comes of this value
                continue
            back = (self.shared[place] or self.layers[place]).backward(arriving)
            parts = back if type(back) in (tuple, list) else (back,)
            if len(parts) < len(sources):
                self._refuse_missing(place, sources, len(parts))
            for source, gradient in zip(sources, parts, strict=False):
                if gradient is not None:
                    gradients[source] = gradients[source] + gradient if source in gradients else gradient
        found = [gradients.get(name) for name in self.inputs]
        return found[0] if len(found) == 1 else tuple(found)

    def _refuse_missing(self, place: int, sources: tuple[str, ...], count: int) -> None:
        """Raise TrainingError where a layer has no gradient for what another layer made; a target needs none."""
        missing = [source for source in sources[count:] if source not in self.inputs]
        if missing:
            name, ending = type(self.layers[place]).__name__, "s" * (count != 1)
            raise TrainingError(
                f"{name}.backward returns {count} gradient{ending}, but forward "
                f"takes {len(sources)} inputs: the gradient of {missing[0]!r} is missing; return a tuple, with None "
                "where there is none"
            )


class Sequential(LayerGraph):
    """Layers one after the other: `Sequential(Affine(W1, b1), Relu(), Affine(W2, b2))`.

    >>> from dout.layers import ExpLayer, NegLayer
    >>> net = Sequential(NegLayer(), ExpLayer())
    >>> net.forward(0.0), net.backward(1.0)
    (np.float64(1.0), np.float64(-1.0))
    """

    def __init__(self, *layers: Any) -> None:
        super().__init__({f"{i + 1}": (layer, str(i) if i else "x") for i, layer in enumerate(layers)})

    def forward(self, x: Any) -> Any:
        """What the layers make of the input, one after the other."""
        if len(self.layers) < len(self.steps) or self.open:
            return super().forward(x)
        out = x
        for layer in self.layers:  # as people write it: the engine compiles each turn where the whole is too long
            out = layer.forward(out)
        return out

    def backward(self, dout: Any = 1) -> Any:
        """The gradient of the input, and those of all parameters in their layers."""
        if len(self.layers) < len(self.steps) or self.returns_more:
            return super().backward(dout)
        for layer in reversed(self.layers):
            dout = layer.backward(dout)
        return dout

    def __len__(self) -> int:
        return len(self.steps)

    def __getitem__(self, place: int) -> Any:
        return self.layers[self.steps[place][1]]


class SharedLayer:
    """A layer in several places of a net. A layer keeps the latest forward alone: here it keeps each.

    What a forward leaves in the layer's attributes, lists, dicts and arrays is put back before the backward that
    belongs to it, and what comes out is copied: a layer may write into arrays that it keeps.
    """

    def __init__(self, layer: Any) -> None:
        self.layer = layer
        self.held: list[tuple[list[tuple[Any, Any]], list[tuple[Any, Any]]]] = []
        self.written: dict[int, tuple[Any, Any, Any]] = {}  # arrays put back: what they were given, and had before
        self.total: dict[str, Any] = {}

    def begin(self) -> None:
        """A new forward of the whole net begins."""
        self.held.clear()
        self.total.clear()
        self.written.clear()
        self.before = before_a_step(layer=self.layer)

    def forward(self, *inputs: Any) -> Any:
        """What the layer makes of them in this place."""
        out = self.layer.forward(*inputs)
        copies = [(array, array.copy()) for array in arrays(self.layer).values()]
        self.held.append((_held_by(self.layer), copies))
        return copied(out)

    def backward(self, dout: Any) -> Any:
        """The gradients of this place's inputs; the layer then has the sum of its parameters' gradients so far."""
        held, copies = self.held.pop()
        for holder, items in held:
            _put(holder, items)
        for array, copy in copies:
            if array.flags.writeable and not np.array_equal(array, copy):
                *_, latest = self.written.get(id(array), (array, copy, array.copy()))
                self.written[id(array)] = array, copy, latest
                array[...] = copy
        back = self.layer.backward(dout)
        if not self.held:
            self._put_latest()
        registry = Registry.after_a_step(self.before)
        for name, parameter in registry.parameters.items():
            gradient = parameter.gradient()
            if gradient is not None:
                self.total[name] = self.total[name] + gradient if name in self.total else gradient.copy()
                parameter.put_gradient(self.total[name])
        return copied(back)

    def _put_latest(self) -> None:
        """Give arrays that backward does not touch, as a moving mean, what the latest forward has made of them."""
        for array, copy, latest in self.written.values():
            if np.array_equal(array, copy):
                array[...] = latest
        self.written.clear()


def _named(name: Names, item: Any) -> list[tuple[str, Any]]:
    """The parts of a value with several names, or the value with its only name."""
    return [(name, item)] if isinstance(name, str) else [(one, part) for one, part in zip(name, item, strict=True)]


def _several(name: Names) -> tuple[str, ...]:
    return name if isinstance(name, tuple) else (name,)


def _held_by(layer: Any) -> list[tuple[Any, Any]]:
    """What the attributes, lists and dicts of a layer and its parts hold now; arrays are not copied."""
    holders = [attributes_of(item) for item in objects_in(layer)]
    holders += [place.item for place in places(layer) if type(place.item) in (list, dict)]
    return [(holder, list(holder) if isinstance(holder, list) else dict(holder)) for holder in holders]


def _put(holder: Any, items: Any) -> None:
    if isinstance(holder, list):
        holder[:] = items
    else:
        holder.clear()
        holder.update(items)
