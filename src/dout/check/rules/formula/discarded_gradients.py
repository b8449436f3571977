"""Gradients that a backward computes and does not keep, `dW = x.T @ dout` and no more, and places left empty."""

from __future__ import annotations

import functools
import inspect
import itertools
import re
from collections.abc import Iterable, Iterator, Set
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from dout.adapt.interface.adapted_layer import users_class
from dout.adapt.repository.project_files import files_below, repository_root, texts_of
from dout.adapt.search.unset_attributes import file_of, is_left_empty, never_written, writer_of
from dout.check.exact.exact_route import Examination
from dout.check.exact.judge import Judgement
from dout.check.exact.subject import Subject, kept
from dout.graph import CONSTANT, INPUT, Node, compute, topological
from dout.run import arrays, attributes_of, copied, otherwise, quiet
from dout.trace.session.pairing import is_named_as_gradient, pairs, parts_of, stem, unwritten

_CLOSE = 1e-9  # relative to the largest element: the same formula, rounded otherwise


def fully_judged(judgement: Judgement) -> Examination | None:
    """The examination if it is clear whose each gradient is; None if backward returns more than forward has inputs."""
    examination = judgement.examination
    if examination is None or not examination.judged:
        return None
    given = len(examination.call.gradients or ())
    return examination if given <= len(examination.call.inputs) else None


@kept
def discarded_gradients(subject: Subject, examination: Examination) -> tuple[str, ...]:
    """Return the inputs and parameters whose gradient backward computes, and neither returns nor keeps nor applies.

    There are none if the layer does not run again, or a gradient has no value.
    """
    try:
        return tuple(_discarded(subject, examination))
    except Exception:  # the layer's own, or there is no value
        return ()


@kept
@otherwise(dict[str, tuple[str, str]]())
def left_unwritten(subject: Subject) -> dict[str, tuple[str, str]]:
    """The parameters for whose gradient a layer has an attribute that backward leaves as it was, by their names.

    Beside its name stands the method that may write it, "" where no code does. Those of which only others know that are
    not there.
    """
    layer, _, before = _after_a_round(subject)
    held, found = arrays(layer), dict[str, tuple[str, str]]()
    for name, parameter, place in unwritten(before, attributes_of(layer)):
        holders = {key for key, item in before.items() if any(part is parameter for part in (item, *parts_of(item)))}
        writer = writer_of(type(layer), place)
        if writer or is_left_empty(type(layer), place, holders, is_array=before.get(place) is not None):
            others = (path.removeprefix("self.") for path, item in held.items() if item is parameter)
            found.update(dict.fromkeys((name, *others), (place, writer)))
    return found


@otherwise("")
def filled_by(subject: Subject, parameter: str) -> str:
    """The method that fills the attribute for a parameter's gradient, where backward leaves zeros in it; else ""."""
    layer, _, before = _after_a_round(subject)
    for pair in pairs(before, attributes_of(layer)):
        places = [key for key, item in before.items() if item is pair.gradient]
        if pair.name == parameter and places and not np.any(pair.gradient):
            return writer_of(type(layer), places[0])
    return ""


def left_empty(subject: Subject) -> dict[str, str]:
    """The parameters for whose gradient the layer is built with an attribute that no code writes, with its name."""
    return {name: place for name, (place, writer) in left_unwritten(subject).items() if not writer}


@kept
@otherwise(())
def misplaced(subject: Subject) -> tuple[tuple[str, str, str, str], ...]:
    """The parameters whose gradient backward keeps by a new name, where a method reads another that nothing writes.

    With each the two names, and the method.
    """
    layer, made, before = _after_a_round(subject)
    after, found = attributes_of(layer), list[tuple[str, str, str, str]]()
    for pair in pairs(before, after):
        new = [key for key, item in after.items() if item is pair.gradient and key not in made]
        is_meant = partial(_is_for, pair.name, {key for key in after if after[key] is not None})
        found += ((pair.name, new[0], *one) for one in never_written(type(layer), is_meant) if new)
    return tuple(dict.fromkeys(found))


@kept
@otherwise(())
def misspelt(subject: Subject) -> tuple[tuple[str, str], ...]:
    """The attributes that backward makes and nothing reads, each with one that is read of other layers instead.

    That one is a letter longer or shorter, and names a gradient: `W` is no other name of `dW`. Other classes write it.
    """
    layer, _, before = _after_a_round(subject)
    after, cls, found = attributes_of(layer), users_class(type(layer)), list[tuple[str, str]]()
    made = [name for name, item in after.items() if name not in before and arrays([item])]
    if not made or not (file := file_of(cls)):
        return ()
    text = inspect.getsource(cls)
    for name in made:
        written = len(re.findall(rf"\bself\.{name}\s*=[^=]", text))
        if _is_named_more_often(name, written, _texts_around(file)):
            continue
        texts = [*_texts_around(file)]
        read = frozenset[str]().union(*map(_read_of_others, texts))
        named = (other for other in sorted(read) if is_named_as_gradient(other))
        alike = (other for other in named if _is_a_letter_off(name, other) and after.get(other) is None)
        meant = (other for other in alike if any(re.search(rf"\bself\.{other}\s*=[^=]", code) for code in texts))
        found += [(name, other) for other in meant if not callable(getattr(cls, other, None))][:1]
    return tuple(found)


