"""One trial: a layer runs in an interface on an example, and what comes out says how well the two fit it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from functools import partial
from itertools import islice
from typing import Any

import numpy as np

from dout.adapt.argument_names import names_label, names_output, names_plain_upstream
from dout.adapt.array_makers import Maker
from dout.adapt.interface.adapted_layer import layer_class
from dout.adapt.interface.array_holders import holders_for
from dout.adapt.interface.interface import (
    BUFFER,
    DOUT,
    OUTPUT,
    RATE_ROLE,
    Interface,
)
from dout.adapt.interface.interface_candidates import candidates, given_again, unproven_candidates
from dout.adapt.interface.learned_gradients import (
    arrays_in,
    collaborators_of,
    is_float_array,
    owned_by,
    parameters_of,
    without_pairs,
)
from dout.adapt.interface.method_pairs import optional, required, required_by
from dout.adapt.interface.network_loss import loss_of
from dout.adapt.interface.users_backward import is_certain, is_told
from dout.adapt.sizes.proposed_arrays import stands_for_array
from dout.adapt.source.attribute_reads import attributes_given
from dout.adapt.trial.backward_behaviour import IGNORED, LINEAR, RIGHT, Runs, is_twice
from dout.adapt.trial.gradient_owners import differs, in_a_list, is_finite, of_a_list, of_items, owners_of
from dout.adapt.trial.own_updates import asked_by_backward, has_stepped, own_floats, own_rate
from dout.adapt.trial.places_left import (
    gradients_left,
    has_gradients,
    inlet_of,
    other_readings,
    output_left,
    outputs_meant,
    reads_nothing,
    shapes_meant,
    with_several_uses,
)
from dout.adapt.trial.setups import Make, Preparations
from dout.clock import count
from dout.run import (
    REFUSALS,
    arrays,
    as_exception,
    attributes_of,
    copied,
    flat,
    keeping_random_states,
    otherwise,
    quiet,
)  # fmt: skip
from dout.trace.session.pairing import GRADIENTS

_A_NUMBER = 50e-9  # seconds for a number that the layer holds, which is drawn first
MOST_INTERFACES, MOST_ASSUMED = 16, 48  # tried on one example; where the loss is one of those that everybody takes


class Fit(IntEnum):
    """How well an example and an interface fit a layer, from worst to best."""

    NOTHING = 0  # forward does not run
    RUNS = 1  # forward runs
    FORWARD = 2  # and gives finite numbers
    SHAPES = 3  # and backward runs, but a gradient has another shape than what it is for
    INPUTS = 4  # and each input has a gradient of its shape
    ALL = 5  # and each parameter, too


@dataclass(frozen=True)
class Tried:
    """What a trial found out: how it fits, in which interface, and the last error of the user's code."""

    fit: Fit
    interface: Interface | None = None
    error: Exception | None = None
    ends: bool = False  # whether the output is a number, as that of a loss
    returned: Mapping[str, tuple[int, ...]] = field(default_factory=dict)  # of gradients that fit no input or parameter
    misfits: bool = False  # whether a returned gradient has another shape than the parameter that it was taken for


