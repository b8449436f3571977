"""Why gradients that are wrong as given may be right: the example, or what it was compared with, was guessed."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from dout.adapt.argument_names import names_cache, names_error, names_upstream, taken_by
from dout.adapt.interface.adapted_layer import as_layer, layer_class, users_class
from dout.adapt.interface.function_pairs import PAIR
from dout.adapt.interface.interface import OUTPUT, Interface
from dout.adapt.interface.learned_gradients import FIXED
from dout.adapt.interface.method_pairs import is_called_in_a_loop, reads_and_writes, required
from dout.adapt.interface.network_loss import loss_of
from dout.adapt.repository.project_files import files_below, repository_root, texts_of
from dout.adapt.source import returned_by
from dout.adapt.source.empty_methods import read_by
from dout.adapt.tapes.tape_operations import is_operation
from dout.adapt.trial.gradient_owners import are_guessed
from dout.check.exact.ratio import ratio_of_floats
from dout.check.exact.subject import Subject, kept
from dout.check.lab.batch_axis import resized_along
from dout.check.lab.other_values import same
from dout.check.lab.plain_suspicion import is_suspicious
from dout.check.lab.probe import CrashError, Lab
from dout.judge.outcomes import Outcome
from dout.run import PlainRun, arrays, attributes_of, flat, mro_of, otherwise, quiet, upstream
from dout.trace.session.pairing import GRADIENTS, is_residual, stem


def doubt_of(subject: Subject) -> str:
    """Return the reason in words, or "". Of an operation of a tape nothing was guessed."""
    if is_operation(type(subject.runner.layer)):
        return ""
    run, inputs = subject.run(), dict(zip(subject.names, subject.inputs, strict=False))
    returned = dict(zip(subject.names, run.gradients, strict=False))
    gradients = {**returned, **attributes_of(run.layer).get(GRADIENTS, {})}
    if subject.interface is not None and are_guessed(subject.interface, gradients, inputs, subject.again()):
        return "whose gradient it is was guessed by its place"
    if (name := _guessed_argument(subject, run)) is not None:
        return f"{name} of {subject.backward_name} may be something else"
    if (name := _before_activation(subject, run)) is not None:
        return f"it is right for self.{name}, which other code reads: the caller may multiply by the activation's slope"
    if (name := _left_out(subject, run)) is not None:
        return f"forward was not given {name}, and the gradient may be that of {name}"
    if subject.ends and len(run.outputs) > 1 and sum(np.ndim(output) == 0 for output in run.outputs) != 1:
        return "backward takes no upstream gradient, and it may be that of one output alone"
    if _is_loss_of_repeated(subject, run):
        return "one of the two is repeated to be as long as the other, and it is right where they are alike"
    if _is_of_margins(subject):
        return "it is a loss of margins, of two classes in one column, and it is right for one"
    if _is_called_one_by_one(subject):
        return "other code calls backward for one sample after another, and it is right for one"
    if _takes_one_sample(subject, run):
        return "forward gives a number for one sample alone, and is right there"
    if (name := _with_one_1(subject, run)) is not None:
        return f"forward asks {name} only where its largest number is, and it is right for rows with one 1"
    if _is_of_images(subject):
        return "it is right for images, of which forward makes what it makes of each table"
    if _are_in_another_order(subject, run):
        return "the gradients come in another order than the arguments of forward"
    if fits_by_chance(subject):
        return "the lengths of the inputs are alike by chance: with one row more there is an error"
    return ""


def _guessed_argument(subject: Subject, run: PlainRun) -> str | None:
    """An argument of backward that was given an input, although its name says something else.

    That says nothing where it is called as an upstream gradient, and forward gives no array like it: the `dvalues` of a
    loss are what it was given.
    """
    interface = subject.interface
    if interface is None or interface.local or any(map(loss_of, mro_of(type(run.layer)))):  # whose it tells itself
        return None
    readings = other_readings(subject)
    function = inspect.unwrap(type(subject.again()).backward)
    wanted = required(function, bound=[p.name for p in taken_by(function)[:1]] == ["self"])
    called = getattr(type(run.layer), interface.backward, function)
    if [p.name for p in taken_by(called) if p.name in wanted] != wanted:  # some are computed as forward computes them
        return None
    shapes, read = [np.shape(output) for output in run.outputs], read_by(function, wanted)
    for name, role in zip(wanted, interface.roles, strict=False):
        if role not in subject.names or stem(name) == stem(role) or name not in read:
            continue
        given = np.shape(subject.inputs[subject.names.index(role)])
        is_upstream = names_upstream(name)
        if (len(shapes) > 1 and given in shapes) if is_upstream else not (is_residual(name) and is_residual(role)):
            every = {*subject.names, OUTPUT} <= {*interface.roles}  # nothing else is left to be given
            is_held = names_cache(name) or hasattr(type(run.layer), PAIR)  # by the caller: it has nothing else to give
            if every and not readings:
                return None
            return None if is_held and readings and all(map(_is_wrong, readings)) else name
    return None


@kept
def other_readings(subject: Subject) -> list[Subject]:
    """The layer with another of forward's inputs, or its output, for an argument of backward that was given an input.

    Only where backward runs so. None of a layer that was given something fixed.
    """
    interface, layer = subject.interface, subject.again()
    if interface is None or FIXED in attributes_of(layer):
        return []
    found = []
    for place, role in enumerate(interface.roles):
        for other in (*subject.names, OUTPUT) if role in subject.names else ():
            roles = (*interface.roles[:place], other, *interface.roles[place + 1 :])
            again = read_as(subject, replace(interface, roles=roles))
            if other not in interface.roles and not isinstance(Lab(again).trial(again.inputs), CrashError):
                found.append(again)
    return found


def read_as(subject: Subject, interface: Interface) -> Subject:
    """The layer in another interface."""
    own = type(subject.runner.layer)
    cls = layer_class(users_class(own), interface, subject.names)
    return replace(subject, make=lambda: as_layer(subject.make(), cls))


def _before_activation(subject: Subject, run: PlainRun) -> str | None:
    """An attribute with what forward gives before its activation, for which the gradients are right.

    Only where other code reads it of a layer: `delta * layer.activation.slope(layer.z)` is what backward is given then.
    """
    if len(run.outputs) != 1 or FIXED in attributes_of(run.layer):
        return None
    before = attributes_of(subject.again())
    for name, item in attributes_of(run.layer).items():
        known = [run.outputs[0], *run.inputs, before.get(name)]
        if not isinstance(item, np.ndarray) or item.shape != np.shape(run.outputs[0]) or name.startswith("_dout"):
            continue
        if any(np.array_equal(item, other) for other in known) or not _is_read_by_others(subject, name):
            continue
        if not _is_wrong(read_as(subject, replace(subject.interface or Interface(), out=name))):
            return name
    return None


def _is_read_by_others(subject: Subject, name: str) -> bool:
    """Whether a file of the project that runs a backward calls something with the attribute: `slope(layer.z)`."""
    place = subject.place
    pattern = re.compile(rf"\w\(\s*(?!self\b)\w[\w.\[\]]*\.{name}\s*\)")
    behind = f".{subject.backward_name}("
    files = files_below(repository_root(place.file)) if place is not None else ()
    return any(behind in text and pattern.search(text) for _, text in texts_of(files))


@otherwise(True)
def _is_wrong(subject: Subject) -> bool:
    is_number = all(np.size(output) == 1 for output in subject.run().outputs)  # its backward may take dout to be 1
    return is_suspicious(subject, _ones if subject.ends or is_number else upstream)


def _ones(outputs: list[Any]) -> tuple[float, ...]:
    return (1.0,) * len(outputs)


def _left_out(subject: Subject, run: PlainRun) -> str | None:
    """An argument of forward that was not given, and for which another value does: a gradient may be of that.

    For `h_0=None` of a recurrent layer forward takes zeros, in the shape of a gradient, and for `key=None` the query.
    """
    known = [np.shape(x) for x in subject.inputs]
    others = [np.zeros(np.shape(g)) for g in run.gradients if g is not None and np.shape(g) not in known]
    returned = subject.interface.order if subject.interface is not None else ()
    others += subject.fresh_inputs() if max(len(run.gradients), len(returned)) > len(known) else ()
    arguments = [p for p in taken_by(subject.again().forward) if p.name != "self"]
    for place, parameter in enumerate(arguments[len(subject.inputs) :], start=len(subject.inputs)):
        before = tuple(p.default for p in arguments[len(subject.inputs) : place])
        for other in others if parameter.default is None else ():
            given = Lab(subject).trial((*subject.fresh_inputs(), *before, other))
            if isinstance(given, CrashError) or not same(given.outputs, run.outputs):
                continue
            names = (*subject.names, *(p.name for p in arguments[len(subject.inputs) : place + 1]))
            inputs = (*subject.fresh_inputs(), *before, 0.75 * other + 0.25)
            of_this = np.shape(other) not in known  # else it has to be right with another argument
            if of_this or not _is_wrong(_with_all_inputs(subject, names, inputs)):
                return parameter.name
    return None


def _with_all_inputs(subject: Subject, names: tuple[str, ...], inputs: tuple[Any, ...]) -> Subject:
    """The layer with more of its inputs, whose gradients come in this order."""
    found = replace(subject, inputs=inputs, names=names)
    return found if subject.interface is None else read_as(found, replace(subject.interface, order=()))


def doubt_of_constant(subject: Subject, ratios: list[float | None]) -> str:
    """Why the gradients of parameters that are all one constant times right, beside right ones of inputs, may be meant.

    Where backward adds its step, or all have the other sign, it may be given the error, target − output. A number that
    forward does not read may be that of the calls over which the gradients are averaged.
    """
    interface, found = subject.interface, np.array(ratios, dtype=float)
    if not np.allclose(found, ratio := found[0], rtol=1e-6, atol=0):
        return ""
    layer = subject.again()
    taken = [p.name for p in taken_by(inspect.unwrap(getattr(type(layer), subject.backward_name)))]
    steps, every = interface is not None and interface.steps, len(ratios) > 1 and bool(np.isclose(ratio, -1))
    if ratio < 0 and (steps or every) and any(names_error(name) or (every and name == "delta") for name in taken):
        how = "adds its step" if steps else "gives the negative of all of them"
        return f"backward {how}, which is right where it is given the target minus the output"
    read = reads_and_writes(type(layer), subject.forward_name)[0]
    lengths = {n for array in arrays(layer).values() for n in array.shape}  # a size is no number of calls
    whole = {n: k for n, k in attributes_of(layer).items() if type(k) is int and k > 1 and n not in read}
    whole = {n: k for n, k in whole.items() if k not in lengths}
    name = next((name for name, k in whole.items() if np.isclose(ratio * k, 1, rtol=1e-6)), None)
    return f"they are divided by self.{name}, as an average over so many calls is" if name else ""


def steps_by_another(subject: Subject, refuted: Iterable[Outcome]) -> bool:
    """Whether backward steps these parameters of parts by their right gradients; the parts keep those of one turn."""
    before, after = arrays(subject.again()), arrays(subject.run().layer)
    for outcome in refuted:
        path, got = f"self.{outcome.judged.name}", np.asarray(outcome.got, dtype=float)
        if path.count(".") < 2 or path not in before or path not in after:
            return False
        if not before[path].shape == after[path].shape == got.shape:
            return False
        step = after[path] - before[path]
        if not np.any(step) or ratio_of_floats(step.ravel(), got.ravel(), 1e-6) is not None:
            return False
        if ratio_of_floats(step.ravel(), np.ravel(outcome.expected), 1e-6) is None:
            return False
    return True


@otherwise(False)
def _is_loss_of_repeated(subject: Subject, run: PlainRun) -> bool:
    """Whether a loss of two arrays repeats one of them, and is right for two of one shape: a caller's slip, at most."""
    shapes = [np.shape(x) for x in run.inputs]
    if len(set(shapes)) != 2 or len(shapes) != 2 or not all(np.size(output) == 1 for output in run.outputs):
        return False
    try:
        common = np.broadcast_shapes(*shapes)
    except ValueError:
        return False
    inputs = tuple(np.cos(np.arange(1.0, np.prod(common) + 1) * (i + 1)).reshape(common) for i in range(2))
    alike, interface = replace(subject, inputs=inputs), subject.interface
    owned = [read_as(alike, replace(interface, order=(name,))) for name in subject.names] if interface else []
    return common in shapes and not all(is_suspicious(one, _ones) for one in (alike, *owned))


