"""Recordings in; the notes that say for what a derived backward holds: settings, conditions that went one way, axes."""

from __future__ import annotations

import ast
import inspect
import math
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from inspect import Parameter
from types import FunctionType
from typing import Any

import numpy as np

from dout.adapt.interface.collaborators import ContainedPart
from dout.adapt.sizes.proposed_arrays import array_of
from dout.adapt.source.syntax import read as syntax
from dout.adapt.tapes.tape_operations import is_operation
from dout.errors import TargetError
from dout.explain.derive.example_subjects import Axis, is_numbers, make_layers
from dout.explain.derive.forward_runs import ForwardRun, ForwardSubject, is_same, recorded
from dout.explain.derive.forward_source import is_rewritten
from dout.explain.derive.verification import Make, judged_again
from dout.explain.model.explanation import Phrase
from dout.explain.parts.called_parts import item_at
from dout.explain.parts.part_calls import PART, PartCall
from dout.files import shown_place
from dout.graph import Node
from dout.judge.judged_run import keeps_a_shape
from dout.ops import primitives
from dout.run import copied, flat, is_float_array, quiet
from dout.trace.capture.covered_sides import FALSE, FIRST, TRUE, Covered
from dout.trace.capture.watched_conditions import watched
from dout.trace.session.layer_calls import is_layer

_IMAGES = (3, 2, 4, 5)
_PAD = primitives("pad")


def refuse_other_interfaces(subject: ForwardSubject) -> None:
    """Raise TargetError for a class without a forward of its instances that can keep values in them."""
    cls, name, (forward, _) = subject.target.cls, subject.name, subject.methods
    if subject.target.is_function:
        return
    if is_operation(cls):
        raise TargetError(
            f"{name} goes back by a function that its result holds, on a tape, and derive writes a class with forward "
            "and backward: dout explain prints the gradients"
        )
    if subject.interface.context:
        raise TargetError(
            f"{name}.{forward} takes a context, and derive keeps values in self: write {forward}(self, …)"
        )
    if isinstance(inspect.getattr_static(cls, forward, None), staticmethod | classmethod):
        raise TargetError(f"{name} is a class of functions: name one of them, {name}.{forward}")
    if not hasattr(cls, forward):
        others = next((key for key, item in vars(cls).items() if type(item) is FunctionType and key[0] != "_"), None)
        more = f": name one of its methods, {name}.{others}" if others else ""
        raise TargetError(f"{name} has no method {forward} that computes its output{more}")


def why_flat(run: ForwardRun) -> Phrase:
    """The reason why nothing has a gradient: the last step without one, and its line."""
    if not any(math.prod(node.shape) for node in run.graph.outputs.values()):
        return Phrase("empty", {})
    stops = [n for n in run.graph.nodes if n.inputs and (n.primitive.backward is None or _makes_whole(n))]
    if not stops:
        return Phrase("no path", {})
    where = str(stops[-1].where or run.subject.name)
    if stops[-1].primitive.backward is not None:
        return Phrase("flat whole", {"where": where})
    return Phrase("flat", {"where": where, "says": stops[-1].primitive.says})


def _makes_whole(node: Node) -> bool:
    """Whether a step makes whole numbers of floats."""
    return node.kind in "iub" and any(i.kind == "f" for i in node.inputs)