class Trials:
    """Runs a class in the interfaces that its names allow; a failing forward is not tried with every backward."""

    def __init__(self, cls: type, only: Interface | None = None) -> None:
        self.cls = cls
        joined = loss_of(cls)
        self.assumes = joined is not None and joined.assumed
        most = MOST_ASSUMED if self.assumes else MOST_INTERFACES
        self.interfaces = [only] if only is not None else list(islice(candidates(cls), most))
        if joined is not None and joined.is_given_back:  # what backward takes is that input, whatever fits beside it
            ends = [i for i in self.interfaces if i.forward != joined.forward and not {DOUT, OUTPUT} & {*i.roles}]
            self.interfaces = ends or self.interfaces
        self.fixed = only is not None
        self.unproven = not self.interfaces  # whether names say that backward takes the target, and a run must tell
        if self.unproven:
            self.interfaces = list(islice(unproven_candidates(cls), MOST_INTERFACES))
        self.takes_target = False  # whether a run has shown that backward takes the target
        self.unconfirmed: tuple[Callable[[], Any], tuple[Any, ...]] | None = None  # a network that runs, and its inputs
        self.classes: dict[Any, type] = {}
        self.preparations = Preparations(cls)
        self.every: list[str] = []  # the inputs that are given, with dicts of arrays: these are the layer's parameters
        self.held: dict[str, Any] = {}

    def run(self, make: Make, inputs: Mapping[str, Any]) -> Tried:
        """The interface in which the class runs best on inputs, which are given by name."""
        self.every = list(inputs)
        self.held = {n: x for n, x in inputs.items() if isinstance(x, dict) and any(True for _ in arrays_in(n, x))}
        with quiet():
            return self._run(make, {n: x for n, x in inputs.items() if n not in self.held})

    def _run(self, make: Make, inputs: Mapping[str, Any]) -> Tried:
        best, best_rank = Tried(Fit.NOTHING), (Fit.NOTHING, 0, 0)
        failed: set[str] = set()
        told = ""
        for interface in self.interfaces:
            if interface.forward in failed or told not in ("", interface.backward):
                continue
            tried = self._one(interface, make, inputs)
            if tried.fit == Fit.FORWARD and tried.error is not None and not self.fixed:
                tried = self._given_again(tried, make, inputs)
            if tried.fit == Fit.NOTHING:
                failed.update(one.forward for one in self.interfaces if self.assumes or one is interface)
            if self.unproven and not self._takes_upstream(tried, make, inputs):
                continue
            if self._takes_a_residual(tried, make, inputs):
                self.takes_target = True
                continue
            if tried.fit >= Fit.INPUTS and (interface.ends or interface.local or tried.ends):
                tried = self._for_other_inputs(tried, make, inputs)
            if tried.fit >= Fit.INPUTS and tried.interface is not None and not self.fixed:
                tried = self._read_otherwise(tried, tried.interface, make, inputs)
            if len(self.interfaces) == 1:
                return tried
            rank = (tried.fit, *self._manner(tried, make, inputs))
            if self.assumes and not rank[1]:  # a loss that no code computes, and backward is not right for it
                if tried.fit >= Fit.INPUTS and tried.interface is not None and self.unconfirmed is None:
                    cls, given = self._class(tried.interface, list(inputs)), tuple(map(copied, inputs.values()))
                    self.unconfirmed = partial(make, cls), given
                continue
            if best.interface is None or rank > best_rank:
                best, best_rank = replace(tried, error=tried.error or best.error), rank
            if tried.fit == Fit.ALL and (rank[1] == RIGHT or (rank[2] == LINEAR and is_certain(interface))):
                break
            if tried.fit == Fit.ALL and rank[2] == LINEAR and is_told(self.cls, interface):
                told = interface.backward
        return best

    # --- one interface ------------------------------------------------------------------------------------------------

    def _one(self, interface: Interface, make: Make, inputs: Mapping[str, Any]) -> Tried:
        best = Tried(Fit.NOTHING)
        failures: list[str] = []
        setups = [interface] if self.fixed else self.preparations.of(interface, make, inputs, failures)
        for setup in setups:
            tried = self._try(setup, make, inputs)
            if tried.fit > best.fit:
                best = tried
            elif best.interface is None:
                best = replace(best, error=best.error or tried.error)
            if best.fit >= Fit.INPUTS or (
                best.fit > Fit.NOTHING and not isinstance(best.error, AttributeError | TypeError | KeyError)
            ):
                break
            failures.append(str(tried.error))
        return best

    def outputs(self, interface: Interface, make: Make, inputs: Mapping[str, Any]) -> list[Any]:
        """What forward gives in an interface, flat."""
        return Runs(self._class(interface, list(inputs)), make, inputs, interface).forward(list(inputs.values()))[1]

    def _class(self, interface: Interface, names: Sequence[str]) -> type:
        if self.held:
            return layer_class(self.cls, interface, self.every, self.held)
        key = (repr(interface), tuple(names))
        if key not in self.classes:
            self.classes[key] = layer_class(self.cls, interface, names)
        return self.classes[key]

    def _try(self, interface: Interface, make: Make, inputs: Mapping[str, Any]) -> Tried:
        names, given = list(inputs), [copied(x) for x in inputs.values()]
        try:
            layer = make(self._class(interface, names))
            count(_A_NUMBER * sum(x.size for x in (*arrays(layer).values(), *arrays(given).values())))
            held = set(attributes_of(layer))
            output = layer.forward(*given)
            if output is None or output is layer:
                interface = replace(interface, out=output_left(layer, held, names))
                layer = make(self._class(interface, names))
                output = layer.forward(*map(copied, inputs.values()))
            outputs = list(flat(output))
        except MemoryError:
            raise
        except REFUSALS as error:
            tried = Tried(Fit.NOTHING, None, refused := as_exception(error))
            ways = [self._in_holders(interface, cls, make, inputs) for cls in holders_for(self.cls, interface, refused)]
            return max((tried, *ways), key=lambda t: t.fit)
        node = next(filter(stands_for_array, outputs), None)
        if node is not None:  # of the user's own graph
            return self._in_holders(interface, type(node), make, inputs)
        is_good = outputs and all(np.size(out) and is_finite(out) for out in outputs)
        if not is_good or reads_nothing(self.cls, layer, interface.forward):
            return Tried(Fit.RUNS if output is not None else Fit.NOTHING, interface)
        taken = interface.roles.count(DOUT)
        if taken > len(outputs) and (other := with_several_uses(self.cls, interface, len(outputs))) is not None:
            return self._try(other, make, inputs)
        meant = outputs_meant(self.cls, interface, len(outputs)) if 0 < taken <= len(outputs) > 1 else None
        if interface.outputs is None and meant and (1 < taken < len(outputs) or meant != (*range(taken),)):
            return self._try(replace(interface, outputs=meant), make, inputs)
        try:
            inlet = inlet_of(layer, outputs, inputs) if interface.out and not interface.upstream else None
            if inlet:
                roles = self._with_buffer(interface, inlet, inputs)
                through = self._try(replace(interface, upstream=inlet, roles=roles), make, inputs)
                if through.fit >= Fit.INPUTS:
                    return through
            tried = self._backward(interface, make, inputs, layer, outputs)
        except MemoryError:
            raise
        except REFUSALS as error:
            tried = Tried(Fit.FORWARD, interface, as_exception(error))
            axes = {np.ndim(x) for x in flat([*inputs.values(), *outputs])}
            if axes == {1} or (axes == {2} and isinstance(error, IndexError | ValueError)):
                tried = self._as_rows(tried, interface, make, inputs)
        turned = {np.shape(x)[::-1] for x in flat(list(inputs.values()))}
        if any(shape[1:2] == (1,) and shape[::2] in turned for shape in tried.returned.values()):
            tried = self._as_rows(tried, interface, make, inputs)
        if tried.fit < Fit.INPUTS and interface.outputs is None and 0 < taken < len(outputs):
            last = [(len(outputs) - 1,)] if taken == 1 else []  # a network may return what each of its layers gives
            ways = [self._try(replace(interface, outputs=some), make, inputs) for some in (meant, *last)]
            fewer = max(ways, key=lambda way: way.fit)
            return fewer if fewer.fit > tried.fit and self._adds_nothing(fewer, make, inputs) else tried
        return tried

    def _as_rows(self, tried: Tried, interface: Interface, make: Make, inputs: Mapping[str, Any]) -> Tried:
        """With a row for each line, or for each column, where that fits better than `tried`."""
        if interface.row:
            return tried
        row = self._try(replace(interface, row=True), make, inputs)
        return row if row.fit > tried.fit else tried

    def _in_holders(self, interface: Interface, holder: type | Maker, make: Make, inputs: Mapping[str, Any]) -> Tried:
        """With inputs and upstream gradients in objects of this class, or with upstream gradients as they are."""
        if interface.holder is not None:
            return Tried(Fit.NOTHING)
        ways = [replace(interface, holder=holder, bare=bare) for bare in (False, True)]
        for slot in attributes_given(getattr(self.cls, interface.backward))[:1]:
            asked = required(getattr(self.cls, interface.backward), bound=True)
            roles = tuple(name if name in inputs else OUTPUT for name in asked)
            ways.insert(0, replace(ways[1], slot=slot, local=False, roles=roles))
        return max((self._try(way, make, inputs) for way in ways), key=lambda tried: tried.fit)

    @otherwise(True)
    def _adds_nothing(self, tried: Tried, make: Make, inputs: Mapping[str, Any]) -> bool:
        """Whether gradients are 0 where the upstream gradient is: else it is that of the other outputs as well."""
        if tried.interface is None:
            return True
        run = Runs(self._class(tried.interface, list(inputs)), make, inputs, tried.interface)
        return not any(map(np.any, run.gradients(0.0)))

    def _with_buffer(self, interface: Interface, inlet: str, inputs: Mapping[str, Any]) -> tuple[str, ...]:
        """The roles where backward has an argument called as that place, maybe optional: the zeros are given there."""
        names = optional(getattr(self.cls, interface.backward))
        before = required(getattr(self.cls, interface.backward), bound=True)
        if inlet in names and set(before) <= set(inputs):
            return (*before, BUFFER)
        return tuple(BUFFER if role == DOUT else role for role in interface.roles)

    def _backward(self, interface: Interface, make: Make, inputs: Mapping[str, Any], layer: Any, outputs: Any) -> Tried:
        names = list(inputs)
        seen = {name: id(item) for name, item in attributes_of(layer).items()}
        before = own_floats(layer)
        number = max(1, interface.roles.count(DOUT))
        douts = [np.full(np.shape(out), 0.75)[()] for out in outputs]
        given = douts if number == len(outputs) or number > 1 else [tuple(douts)] if len(douts) > 1 else douts
        result = layer.backward(*given)
        network = loss_of(self.cls)
        if any(map(stands_for_array, flat(result))):
            return Tried(Fit.FORWARD, interface)  # of the user's own graph
        if any(np.size(g) == 0 for g in flat(result) if is_float_array(g) or isinstance(g, np.ndarray)):
            return Tried(Fit.FORWARD, interface)  # places that it found, say: no gradient
        if BUFFER in interface.roles and not np.any(result):
            return Tried(Fit.FORWARD, interface)  # it reads the gradient elsewhere
        if result is None or isinstance(result, bool) or (isinstance(result, tuple) and not result):
            found = gradients_left(self.cls, interface, layer, seen, inputs, given)
            if not found and interface.out is None and not arrays(layer):
                return Tried(Fit.FORWARD, interface)
            interface = replace(interface, found=found)
            result = tuple(getattr(layer, name) if name else None for name in found)
        elif not interface.local and in_a_list(result, inputs):
            interface, result = replace(interface, stacked=True), np.stack(result)
        elif not interface.local and of_a_list(result, inputs):
            interface, result = replace(interface, parted=True), list(result)
        elif not interface.order and not interface.local:
            target = network.target if network is not None else ""  # it needs no gradient
            gives_back = network is not None and network.is_given_back
            own = {name: x for name, x in inputs.items() if gives_back or name != target}
            order = of_items(interface, result, names) or owners_of(self.cls, interface, result, own, layer)
            if gives_back and not isinstance(result, dict):
                order = tuple("" if name == target else name for name in order or names)
            has_pairs = interface.is_plain and without_pairs(layer, result) is not result  # it is to be adapted
            interface = replace(interface, order=order or tuple(names) if has_pairs else order)
        recorders = collaborators_of(layer)
        handed = any(item.updates for item in recorders)
        handed |= bool((recorders or interface.overheard) and attributes_of(layer).get(GRADIENTS))
        stepped = has_stepped(layer, before)
        is_asked = stepped and not (handed or interface.overheard)
        asked = asked_by_backward(self.cls, interface, layer) if is_asked else ()
        if asked:
            heard = self._try(replace(interface, overheard=asked), make, inputs)
            if heard.interface is not None and heard.interface.hands_over:
                return heard
        rate = own_rate(interface, layer, network is not None) if stepped else None
        stepping = replace(interface, rate=rate, hands_over=handed)
        along = self._steps_along(stepping, make, inputs)
        interface = stepping if along else replace(stepping, rate=None, along=RATE_ROLE not in stepping.roles)
        owned = owned_by(interface.order or names, result)
        wrong = {name: np.shape(g) for name, g in owned.items() if name in inputs and differs(inputs[name], g)}
        if wrong:
            return Tried(Fit.SHAPES, interface, returned=wrong)
        if not has_gradients(layer, owned, inputs):
            return Tried(Fit.FORWARD, interface)
        parameters = dict(parameters_of(layer))
        misfits = any(differs(parameters.get(name), gradient) for name, gradient in owned.items() if name not in inputs)
        ends = len(outputs) == 1 and np.ndim(outputs[0]) == 0
        meant = shapes_meant(layer)
        return Tried(Fit.INPUTS if meant else Fit.ALL, interface, ends=ends, misfits=misfits, returned=meant)

    def _steps_along(self, interface: Interface, make: Make, inputs: Mapping[str, Any]) -> bool:
        """Whether a step that backward makes by itself depends on the size of dout, as that of Adam does not."""
        if not interface.steps or interface.ends:
            return True
        run = Runs(self._class(interface, list(inputs)), make, inputs, interface)
        layers = (run.after_backward(scale)[0] for scale in (2.0**-10, -(2.0**-11)))
        small, back = (attributes_of(layer).get(GRADIENTS, {}) for layer in layers)
        return not any(np.any(step) and np.allclose(step, -back[name], rtol=0.1) for name, step in small.items())

    # --- how a backward behaves ---------------------------------------------------------------------------------------

    @keeping_random_states()
    def _manner(self, tried: Tried, make: Make, inputs: Mapping[str, Any]) -> tuple[int, int]:
        """How right backward is, and how it treats the upstream gradient."""
        if tried.interface is None or (tried.fit < Fit.INPUTS and not self.assumes):
            return 0, 0
        try:
            run = Runs(self._class(tried.interface, list(inputs)), make, inputs, tried.interface)
            one, two = run.gradients(1.0), run.gradients(2.0)
            linear = all(is_twice(b, a) for a, b in zip(one, two, strict=True))
            ignored = all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))
            right = run.rightness(one) or (run.rightness_of_parameters() if self.assumes else 0)
            return right, IGNORED if ignored else LINEAR if linear else 0
        except MemoryError:
            raise
        except REFUSALS:
            return 0, 0

    @otherwise(False)
    def _takes_upstream(self, tried: Tried, make: Make, inputs: Mapping[str, Any]) -> bool:
        """Whether all that backward gives and keeps is linear in what it is given, as no residual of a target is."""
        if tried.interface is None or tried.fit < Fit.INPUTS:
            return False
        return Runs(self._class(tried.interface, list(inputs)), make, inputs, tried.interface).is_linear()

    @otherwise(False)
    def _takes_a_residual(self, tried: Tried, make: Make, inputs: Mapping[str, Any]) -> bool:
        """Whether what would be the upstream gradient is one side of a difference: `backward(wanted, out)`."""
        interface = tried.interface
        if interface is None or tried.fit < Fit.INPUTS or interface.local or self.fixed or self.unproven:
            return False
        asked = required_by(self.cls, interface.backward)
        arriving = [name for name, role in zip(asked, interface.roles, strict=False) if role == DOUT]
        if len(interface.roles) < 2 or len(arriving) != 1 or names_plain_upstream(arriving[0]):
            return False
        return Runs(self._class(interface, list(inputs)), make, inputs, interface).takes_a_side()

    def _for_other_inputs(self, tried: Tried, make: Make, inputs: Mapping[str, Any]) -> Tried:
        """The same, with the one returned gradient for the input that it is right for, where several are alike.

        That is one that is called a prediction, or by whose name no label is meant, unless the gradient is just right
        for another input: one that has the other sign than that of the first is a wrong one of the first.
        """
        interface = tried.interface
        floats = [name for name, x in inputs.items() if is_float_array(x)]
        if interface is None or interface.order or interface.found or interface.local or len(floats) < 2:
            return tried
        if hasattr(self.cls, "dout_interface"):  # it is adapted
            return tried
        number = len(Runs(self._class(interface, list(inputs)), make, inputs, interface).gradients(1.0))
        if len({np.shape(inputs[name]) for name in floats}) > 1 or number != 1:
            return tried
        predicted = [name for name in floats if names_output(name)]
        meant = predicted or [name for name in floats if not names_label(name)] or floats
        for name in dict.fromkeys((*meant, *floats)):
            other = replace(interface, order=(name,))
            run = Runs(self._class(other, list(inputs)), make, inputs, other)
            (gradient,) = run.gradients(1.0)
            if run.rightness([gradient]):
                return replace(tried, interface=interface if name == floats[0] else other)
            if run.rightness([-gradient]):
                break
        return tried if meant[0] == floats[0] else replace(tried, interface=replace(interface, order=(meant[0],)))

    def _given_again(self, tried: Tried, make: Make, inputs: Mapping[str, Any]) -> Tried:
        """The same with forward's `*args` for those of a backward that raises without them, if it is right so."""
        again = given_again(self.cls, tried.interface) if tried.interface is not None else None
        other = self._try(replace(again, order=()), make, inputs) if again is not None else tried
        return other if other.fit >= Fit.INPUTS and self._manner(other, make, inputs)[0] == RIGHT else tried

    def _read_otherwise(self, tried: Tried, interface: Interface, make: Make, inputs: Mapping[str, Any]) -> Tried:
        """The same in another reading of what backward is given, if it is right in that alone."""
        readings = list(other_readings(self.cls, interface))
        for reading in readings if readings and not self._manner(tried, make, inputs)[0] else ():
            other = self._try(reading, make, inputs)
            if other.fit >= tried.fit and self._manner(other, make, inputs)[0] == RIGHT:
                return tried if Runs(self._class(reading, [*inputs]), make, inputs, reading).hands_on() else other
        return tried