@otherwise(False)
def _is_of_margins(subject: Subject) -> bool:
    """Whether a loss of two tables of one shape depends on their product alone, and is right for one column of them."""
    if not subject.ends:
        return False
    x, y = subject.fresh_inputs()
    y = y * 0.75  # of 1 and -1 a squared error has margins, too
    here, there = (subject.run(inputs).outputs for inputs in ((x, y), (x * y, np.ones_like(y))))
    if np.ndim(x) != 2 or np.shape(x) != np.shape(y) or not same(here, there):
        return False
    signs = np.resize([1.0, -1.0], (len(x), 1))  # a column of noughts has no slope
    return not is_suspicious(replace(subject, inputs=(x[:, :1], signs)), _ones)


@otherwise(False)
def _is_called_one_by_one(subject: Subject) -> bool:
    """Whether a loop over samples in another method calls backward, which is right for one column, or row, of these."""
    if not is_called_in_a_loop(type(subject.again()), subject.backward_name):
        return False
    one = (replace(subject, inputs=tuple(np.take(x, [0], a) for x in subject.fresh_inputs())) for a in (-1, 0))
    return not all(map(_is_wrong, one))


@otherwise(False)
def _takes_one_sample(subject: Subject, run: PlainRun) -> bool:
    """Whether a loss that gives no number for these samples gives one for the first of them, and is right there."""
    if not subject.ends or not all(np.ndim(output) for output in run.outputs):
        return False
    samples = {len(output) for output in run.outputs}
    inputs = tuple(x[0] if np.ndim(x) and {len(x)} == samples else x for x in subject.fresh_inputs())
    one = replace(subject, inputs=inputs)
    is_number = all(np.size(output) == 1 for output in one.run().outputs)
    return is_number and not is_suspicious(one, _ones)