def notes_on(subject: ForwardSubject, runs: Sequence[ForwardRun]) -> list[Phrase]:
    """What a reader should know of how it was derived: with which flags and words, and on which side of conditions."""
    given = {p.name: subject.inputs.get(p.name, p.default) for p in subject.target.inputs()} | subject.settings
    numbers = {(name, key) for name, key in subject.of_dicts.values()}  # others of these were tried
    tried = {name: {k: part for k, part in given[name].items() if (name, k) not in numbers} for name, _ in numbers}
    unread = _unread(subject)
    fixed = {n: item for n, item in given.items() if n not in unread and _is_choice(tried.get(n, item))}
    after = [Phrase("after_first", {})] if subject.is_warm else []
    forward = vars(subject.target.cls).get(subject.methods[0])
    after += [Phrase("output_alone", {})] if type(forward) is FunctionType and is_rewritten(forward) else []
    calls = dict.fromkeys(node.static["call"] for node in runs[0].graph.nodes if node.primitive is PART)
    after += [Phrase("part_at_one", {"part": call.path}) for call in calls if call.ignores]
    after += [Phrase("items", {"name": name, "count": n}) for name, n in _containers(runs[0], calls)]
    conditions = list(_conditions(runs, fixed))
    asked = {word for note in conditions for word in re.findall(r"\w+", str(note.fields.get("condition", "")))}
    told = [name for name, item in fixed.items() if item is not None or name not in asked]
    return [*(one_side(name, fixed[name]) for name in told), *conditions, *after]


def _unread(subject: ForwardSubject) -> set[str]:
    """The parameters of forward and of the constructor that their code does not read, but to seed a generator."""
    taken, read = set[str](), set[str]()
    for function in (subject.target.forward, subject.target.cls):
        known = syntax(function)
        if known is not None:
            seeds = [n for n in ast.walk(known.node) if isinstance(n, ast.Call) and _seeds_a_generator(n)]
            passed_on = {id(one) for call in seeds for one in (*call.args, *(k.value for k in call.keywords))}
            read |= {n.id for n in ast.walk(known.node) if isinstance(n, ast.Name) and id(n) not in passed_on}
            taken |= {*known.arguments}
    return taken - read


def _seeds_a_generator(call: ast.Call) -> bool:
    return ast.unparse(call.func).rpartition(".")[2] in ("default_rng", "RandomState", "SeedSequence", "seed")


def _containers(run: ForwardRun, calls: Collection[PartCall]) -> Iterator[tuple[str, int]]:
    """The containers of parts of which the number of items counts, each with that."""
    forward = getattr(run.subject.target.cls, run.subject.methods[0], None)
    names = getattr(getattr(forward, "__code__", None), "co_names", ())
    found = {call.path.rpartition("[")[0]: call for call in calls if call.path.endswith("]")}
    counted = {"len", "enumerate"} & {*names}
    found |= {call.path.removesuffix(".values()"): call for call in calls if call.is_chain and counted}
    for name in found:
        yield name, len(item_at(run.layer, name.removeprefix("self.")) or ())


def one_side(name: str, value: Any) -> Phrase:
    """A setting of which other values were not tried, or give another backward."""
    named = getattr(value, "__name__", None) if callable(value) else None
    return Phrase("one_side", {"flag": name, "value": named or repr(value)})


def _is_choice(item: Any) -> bool:
    """Whether a setting is no number and no array, so that another one may be another formula: a word, a function."""
    if isinstance(item, list | tuple):
        return any(map(_is_choice, item))
    if isinstance(item, dict):
        return bool(item) and not all(isinstance(part, np.ndarray) for part in item.values())
    is_function = callable(item) and item is not Parameter.empty and not isinstance(item, ContainedPart)
    return isinstance(item, bool | str) or item is None or is_function