def _texts_around(file: str) -> Iterator[str]:
    """The Python of a file, then that of the others of its repository, which are not read before they are asked for."""
    own = Path(file)
    yield from (code for _, code in texts_of([own]))
    yield from (code for _, code in texts_of(path for path in files_below(repository_root(file)) if path != own))


def _is_named_more_often(name: str, times: int, texts: Iterable[str]) -> bool:
    found = itertools.accumulate(len(re.findall(rf"\b{name}\b", code)) for code in texts if name in code)
    return any(count > times for count in found)


@functools.lru_cache(maxsize=256)
def _read_of_others(code: str) -> frozenset[str]:
    """The attributes that a text reads of something else than `self`; it calls or writes others."""
    return frozenset(re.findall(r"(?<!\bself)\.(\w+)\b(?!\s*[=(])", code))


def _is_a_letter_off(name: str, other: str) -> bool:
    """Whether one of two words is the other without a letter."""
    short, long = sorted((name, other), key=len)
    return len(long) == len(short) + 1 and any(long[:i] + long[i + 1 :] == short for i in range(len(long)))


def _is_for(parameter: str, filled: Set[str], name: str) -> bool:
    """Whether an attribute is named as the gradient of a parameter, and holds nothing."""
    return name not in filled and is_named_as_gradient(name) and stem(name) == stem(parameter)


@kept
def _after_a_round(subject: Subject) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    """A layer after its forward and backward, what it held when it was made, and what it held between the two."""
    layer = subject.again()
    made = {**attributes_of(layer)}
    with quiet():
        subject.runner.forward(layer, subject.fresh_inputs())
        before = {**attributes_of(layer)}
        subject.runner.backward(layer, [*map(copied, subject.run().douts)], seed=0)
    return layer, made, before


def _discarded(subject: Subject, examination: Examination) -> Iterator[str]:
    computed = _computed(examination)
    waiting = [(name, node) for name, node in examination.trace.graph.inputs.items() if _may_lose(examination, node)]
    if not waiting or not computed:
        return
    derived = _derived(examination, [node for _, node in waiting])
    told = (*(j.gradient for j in examination.judged), *examination.seeds.values())
    known = [examination.trace.data[n] for n in told]
    for name, node in waiting:
        right = derived.get(node)
        if right is None or not np.all(np.isfinite(right)) or np.ptp(right) == 0 or _is_among(right, known):
            continue  # a value that is also something else says nothing
        parameter = None if node in examination.call.inputs else examination.trace.data[node]
        if _is_among(right, computed) and _is_left(subject, parameter, right):
            yield name


def _may_lose(examination: Examination, node: Node) -> bool:
    value = examination.trace.data[node]
    is_array = isinstance(value, np.ndarray) and value.ndim > 0 and value.dtype.kind == "f"
    judged = {j.node for j in examination.judged} | set(examination.trace.draws)  # nobody asks for that of a draw
    return is_array and node in examination.derived and node not in judged


def _computed(examination: Examination) -> list[Any]:
    """What the hand-written backward made."""
    trace = examination.trace
    nodes = (n for n in trace.graph.nodes if n in trace.backward and n.primitive not in (INPUT, CONSTANT))
    return [trace.data[node] for node in nodes if node not in examination.seeds.values()]


def _derived(examination: Examination, nodes: list[Node]) -> dict[Node, Any]:
    """The derived gradients in the recorded run, in its own arithmetic."""
    data = examination.trace.data
    wanted = [examination.derived[node] for node in nodes]
    known = {n: data[n] for n in (*examination.trace.graph.inputs.values(), *examination.seeds.values()) if n in data}
    known |= {n: data[n] for n in topological(wanted) if n in data}
    with np.errstate(all="ignore"):
        compute(topological(wanted, known=known), known)
    return {node: np.asarray(known[examination.derived[node]], dtype=float) for node in nodes}


def _is_left(subject: Subject, parameter: Any, gradient: Any) -> bool:
    """Whether, after a plain run, the layer holds the gradient in no shape, and a parameter as it was."""
    held = arrays(subject.run().layer).values()
    kept = any(x.size == gradient.size and _is_among(gradient.ravel(), [x.ravel(), x.T.ravel()]) for x in held)
    if kept or parameter is None:
        return not kept
    return any(x.shape == parameter.shape and np.array_equal(x, parameter) for x in held)


def _is_among(right: Any, values: list[Any]) -> bool:
    size = float(np.max(np.abs(right)))
    return any(
        np.shape(value) == right.shape
        and np.asarray(value).dtype.kind == "f"
        and bool(np.all(np.abs(value - right) <= _close(value) * size))
        for value in values
    )


def _close(value: Any) -> float:
    return _CLOSE if np.asarray(value).dtype.itemsize >= 8 else 1e-4