@otherwise(None)
def _with_one_1(subject: Subject, run: PlainRun) -> str | None:
    """A target of which a loss makes what it makes of rows with a 1 in the place of the largest; right for these."""
    is_number = all(np.size(output) == 1 for output in run.outputs)
    for place, x in enumerate(subject.fresh_inputs()):
        if is_number and np.ndim(x) == 2:
            inputs = list(subject.fresh_inputs())
            inputs[place] = np.eye(np.shape(x)[1])[np.argmax(x, axis=1)]
            other = replace(subject, inputs=tuple(inputs))
            if same(other.run().outputs, run.outputs) and not np.array_equal(inputs[place], x) and not _is_wrong(other):
                return subject.names[place]
    return None


@otherwise(False)
def _is_of_images(subject: Subject) -> bool:
    """Whether forward makes of images what it makes of each table in them, and backward is right for images alone."""
    (x,) = subject.fresh_inputs()
    images = np.multiply.outer(np.array([[1.0, -0.75], [0.5, 2.0], [-1.5, 1.25]]), x)
    there, *tables = (replace(subject, inputs=(x,)) for x in (images, *images.reshape(-1, *np.shape(x))))
    each = zip(*(table.run().outputs for table in tables), strict=True)
    parts = [np.reshape(part, (3, 2, *np.shape(part)[1:])) for part in map(np.array, each)]
    is_alike = np.ndim(x) == 2 and same(there.run().outputs, parts)
    return is_alike and all(map(_is_wrong, tables)) and not _is_wrong(there)