def _conditions(runs: Sequence[ForwardRun], known: Any) -> Iterator[Phrase]:
    """The conditions in the user's code that went one way in all recordings."""
    covered = Covered()
    for run in runs:
        with suppress(Exception), quiet(), watched() as seen:
            forward = run.subject.forward()
            for _ in range(2):  # the second time as the first left the layer
                ordered, keywords = run.subject.arguments
                forward(*ordered, **keywords)
        covered.add(seen)
    told: set[str] = set()
    lines = _lines_of_parts(runs[0])
    for place, sides in covered.open.items():
        text = str(place)
        if text.strip("`").removeprefix("self.") in known or not sides.seen or (place.file, place.span[0]) in lines:
            continue
        (side, *_) = sides.seen
        where = shown_place(place.file, place.span[0])
        told.add(where)
        if side in (TRUE, FALSE):
            yield Phrase("one_side_condition", {"condition": text, "where": where, "side": side})
        else:
            argument = "first" if side == FIRST else "second"
            yield Phrase("one_side_choice", {"condition": text, "where": where, "argument": argument})
    followed = {node.where for run in runs for node in run.trace.draws}  # draws that are values of the recording
    for kind, key in (("branch", "one_side_steered"), ("draw", "one_side_drawn")):
        events = (event for run in runs for event in run.trace.events if event.kind == kind)
        found = [event.where for event in events if event.where and event.where not in followed]
        found = [where for where in found if (where.file, where.line) not in lines]
        for where in dict.fromkeys(shown_place(one.file, one.line) for one in found):
            if where not in told:
                told.add(where)
                yield Phrase(key, {"where": where})
    counted = dict.fromkeys(shown_place(one.file, one.line) for run in runs for one in run.trace.values_counted)
    yield from (Phrase("one_side_number", {"where": where}) for where in counted if where not in told)


def _lines_of_parts(run: ForwardRun) -> set[tuple[str, int]]:
    """The lines of code that run in the layers that are held, whose own backward takes every side of them."""
    lines: set[tuple[str, int]] = set()
    for node in run.graph.nodes:
        if node.primitive is PART:
            with suppress(Exception), quiet(), watched() as seen:
                node.static["call"].after([run.trace.data.get(i, i.static.get("value")) for i in node.inputs[:-1]])
            lines |= {(code.co_filename, line) for code in seen.codes for _, _, line in code.co_lines() if line}
    return lines


def on_images(subject: ForwardSubject) -> ForwardSubject:
    """The subject with images as inputs if forward reshapes a table to its own shape: such a layer flattens more axes.

    To be asked where the inputs were chosen.
    """
    if [np.ndim(item) for item in subject.inputs.values()] != [2]:
        return subject
    images = {name: array_of(_IMAGES, name) for name in subject.inputs}
    try:
        if keeps_a_shape(recorded(subject).graph.nodes):
            return recorded(replace(subject, inputs=images)).subject
    except Exception:  # whatever the user's code raises, it raises again where it is recorded
        pass
    return subject


def without_ones(subject: ForwardSubject) -> ForwardSubject:
    """The same with an axis of the first input as long as another array's, where forward takes that or 1 alone.

    Channels that are repeated by accident would have the gradient of one. To be asked where the inputs were chosen.
    """
    name, x = next(iter(subject.inputs.items()), ("", 0.0))
    arrays = [one for one in (*subject.init.values(), *subject.inputs.values()) if isinstance(one, np.ndarray)]
    lengths = {n for array in arrays for n in array.shape if n > 1}
    for axis in [i for i, n in enumerate(np.shape(x)) if n == 1 and lengths and is_float_array(x)]:
        whole = [(*np.shape(x)[:axis], n, *np.shape(x)[axis + 1 :]) for n in (*sorted(lengths), max(lengths) + 1)]
        small = [(*shape[:2], *(min(n, i) for i, n in enumerate(shape[2:], 4))) for shape in whole]  # loops are long
        for shapes in (small, whole):
            ways = [replace(subject, inputs={**subject.inputs, name: array_of(shape, name)}) for shape in shapes]
            taken = [way for way in ways if _runs(way)]
            if taken and ways[-1] not in taken:
                return without_ones(taken[0])
    return subject


def with_unlike_parts(subject: ForwardSubject) -> ForwardSubject:
    """The same with another layer for the second of two of one class: what equal layers give would be taken for one.

    To be asked where the arguments of the constructor were chosen.
    """
    seen, unlike = set[type](), dict[str, Any]()
    for name, item in subject.init.items():
        if is_layer(type(item)) and type(item) in seen:
            unlike[name] = ContainedPart()
        seen.add(type(item))
    make_layers(list(unlike.values()), subject.target.cls)
    other = replace(subject, init={**subject.init, **unlike})
    return other if unlike and _runs(other) else subject


