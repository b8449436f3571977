"""A net and a batch in; the gradients out that its backward adds to what it finds: tried with copies, not guessed."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from dout.run import deep_copy, named_objects, places, quiet
from dout.trace.session.pairing import is_named_as_gradient
from dout.train.nets.net_round import NetRound
from dout.train.nets.parameters import Array, Registry, before_a_step
from dout.train.state.set_names import ANY, names_read, shared_states

_SUBSCRIPTS = re.compile(r"(\[[^\]]*\])+$")
_CLOSE = 1e-3  # of what was there before: one copy of backward is given it, the other one 0


class GradientPlace(NamedTuple):
    """Where a gradient lies: the path of the object whose backward leaves it, and the place below that."""

    owner: str
    path: str

    def reader(self) -> Callable[[Any], Any]:
        """What gives the gradient of an owner."""
        read: Callable[[Any], Any] = eval(compile(f"lambda item: {self.path}", "<the place of a gradient>", "eval"), {})
        return read


class AddedGradients:
    """The gradients to which the backward of a net adds: a loop of one's own clears these before each step."""

    def __init__(self, found: Mapping[str, list[GradientPlace]]) -> None:
        self.every = [(place, place.reader()) for several in found.values() for place in several]
        self.owners: dict[str, Any] = {}

    @classmethod
    def of(cls, net_round: NetRound, known: Registry, x: Any, t: Any) -> AddedGradients:
        """Those that copies show; none where there can be no copies. Nothing of the net changes.

        No copy runs where no gradient is there yet, or no code of the user's reads the attribute that holds one: a
        layer may show others what it is given. The layers of dout compute each gradient anew.
        """
        if not _is_read(net_round, known):
            return cls({})
        put_back = shared_states(**net_round.roots())
        try:
            with quiet():
                return cls(_tried(net_round, x, t, put_back))
        except Exception:  # the user's code: the step itself says what is wrong
            return cls({})
        finally:
            put_back()

    def look(self, net_round: NetRound) -> None:
        """Look for the objects again: a net may make layers in its first steps."""
        if self.every:
            self.owners = _objects(net_round)

    def clear(self) -> None:
        """Set them to 0."""
        for place, read in self.every:
            if place.owner in self.owners:
                _fill(self.owners[place.owner], place.path, read, 0)


def _is_read(net_round: NetRound, known: Registry) -> bool:
    """Whether some code of the net reads an attribute in which a gradient lies: else it can add to none."""
    roots = net_round.roots()
    read = names_read(item for _, item in named_objects(**roots))
    if not read:
        return False
    here = Registry.after_a_step(before_a_step(**roots)).parameters
    gradients = {id(pair.gradient) for one in (*here.values(), *known.parameters.values()) for _, pair in one.owners}
    names = set()
    for place in (place for name, root in roots.items() for place in places(root, name)):
        attribute = _SUBSCRIPTS.sub("", place.path).rpartition(".")[2]
        is_number = isinstance(place.item, float | np.floating)  # paired once a step has changed it
        if id(place.item) in gradients or (is_number and is_named_as_gradient(attribute)):
            names.add(attribute)
    return bool(names) and (ANY in read or bool(names & read))


def _tried(net_round: NetRound, x: Any, t: Any, put_back: Callable[[], None]) -> dict[str, list[GradientPlace]]:
    """The places of each parameter whose gradient is that of 0 and what was there before, added up."""
    copy, given, target = deep_copy((net_round, x, t))
    registry = _registry_after(copy, given, target)
    held = {name: found for name, found in _places_of(copy, registry).items() if found}
    if not held:
        return {}
    given, target = deep_copy((x, t))
    scores = copy.front(given, target)[1]
    marked, theirs, *again = deep_copy((copy, registry, given, target, scores))
    usual, _ = _gradients(copy, registry, held, dict.fromkeys(held, 0.0), (given, target, scores))
    put_back()
    marks = {name: float(np.abs(usual[name]).max(initial=0)) or 1.0 for name in held if name in usual}
    found, before = _gradients(marked, theirs, held, marks, again)
    return {
        name: held[name] for name in marks
        if name in found and found[name].shape == usual[name].shape == before[name].shape
        and np.allclose(found[name] - usual[name], before[name], rtol=_CLOSE, atol=0)
    }  # fmt: skip


def _registry_after(net_round: NetRound, x: Any, t: Any) -> Registry:
    """The parameters that one round shows."""
    before = before_a_step(**net_round.roots())
    net_round.run(x, t)
    return Registry.after_a_step(net_round.with_returned(before))


def _places_of(net_round: NetRound, registry: Registry) -> dict[str, list[GradientPlace]]:
    """The places of each gradient. A number may be the very object of another one: then nobody knows its place."""
    paths = {id(item): path for path, item in _objects(net_round).items()}
    found: dict[str, list[GradientPlace]] = {}
    for name, parameter in registry.parameters.items():
        found[name] = []
        for owner, pair in parameter.owners:
            here = [place.path for place in places(owner, "item") if place.item is pair.gradient]
            if isinstance(pair.gradient, np.ndarray) or len(here) == 1:
                found[name] += [GradientPlace(paths[id(owner)], path) for path in here if id(owner) in paths]
    return found


def _gradients(
    net_round: NetRound, registry: Registry, held: Mapping[str, list[GradientPlace]], marks: Mapping[str, float],
    given: Any,
) -> tuple[dict[str, Array], dict[str, Array]]:  # fmt: skip
    """What backward leaves, and what it has found: each gradient full of its mark."""
    owners = _objects(net_round)
    for name, mark in marks.items():
        for place in held[name]:
            _fill(owners[place.owner], place.path, place.reader(), mark)
    before = _copied(registry, marks)
    net_round.back(*given)
    return _copied(registry, marks), before


def _copied(registry: Registry, names: Mapping[str, float]) -> dict[str, Array]:
    found = ((name, registry.parameters[name].gradient()) for name in names)
    return {name: np.array(gradient) for name, gradient in found if gradient is not None}


def _objects(net_round: NetRound) -> dict[str, Any]:
    return {**dict(named_objects(**net_round.roots())), "returned": net_round.returned}


def _fill(owner: Any, path: str, read: Callable[[Any], Any], value: float) -> None:
    """Put one number all over a gradient, where there is one."""
    try:
        item = read(owner)
    except (AttributeError, KeyError, IndexError, TypeError):
        return
    if isinstance(item, np.ndarray):
        if item.flags.writeable:
            item[...] = value
    elif isinstance(item, float | int | np.number):
        for place in places(owner, "item"):
            if place.path == path:
                kind: Any = type(item)
                place.put(kind(value))