@otherwise(None)
def of_sequences(subject: Subject) -> np.ndarray | None:
    """Two sequences side by side, where forward makes of them what it makes of each, and is right for both alone.

    `x[t].T @ dz` is a matrix for several sequences, and a number for one.
    """
    (x,) = subject.fresh_inputs()
    if np.ndim(x) != 2:
        return None
    each = [replace(subject, inputs=(way * x,)) for way in (1, -0.75)]
    both = replace(subject, inputs=(np.stack([x, -0.75 * x], axis=1),))
    parts = zip(*(one.run().outputs for one in each), strict=True)
    is_alike = same(both.run().outputs, [np.stack(pair, axis=1) for pair in parts])
    return both.inputs[0] if is_alike and all(map(_is_wrong, each)) and not _is_wrong(both) else None


def _are_in_another_order(subject: Subject, run: PlainRun) -> bool:
    """Whether the shapes of all gradients are those of the inputs, at other places than their names say."""
    returned = returned_by(inspect.unwrap(type(subject.again()).backward))
    holds_places = any(gradient is None for gradient in run.gradients)
    if holds_places or [*map(stem, returned)] == [*map(stem, subject.names)]:
        return False
    found = [np.shape(gradient) for gradient in run.gradients]
    wanted = [np.shape(x) for x in flat(subject.inputs)]
    return found != wanted and sorted(found) == sorted(wanted)