def with_small_windows(subject: ForwardSubject) -> ForwardSubject:
    """The same with a window that does not cover the image: one turn of a loop over places tells nothing of others.

    The window is made 2, or the image longer. To be asked where the arguments of the constructor were chosen.
    """
    free = {p.name for p in subject.target.constructor if p.default is p.empty}
    numbers = {n: item for n, item in subject.init.items() if is_numbers(item) and n in free}
    shape = _output_shape(subject) if numbers else ()
    if min(shape[1:], default=2) > 1:
        return subject
    small = {n: type(item)(2 for _ in item) if isinstance(item, tuple | list) else 2 for n, item in numbers.items()}
    whole = [n for n, item in numbers.items() if all(type(k) is int and k > 2 for k in np.atleast_1d(item).tolist())]
    images = {n: x for n, x in subject.inputs.items() if is_float_array(x) and x.ndim > 1}
    longer = {n: array_of((*x.shape[:-1], 3 * x.shape[-1]), n) for n, x in images.items()}
    ways = [replace(subject, init={**subject.init, n: small[n]}) for n in whole]
    ways += [replace(subject, inputs={**subject.inputs, **longer})] if len(longer) == 1 else []
    return next((way for way in ways if math.prod(_output_shape(way)) > math.prod(shape)), subject)


def _output_shape(subject: ForwardSubject) -> tuple[int, ...]:
    """The shape of forward's output; (0,) if forward raises."""
    with suppress(Exception):  # the user's own
        return np.shape(subject.run())
    return (0,)


def with_padding(subject: ForwardSubject, given: Collection[str]) -> ForwardSubject:
    """The same with 1 for a setting that is 0 and was not given, where forward pads only then.

    A border that is not there would not be cut off its gradient.
    """
    for name, item in subject.settings.items():
        if (
            name not in given
            and type(item) is int
            and item == 0
            and (subject.target.is_class or subject.target.is_function)
        ):
            other = subject.with_number(name, 1)
            if _runs(other) and _pads(other) and not _pads(subject):
                return other
    return subject


def _pads(subject: ForwardSubject) -> bool:
    with suppress(Exception):  # the user's own
        pads = (node for node in recorded(subject).graph.nodes if node.primitive in _PAD)
        return any(node.shape != node.inputs[0].shape for node in pads)
    return False


def _runs(subject: ForwardSubject) -> bool:
    try:
        subject.run()
    except Exception:  # the user's own
        return False
    return True


def other_shapes(subject: ForwardSubject, make: Make) -> list[Phrase]:
    """The notes that a backward is for so many axes, lists of so many arrays, single numbers, and without broadcasting.

    Where forward takes one axis or array more or less, or repeats an array along an axis that had the length of
    another's in the example, and backward is not right there.
    """
    every = {**subject.init, **subject.inputs}
    arrays = {n: x for n, x in every.items() if is_float_array(x)}
    given = {n: x for n, x in arrays.items() if x.ndim and n in subject.inputs}
    most = {n: x for n, x in given.items() if x.ndim == next(iter(given.values())).ndim}
    ranks = {n: [{n: x[np.newaxis]}] for n, x in given.items() if n not in most}
    if most:
        ways = [{n: np.stack([x, 1.25 * x]) for n, x in most.items()}, {n: x[0] for n, x in most.items()}]
        ranks = {next(iter(most)): ways, **ranks}
    rows = {n: list(x) for n, x in subject.init.items() if type(x) in (list, tuple) and is_numbers(x)}
    lists = {n: [{n: [*x, x[-1]]}, {n: x[:-1]}] for n, x in (rows | every).items() if n in rows or _has_arrays(x)}
    bad = [n for n, ways in (ranks | lists).items() if not _holds_at(subject, make, ways)]
    notes = [_counted(n, every[n]) for n in bad]
    numbers = {n: _as_arrays(n, [y for y in given.values() if y.ndim]) for n in subject.inputs if _is_number(every[n])}
    notes += [Phrase("one_number", {"name": n}) for n, ways in numbers.items() if not _holds_at(subject, make, ways)]
    repeated = {n: list(_repeated(n, x, [y for m, y in arrays.items() if m != n])) for n, x in given.items()}
    names = [n for n, ways in repeated.items() if not _holds_at(subject, make, ways)]
    if names:
        notes.append(Phrase("not_repeated", {"names": ", ".join(names)}))
    return notes


