"""Which places a layer reads and writes where its forward takes no arguments, found by running it.

An input is what forward reads and the layer did not make itself: a value of a layer before it, an attribute that is
still None. The output is what forward writes; the upstream gradient is the place whose numbers change what backward
leaves; the gradients are what it leaves in the shapes of the inputs.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np

from dout.adapt.argument_names import names_label, names_loss, names_upstream, stands_for, taken_by
from dout.adapt.interface.adapted_layer import layer_class, set_up
from dout.adapt.interface.held_values import argument_name, places_of, put_at
from dout.adapt.interface.interface import DOUT, RATE_ROLE, Interface
from dout.adapt.interface.interface_candidates import setting_role
from dout.adapt.interface.learned_gradients import is_float_array
from dout.adapt.interface.method_pairs import pairs_of, reads_and_writes, required
from dout.adapt.sizes.axis_sizes import OF_AXES, AxisSizes
from dout.adapt.sizes.proposed_arrays import array_of, between, one_hot
from dout.adapt.source.attribute_reads import attributes_given
from dout.adapt.trial.gradient_owners import is_finite
from dout.adapt.trial.setups import Preparations
from dout.run import attributes_of, deep_copy, flat, objects_in, quiet, run_backward, seed_global
from dout.trace.session.pairing import is_named_as_gradient, stem

_MOST_SETUPS, _MOST_SHAPES, _MOST_PLACES = 8, 24, 8
_PRODUCT = ((3, 5), (5, 4), (4,))  # shapes of what is multiplied and added
_VALUES = re.compile(r"(^|\.)(output|out|value|data|result)$")
Inputs = Mapping[str, Any]  # by place
Shapes = Mapping[str, tuple[int, ...]]  # by place


@dataclass(frozen=True)
class _Left:
    """The float arrays that backward leaves new or changed, by place, and those that it returns."""

    held: Inputs
    returned: tuple[Any, ...]

    def differs(self, other: _Left, but: str | None) -> bool:
        """Whether other numbers are left somewhere, `but` in one place."""
        mine = [*self.returned, *(x for place, x in self.held.items() if place in other.held and place != but)]
        theirs = [*other.returned, *(x for place, x in other.held.items() if place in self.held and place != but)]
        return not all(map(np.array_equal, mine, theirs))


class AttributeInputs:
    """A class whose forward takes nothing, built with constructor arguments."""

    def __init__(self, cls: type, init: Mapping[str, Any]) -> None:
        self.cls, self.init, self.preparations = cls, init, Preparations(cls)
        self.error: Exception | None = None  # what forward raised last

    def found(self) -> tuple[Interface, dict[str, Any]] | None:
        """The interface in which it runs, with the values of its inputs by the names of arguments; None where none."""
        for forward, backward in pairs_of(self.cls):
            for roles in self._roles(backward):
                if (known := self._in(Interface(forward, backward, roles))) is not None:
                    return known
        return None

    def _roles(self, backward: str) -> Iterator[tuple[str, ...]]:
        """What the arguments of backward are for: settings; or the first that is not called so is what arrives."""
        names = required(getattr(self.cls, backward), bound=True)
        roles = [DOUT if names_upstream(name) else setting_role(name, "") for name in names]
        yield tuple(role or RATE_ROLE for role in roles)
        if DOUT not in roles and "" in roles:
            roles[roles.index("")] = DOUT
            yield tuple(role or RATE_ROLE for role in roles)

    def _in(self, interface: Interface) -> tuple[Interface, dict[str, Any]] | None:
        failures: list[str] = []
        for setup in islice(self.preparations.of(interface, self._make, {}, failures), _MOST_SETUPS):
            try:
                with quiet():
                    known = self._run(setup)
            except MemoryError:
                raise
            except Exception as error:
                self.error = error
                failures.append(str(error))
                continue
            if known is not None:
                return known
        return None

    def _make(self, cls: Any) -> Any:
        seed_global(0)
        return cls(**deep_copy(dict(self.init)))

    def _prepared(self, interface: Interface, values: Inputs) -> Any:
        """A layer with copies of these values in their places."""
        layer = self._make(self.cls)
        set_up(layer, interface)
        for place, value in values.items():
            put_at(layer, place, value.copy())
        return layer

    # --- forward ------------------------------------------------------------------------------------------------------

    def _run(self, interface: Interface) -> tuple[Interface, dict[str, Any]] | None:
        for shapes in [*self._shapes(interface)] or [{}]:
            for made in (array_of, between):
                values = {p: one_hot(s) if _is_label(p) and len(s) > 1 else made(s, p) for p, s in shapes.items()}
                try:
                    out, read = self._read(interface, values)
                except Exception as error:
                    self.error = error
                    continue
                known = replace(interface, given=tuple(read), out=out)
                found = self._with_backward(known, {place: values[place] for place in read}) if read else None
                if found is not None:
                    return found, {argument_name(place): values[place] for place in read}
        return None

    def _shapes(self, interface: Interface) -> Iterator[Shapes]:
        """The places that may be inputs, each with a shape: what other objects hold, and attributes that are None."""
        given = deep_copy(dict(self.init))
        foreign = {id(item) for item in objects_in(list(given.values()))}
        named = {id(item): name for name, item in given.items()}
        seed_global(0)
        layer = self.cls(**given)
        set_up(layer, interface)
        held = places_of(layer)
        reads, writes = reads_and_writes(self.cls, interface.forward)
        order = [*attributes_of(layer), *sorted(reads)]
        read = sorted(reads - writes, key=order.index)
        empty = [n for n in read if held.get(n) is None and not hasattr(self.cls, n)]
        owners = {place: _owner(place, held) for place in held}
        theirs = {p: owner for p, owner in owners.items() if id(owner) in foreign and owner is not layer}
        known = {p: np.shape(held[p]) for p in theirs if is_float_array(held[p])}
        if theirs:  # nobody gave these to the constructor: they are settings, `axis=None`
            empty = [name for name in empty if name not in {p.name for p in taken_by(self.cls)}]
        if not known:  # a number may be an array as well
            empty += [p for p in theirs if held[p] is None or _is_one_number(held[p])]
        if not empty:
            yield known
            return
        own = [n for p, x in held.items() if p not in known and is_float_array(x) for n in np.shape(x)]
        kinds = {p: stands_for(named.get(id(owners.get(p)), "")) if i else "" for i, p in enumerate(empty)}
        if len(set(kinds.values())) > 1:
            for axes in (axes for number in (2, 4, 3) for axes in OF_AXES[number]):
                if all(kind in axes for kind in kinds.values()):
                    yield {p: AxisSizes({}, 0).of(axes[kind]) for p, kind in kinds.items()}
        theirs_in_order = list(dict.fromkeys(id(owners.get(p)) for p in empty))
        if len(theirs_in_order) in (2, 3):
            yield {p: _PRODUCT[theirs_in_order.index(id(owners.get(p)))] for p in empty}
        for shape in islice(AxisSizes(self.init, 0, own).likely(), _MOST_SHAPES):
            yield known | dict.fromkeys(empty, shape)

    def _read(self, interface: Interface, values: Inputs) -> tuple[str | None, list[str]]:
        """The place in which forward leaves its output, None where it returns that, and the inputs that it reads."""
        out, output = self._output(interface, values)
        others = {p: {**values, p: np.roll(x, 1) * 0.75} for p, x in values.items()}
        return out, [p for p, other in others.items() if not np.array_equal(self._output(interface, other)[1], output)]

    def _output(self, interface: Interface, values: Inputs) -> tuple[str | None, Any]:
        layer = self._prepared(interface, values)
        before = {place: (item, np.array(item)) for place, item in places_of(layer).items() if is_float_array(item)}
        result = getattr(layer, interface.forward)()
        if is_float_array(result) or isinstance(result, float):
            return None, result
        changed = {
            place: item for place, item in places_of(layer).items()
            if (is_float_array(item) or isinstance(item, float) or _is_one_number(item)) and place not in values
            and (place not in before or before[place][0] is not item or not np.array_equal(before[place][1], item))
        }  # fmt: skip
        single = [p for p, x in changed.items() if np.size(x) == 1] if names_loss(self.cls.__qualname__) else []
        place = next(iter((*single, *filter(_VALUES.search, changed), *changed)))
        if not is_finite(changed[place]):
            raise ValueError("the output is not finite")
        return place, changed[place]

    # --- backward -----------------------------------------------------------------------------------------------------

    def _with_backward(self, interface: Interface, inputs: Inputs) -> Interface | None:
        """The interface with the places of the upstream gradient and of the inputs' gradients; None without these."""
        _, output = self._output(interface, inputs)
        for upstream in self._open(interface, inputs, np.shape(output)):
            known = replace(interface, upstream=upstream)
            one, two = (self._left(known, inputs, output, scale) for scale in (1.0, 2.0))
            if one is None or two is None or (upstream is not None and not one.differs(two, upstream)):
                continue
            if upstream is None and DOUT not in interface.roles and np.size(output) > 1:
                continue  # what has several outputs is no loss
            shapes = [np.shape(x) for x in inputs.values()]
            if one.returned and [np.shape(gradient) for gradient in one.returned[: len(shapes)]] == shapes:
                return known
            follows = {p: x for p, x in one.held.items() if not np.array_equal(x, two.held.get(p, ()))}
            left = follows if upstream is not None or DOUT in interface.roles else one.held
            found = _gradient_places(inputs, left, upstream)
            if any(found):
                return replace(known, found=tuple(found))
        return None

    def _open(self, interface: Interface, inputs: Inputs, shape: tuple[int, ...]) -> list[str | None]:
        """The places from which backward may read the upstream gradient; None where it is an argument, or none.

        After forward nothing stands there yet: nothing at all, a number 0, or zeros in the shape of the output.
        """
        if DOUT in interface.roles:
            return [None]
        layer = self._prepared(interface, inputs)
        getattr(layer, interface.forward)()
        held = places_of(layer)
        reads, _ = reads_and_writes(self.cls, interface.backward)
        known = {*interface.given, interface.out}
        owner = (interface.out or "").rpartition(".")[0]
        beside = [place for place in held if owner and place.rpartition(".")[0] == owner]
        own = [name for name in sorted(reads) if not hasattr(self.cls, name)]
        unset = [p for p in (*beside, *own) if p not in known and _is_unset(held.get(p), shape)]
        empty = [f"{name}[]" for name in own if isinstance(held.get(name), list) and not held[name]]
        alike = [p for p, x in held.items() if p not in known and is_float_array(x) and _is_unset(x, shape)]
        places = [*unset, *empty, *alike]
        places.sort(key=lambda place: not is_named_as_gradient(place.rpartition(".")[2]))
        return [*dict.fromkeys(places[:_MOST_PLACES]), None]

    def _left(self, interface: Interface, inputs: Inputs, output: Any, scale: float) -> _Left | None:
        """What backward leaves for an upstream gradient of this scale; None where it raises."""
        cls = layer_class(self.cls, interface, [argument_name(place) for place in interface.given])
        dout = np.cos(np.arange(1.0, np.size(output) + 1)).reshape(np.shape(output))[()] * scale
        try:
            layer = self._make(cls)
            layer.forward(*(x.copy() for x in inputs.values()))
            for place, number in _numbers_beside(
                layer, inputs, attributes_given(getattr(self.cls, interface.backward))
            ):
                put_at(layer, place, number)
            before = {place: np.array(item) for place, item in places_of(layer).items() if is_float_array(item)}
            result = run_backward(layer, (dout,))
        except MemoryError:
            raise
        except Exception:
            return None
        now = {p: x for p, x in places_of(layer).items() if is_float_array(x) and p not in inputs}
        held = {p: x for p, x in now.items() if p not in before or not np.array_equal(before[p], x)}
        return _Left(held, tuple(filter(is_float_array, flat(result))))