def fits_by_chance(subject: Subject) -> bool:
    """Whether the lengths of the inputs are alike by chance: with one row more there is an error.

    In forward, where whole numbers stand in a square beside another; in backward, where two rows may have been taken
    for two values. Of matrices that says nothing: a backward that lacks a transpose takes square ones alone. Also where
    forward takes other rows of one input, which have another axis's length, and backward does not: `(3,)` for rows.
    """
    arrays = {i: x for i, x in enumerate(subject.inputs) if isinstance(x, np.ndarray) and x.ndim}
    rows = {len(x) for x in arrays.values()}
    squares = len(arrays) == 2 and {x.shape for x in arrays.values()} == {(*rows, *rows)}
    picks = squares and any(x.dtype.kind in "iu" for x in arrays.values())
    has_squares = any(len({*x.shape}) < x.ndim for x in arrays.values())
    doubtful = {"forward": picks, "backward": rows == {2} and not has_squares, "": False}
    if len(rows) == 1 and any(doubtful.values()) and doubtful[_raises_in(subject, [*arrays])]:
        return True
    lengths = {i: {n for j, x in arrays.items() if j != i for n in x.shape[1:]} for i in arrays}
    doubted = [i for i, x in arrays.items() if len(x) in lengths[i] and not has_squares]
    return any(_raises_in(subject, [i]) == "backward" for i in doubted)


def _raises_in(subject: Subject, longer: list[int]) -> str:
    """The method that raises where these inputs have one row more; "" where none does."""
    inputs = list(subject.fresh_inputs())
    for i in longer:
        inputs[i] = resized_along(inputs[i], 0, len(inputs[i]), len(inputs[i]) + 1)
    layer, method = subject.again(), "forward"
    try:
        with quiet():
            outputs = subject.runner.forward(layer, inputs)
            method = "backward"
            subject.runner.backward(layer, upstream(outputs), seed=0)
    except Exception:  # the layer's own: it does not take this
        return method
    return ""
