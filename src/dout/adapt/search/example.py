"""A small example for a layer or function that has none: how to build it and what to feed it, by bounded trial."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any

import numpy as np

from dout.adapt.argument_names import any_number_of, is_named
from dout.adapt.interface.adapted_layer import layer_class
from dout.adapt.interface.array_holders import operands_of
from dout.adapt.interface.interface import Interface
from dout.adapt.interface.network_loss import loss_of
from dout.adapt.interface.users_forward import NoLossError
from dout.adapt.repository.declared_example import given_beside
from dout.adapt.search.example_search import Example, ExampleSearch
from dout.adapt.search.failure import Failure
from dout.adapt.search.own_faults import is_own_fault
from dout.adapt.search.proposals import constructor_arguments
from dout.adapt.search.refusals import gives_nothing, nothing_taken, takes_target
from dout.adapt.search.resized_example import at_its_sizes
from dout.adapt.sizes.proposed_arrays import array_of, is_input, upstream_of
from dout.adapt.target import Target, copies, names_passed, passed, placed
from dout.adapt.trial.attribute_inputs import AttributeInputs
from dout.adapt.trial.trial import Fit
from dout.errors import TargetError, UnknownLossError
from dout.graph import topological
from dout.run import deep_copy
from dout.trace.record.record import record
from dout.trace.record.trace import Trace

_SMALL = (  # a square would hide mistakes
    [[1.0, -0.5, 0.75], [-2.0, 3.0, -1.5]], [[0.5, 2.0, -0.75], [1.5, -1.0, 2.5]], [[-1.5, 1.0, 0.5], [0.25, 2.5, -2.0]]
)  # fmt: skip
MOST_BUILT, MOST_CHANGED = 6, 24  # choices of constructor arguments for a layer that reads its inputs from attributes


def record_example(target: Any, init: Mapping[str, Any], inputs: Mapping[str, Any]) -> tuple[Trace, Example]:
    """Record a layer class, a layer or a function on `inputs`, or on small ones that it takes; return those too.

    The upstream gradient is `inputs["dout"]`, one number for all of it or an array; else no special numbers, so that a
    wrong gradient shows, but ones for a loss whose backward assumes that. A class is built with `init`, and with what
    else its constructor takes. It is a copy of a layer that runs. The inputs returned have the `dout` of a layer with
    one output. Raises TargetError where an input is unknown or none that was tried is taken, with the last error of the
    user's code as its cause; and what the user's code raises on inputs that were given.
    """
    target = Target.of(target)
    dout: Any = upstream_of
    if "dout" in inputs and "dout" not in (parameter.name for parameter in target.inputs()):
        inputs = {**inputs}
        dout = partial(_spread, inputs.pop("dout"))
    found = _small(target, example(target, init, inputs))
    layer, ordered = as_found(target, found)
    adapted_to = layer is not target.named
    holder = Target(layer) if adapted_to else target

    def recorded(dout: Any) -> Trace:
        by_place, named = ([*map(deep_copy, ordered)], {}) if adapted_to else target.arguments(copies(found.inputs))
        return record(holder.fresh(found.init), *by_place, dout=dout, **named)

    if not (target.has_both or found.interface):
        return recorded(None if dout is upstream_of else dout), found
    trace = recorded(dout)
    if dout is upstream_of and _assumes_one(trace, found):
        return recorded(None), found
    douts = trace.calls[0].douts if trace.calls else None
    given = {"dout": trace.data[douts[0]]} if douts and len(douts) == 1 and douts[0] is not None else {}
    return trace, replace(found, inputs={**found.inputs, **given})


def _small(target: Target, found: Example) -> Example:
    """The same on arrays of two rows, which print whole, where arrays of plain numbers are all that was chosen."""
    arrays = found.chosen_inputs
    plain = all(np.ndim(x) and np.array_equal(x, array_of(np.shape(x), name)) for name, x in arrays.items())
    if (
        found.chosen_init
        or not plain
        or max(map(np.ndim, arrays.values()), default=0) > 2
        or len({*map(np.shape, arrays.values())}) != 1
        or len(arrays) != len(found.inputs)
    ):
        return found
    small = replace(found, inputs=dict(zip(found.inputs, map(np.array, _SMALL), strict=False)))
    search = ExampleSearch(target, target.inputs(found.interface), dict(found.init), {}, found.interface)
    return small if search.fits(small) == search.fits(found) else found


def _spread(dout: Any, shape: tuple[int, ...]) -> Any:
    """The upstream gradient that was given, in the shape of an output."""
    try:
        return np.broadcast_to(dout, shape)
    except ValueError:
        told = f"dout has shape {np.shape(dout)}, and the output {shape}: give one number, or an array of that shape"
        raise TargetError(told) from None


def _assumes_one(trace: Trace, found: Example) -> bool:
    """Whether this is a loss whose backward reads no upstream gradient: it means 1."""
    call = next(iter(trace.calls), None)
    if call is None or not (getattr(found.interface, "ends", False) or not any(out.shape for out in call.outputs)):
        return False
    gradients = [*(call.gradients or ()), *(parameter.gradient for parameter in call.parameters)]
    read = {*topological(gradient for gradient in gradients if gradient is not None)}
    return read.isdisjoint(dout for dout in call.douts or () if dout is not None)


def adapted(
    target: Any, init: Mapping[str, Any], inputs: tuple[Any, ...], named: Mapping[str, Any],
    interface: Interface | None = None,
) -> tuple[Any, list[Any], Example]:  # fmt: skip
    """A class or an instance as a layer with `forward(*inputs)` and `backward(dout)`, its inputs, and its example.

    `target` itself where it is written so; of an instance in another interface it is a copy. Raises as `example`.
    """
    by_place = {str(i): item for i, item in enumerate(inputs)}
    target = Target.of(target)
    found = example(target, init, {**by_place, **named}, interface=interface)
    layer, ordered = as_found(target, found)
    return layer, ordered, found


def as_found(target: Any, found: Example) -> tuple[Any, list[Any]]:
    """A class or an instance as a layer in the interface of an example, and its inputs by place.

    It is `target` itself where that is plain. What is neither an array nor a float is fixed, and no input any more.
    """
    target = Target.of(target)
    parameters = target.inputs(found.interface)
    given = {name.partition("[")[0] for name in found.inputs}
    if not given <= {p.name for p in parameters}:  # `__call__`, or a base, calls them otherwise
        parameters = target.inputs()
    ordered, _ = passed(parameters, found.inputs)
    names = names_passed(parameters, found.inputs)[: len(ordered)]
    if found.interface is None or getattr(target.named, "dout_interface", None) or len(names) < len(ordered):
        return target.named, ordered
    plain = found.interface.is_plain  # whole numbers are inputs there: `mul.forward(100, 2)`
    fixed = {
        n: item for n, item in zip(names, ordered, strict=True) if not (is_input(item) or (plain and type(item) is int))
    }
    made = layer_class(target.cls, found.interface, names, fixed)
    inputs = [item for name, item in zip(names, ordered, strict=True) if name not in fixed]
    return target.named if made is target.cls else target.adapted_to(made), inputs


def example(
    target: Any, init: Mapping[str, Any], inputs: Mapping[str, Any],
    interface: Interface | None = None,
) -> Example:  # fmt: skip
    """Constructor arguments and inputs with which a class, a layer or a function runs: those given, the others chosen.

    Trials run in silence, each on a layer and arrays of its own, for a few seconds at most. Sizes are distinct.
    `interface` is how the layer is called; else that is found out. What `dout_example()` beside it gives comes first.
    Raises TargetError where an argument is unknown, or nothing is taken.
    """
    target = Target.of(target)
    parameters = target.inputs(interface)
    named = {placed(key, parameters): value for key, value in inputs.items()}
    beside = given_beside(target.named, [p.name for p in parameters])
    if beside is not None:
        init, named = {**(beside[0] if target.is_class else {}), **init}, {**beside[1], **named}
    named = {**target.switched_on(interface), **named}
    takes_nothing = interface is None and target.is_class and target.has_both and not parameters
    if takes_nothing and (held := _of_attributes(target, init, named)) is not None:
        return held
    target.refuse_unknown(parameters, named)
    needed = target.not_given(init) or target.sizes_of_nothing(init)
    if not target.not_given(init):
        target.builder(init)  # says what is wrong with the arguments that were given
    open_ = [p.name for p in parameters if is_named(p) and p.default is p.empty and p.name not in named]
    any_number = any_number_of(parameters)
    if any_number and not any(name.startswith(f"{any_number}[") for name in named):
        open_ += [f"{any_number}[{i}]" for i in range(2 if not (open_ or named) else 0)]
    if not (open_ or needed):
        return Example(init, named, interface=_interface(target, parameters, init, named, interface))
    trial = ExampleSearch(target, parameters, dict(init), named, interface)
    network = loss_of(target.cls) if trial.trials is not None else None
    assumed = network is not None and network.assumed
    if trial.trials is not None and not trial.trials.interfaces:
        raise TargetError(takes_target(target))
    found = trial.first_taken(needed, open_)
    _refuse_target(trial, target, found)
    if found is None and trial.trials is not None and (trial.trials.unproven or assumed):
        raise UnknownLossError(takes_target(target), trial.trials.unconfirmed)
    if found is None and any_number and not named:
        found = trial.first_taken(needed, [name for name in open_ if "[" not in name or name.endswith("[0]")])
    if found is None and trial.optional and isinstance(trial.last, NoLossError):  # scores alone, `if y is None`
        found = trial.first_taken(needed, [*open_, *trial.optional])
    if found is not None and trial.fits(found) <= Fit.RUNS and is_own_fault(trial.last):
        found = None  # it got by on nothing alone
    if found is None and trial.empty and trial.last is None:
        raise TargetError(gives_nothing(target))
    if found is None and isinstance(trial.last, NoLossError):
        raise TargetError(f"{target.name} returns no number with the gradient of what it takes: it is no gradient")
    if found is None:
        raise nothing_taken(target, needed, open_, trial.last) from trial.last
    return at_its_sizes(trial, found)


def _refuse_target(trial: ExampleSearch, target: Target, found: Example | None) -> None:
    """Raise TargetError where backward takes the target, as runs have shown, and runs through in no other way."""
    if trial.trials is not None and trial.trials.takes_target and (not found or trial.fits(found) <= Fit.FORWARD):
        raise TargetError(takes_target(target))


def _of_attributes(target: Target, init: Mapping[str, Any], named: Mapping[str, Any]) -> Example | None:
    """An example of a layer that reads its inputs from attributes; None where it does not, or none runs."""
    choices = constructor_arguments(target, init)[:MOST_BUILT]
    choices += [{**choices[0], **given} for given in operands_of(target.cls, target.not_given(init))]
    for choice in choices:  # grows: what forward raises may be of the constructor's arguments
        attributes = AttributeInputs(target.cls, choice)
        held = attributes.found()
        if held is None and attributes.error is not None and len(choices) < MOST_CHANGED:
            failure = Failure(choice, {}, attributes.error, frozenset({*choice} - {*init}))
            choices += [{**choice, **change} for change in islice(failure.of_arguments(), MOST_BUILT)]
        if held is not None:
            interface, inputs = held
            parameters = target.inputs(interface)
            given = {placed(key, parameters): value for key, value in named.items()}
            target.refuse_unknown(parameters, given)
            return Example(choice, {**inputs, **given}, frozenset({*choice, *inputs} - {*init, *given}), interface)
    return None


def _interface(
    target: Target, parameters: list[inspect.Parameter], init: Any, inputs: Any, given: Interface | None
) -> Interface | None:
    """The interface in which a layer takes what it was given; None where it is the plain one, or that does not run.

    Raises TargetError where none runs, and its methods are not called forward and backward.
    """
    if not target.has_both:
        return None
    trial = ExampleSearch(target, parameters, dict(init), dict(inputs), given)
    _, found = trial._best([Example(init, inputs)])
    _refuse_target(trial, target, found)
    if found is None and not (hasattr(target.cls, "forward") and hasattr(target.cls, "backward")):
        raise nothing_taken(target, [], [], trial.last) from trial.last
    return found.interface if found else None


__all__ = ["Example", "adapted", "as_found", "constructor_arguments", "example", "record_example"]