def same_lengths(runs: Sequence[ForwardRun], layer: type) -> list[Phrase]:
    """A note that some arrays must have one length, if forward drops the rest and backward is then wrong."""
    if all(judged_again(run.subject, lambda subject: subject.made(layer)) is None for run in runs):
        return []
    names = [name for run in runs for name, x in run.subject.inputs.items() if isinstance(x, np.ndarray)]
    return [Phrase("same_lengths", {"names": ", ".join(dict.fromkeys(names))})]


def is_left_out(subject: ForwardSubject, axis: Axis) -> bool:
    """Whether forward gives the same whatever stands at the end of an axis of floats."""
    given, name, place = axis
    other = copied(dict(getattr(subject, given)))
    if not is_float_array(other[name]):
        return False
    other[name][(slice(None),) * place + (-1,)] += 0.25
    both = (subject, replace(subject, **{given: other}))
    return all(map(is_same, *(list(flat(one.run(subject.seed))) for one in both)))


def _is_number(item: Any) -> bool:
    return type(item) in (int, float) or (isinstance(item, np.ndarray | np.floating) and np.ndim(item) == 0)


def _as_arrays(name: str, others: Sequence[Any]) -> list[dict[str, Any]]:
    """An argument that is a number, as an array in the shapes of other arguments and of their last axes."""
    shapes = dict.fromkeys(shape for y in others for shape in (y.shape, y.shape[-1:]))
    return [{name: np.linspace(0.6, 1.4, math.prod(shape)).reshape(shape)} for shape in shapes]


def _has_arrays(item: Any) -> bool:
    return isinstance(item, list) and any(map(is_float_array, item))


def _counted(name: str, item: Any) -> Phrase:
    """The note that a backward is for so many axes of an array, or items of a list."""
    if isinstance(item, list | tuple):
        return Phrase("items", {"name": name, "count": len(item)})
    return Phrase("one_axis", {"name": name}) if item.ndim == 1 else Phrase("axes", {"name": name, "count": item.ndim})


def _repeated(name: str, array: Any, others: Sequence[Any]) -> Iterator[dict[str, Any]]:
    """An array in shapes that broadcasting repeats: along axes as long as those of others, and without the first."""
    others = [x for x in others if x.ndim == array.ndim]
    if any(x.shape == array.shape for x in others) and array.ndim:
        yield {name: array[0]}
    for axis, n in enumerate(array.shape):
        if n > 1 and any(x.shape[axis] == n for x in others):
            yield {name: array.take([0], axis)}


def _holds_at(subject: ForwardSubject, make: Make, ways: Sequence[dict[str, Any]]) -> bool:
    """Whether a written class holds with other arrays, wherever forward takes them."""
    for arrays in ways:
        init, inputs = ({n: arrays.get(n, x) for n, x in given.items()} for given in (subject.init, subject.inputs))
        other = replace(subject, init=init, inputs=inputs)
        try:
            runs = all(np.all(np.isfinite(out)) for out in flat(other.run()))
        except Exception:  # forward does not take them
            continue
        if runs and judged_again(other, make) is not None:
            return False
    return True