def _numbers_beside(layer: Any, inputs: Inputs, written: Collection[str]) -> Iterator[tuple[str, Any]]:
    """The places beside inputs where a number stands, with zeros in the input's shape: gradients may be added there.

    So where nothing stands yet, and backward writes what is called so.
    """
    shapes = {place.rpartition(".")[0]: np.shape(x) for place, x in inputs.items() if "." in place}
    for place, item in places_of(layer).items():
        owner, _, name = place.rpartition(".")
        if owner in shapes and (_is_one_number(item) or (item is None and name in written)):
            yield place, np.zeros(shapes[owner])


def _is_one_number(item: Any) -> bool:
    """Whether something is an array without axes."""
    return isinstance(item, np.ndarray) and not item.ndim


def _is_label(place: str) -> bool:
    return any(map(names_label, re.findall(r"\w+", place)))


def _owner(place: str, held: Inputs) -> Any:
    """The object that holds what stands at a place; None of what the layer holds itself."""
    return held.get(place.rpartition(".")[0])


def _is_unset(item: Any, shape: tuple[int, ...]) -> bool:
    """Whether nothing has been put there yet."""
    if item is None or type(item) in (int, float):
        return not item
    return isinstance(item, np.ndarray) and item.shape in ((), shape) and not np.any(item)


def _gradient_places(inputs: Inputs, left: Inputs, upstream: str | None) -> list[str]:
    """Where the inputs' gradients stand among what backward has left: beside them, under their owners, or on the layer.

    Each place is that of one input; of several the one that is called after it, then what is called as a gradient.
    """
    taken: set[str] = set()
    found = []
    for place, x in inputs.items():
        owner = place.rpartition(".")[0]
        fitting = [p for p in left if np.shape(left[p]) == np.shape(x) and p not in {upstream, place, *taken}]
        beside = [p for p in fitting if owner and (p.rpartition(".")[0] == owner or p.endswith(f"[{owner}]"))]
        own = [p for p in fitting if "." not in p and "[" not in p]
        own.sort(key=lambda p: (stem(p) != stem(place), not is_named_as_gradient(p)))
        found.append(next(iter((*beside, *own)), ""))
        taken.add(found[-1])
    return found
