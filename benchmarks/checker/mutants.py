"""Single-edit mutants of the right layers, each shown to be wrong by the oracle.

`generate` proposes edits class by class and keeps those with an observable fault: a gradient that is not the exact
derivative, on one of several inputs; or a promise broken in a plain run that the right layer keeps. What shows none is
equivalent and falls away. The order, the numbers and the ids are the same in every run.
"""

from __future__ import annotations

import ast
import dataclasses
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import zip_longest
from typing import Any

import numpy as np

from benchmarks.checker import contract, formula, promises, stability
from benchmarks.checker.case import Case, Mutant
from benchmarks.checker.edits import Edit, Layer
from benchmarks.checker.oracle import Run, Truth, plain, truth, wrong


@dataclass(frozen=True)
class Verdict:
    """What the oracle saw: the word, the argument and the places, and the inputs that show it."""

    cause: str
    argument: str | None = None
    places: Any = None
    note: str = ""
    shown: Case | None = None


Judge = Callable[[Case, Case, Edit], Verdict | None]
SEEDS = (11, 12)
RARE = ("axis", "transpose", "broadcast", "swapped", "mask", "missing term", "formula", "sign", "factor", "alias")
# The most mutants of one layer in one class of bug: no layer speaks for all.
MOST = {"formula": 9, "memory": 3, "state": 3, "dtype": 3, "numerics": 8, "layout": 3, "determinism": 2}
FILL = {"formula": 0, "memory": 1, "state": 2, "dtype": 1, "numerics": 0, "layout": 2, "determinism": 1}
# Edits that fit every layer alike: at most FILL of them for a layer, and only after those that are its own.
ANYWHERE = ("cleared", "into-dout", "into-input", "-int", "-float", "array-constant", "first-rows", "fixed-batch",
            "shape-set", "c-strides", "tobytes-A", "frombuffer", "flat-C", "ravel-K", "squeeze", "residual-reused",
            "kept-in-the-class", "kept-from-first-call", "decays", "-jitter", "-clock", "-address", "-counter",
            "-entropy", "-hash", "-drawn-anew", "-global-noise")  # fmt: skip


def generate(cases: list[Case]) -> list[Mutant]:
    """Every mutant that is kept, class by class."""
    classes: dict[str, tuple[Callable[[Case], Iterable[Edit]], Judge]] = {
        "formula": (lambda case: formula.edits(Layer(case.source, case.cls)), _formula),
        "memory": (promises.memory, _memory),
        "state": (promises.state, _state),
        "dtype": (promises.dtype, _dtype),
        "numerics": (stability.edits, _numerics),
        "layout": (promises.layout, _layout),
        "determinism": (promises.determinism, _determinism),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [
            mutant
            for bug, (propose, judge) in classes.items()
            for number, case in enumerate(cases)
            for mutant in _kept(bug, case, number, propose(case), judge)
        ]


def _kept(bug: str, case: Case, number: int, edits: Iterable[Edit], judge: Judge) -> Iterator[Mutant]:
    count, filled, sources = 0, 0, {case.source}
    for edit in _mixed(edits, number):
        if count == MOST[bug]:
            return
        common = edit.name.endswith(ANYWHERE)
        if edit.source in sources or (common and filled == FILL[bug]):
            continue
        sources.add(edit.source)
        name = f"{bug}/{case.id}/{edit.name}@{edit.line}"
        changed = dataclasses.replace(case, id=name, source=edit.source)
        try:
            verdict = judge(case, changed, edit)
        except Exception:  # it does not run at all: no checker is needed to see that
            continue
        if verdict is not None:
            count += 1
            filled += common
            index = None
            if isinstance(verdict.places, np.ndarray):
                index = frozenset(tuple(map(int, place)) for place in np.argwhere(verdict.places))
            shown = verdict.shown or changed
            data = {field.name: getattr(shown, field.name) for field in dataclasses.fields(Case)}
            yield Mutant(
                **data | {"id": f"{name}-{count}", "note": verdict.note, "draw": None},
                bug=bug, line=edit.line, before=edit.before, after=edit.after,
                argument=verdict.argument, index=index, cause=verdict.cause, right=case.id,
            )  # fmt: skip


def _mixed(edits: Iterable[Edit], number: int) -> Iterator[Edit]:
    """The edits with their causes in turn, the rare ones first, and in each cause their kinds in turn.

    Each layer begins with another kind, so that no kind of edit crowds out the rest.
    """
    causes: dict[str, dict[str, list[Edit]]] = {}
    for edit in edits:
        causes.setdefault(edit.cause, {}).setdefault(edit.name, []).append(edit)
    rare = sorted(causes, key=lambda cause: RARE.index(cause) if cause in RARE else len(RARE))
    lines = []
    for cause in rare:
        kinds = list(causes[cause].values())
        turn = number * 5 % len(kinds)
        lines.append([edit for row in zip_longest(*(kinds[turn:] + kinds[:turn])) for edit in row if edit is not None])
    mixed = [edit for row in zip_longest(*lines) for edit in row if edit is not None]
    yield from sorted(mixed, key=lambda edit: edit.name.endswith(ANYWHERE))


@lru_cache(maxsize=4096)
def _inputs(case: Case) -> tuple[Case, ...]:
    """The case on its own inputs and on others."""
    assert case.draw is not None
    drawn = [case.draw(np.random.default_rng(seed)) for seed in SEEDS]
    return (case, *(dataclasses.replace(case, init=init, inputs=inputs) for init, inputs in drawn))


@lru_cache(maxsize=4096)
def _right(case: Case) -> tuple[tuple[Run, Truth], ...]:
    """What the right layer does there, and what is true."""
    return tuple((plain(c), truth(c)) for c in _inputs(case))


@lru_cache(maxsize=4096)
def _right_numerics(case: Case) -> dict[str, str]:
    return contract.numerics(case)


def _gradients(right: Case, changed: Case, cause: str) -> Verdict | None:
    """The first wrong gradient, on the first inputs that show one."""
    same_forward = _above_backward(changed) == _above_backward(right)
    for case, (_, known) in zip(_inputs(right), _right(right), strict=True):
        case = dataclasses.replace(case, source=changed.source, id=changed.id)
        run, true = plain(case), known if same_forward else truth(case)
        if not (np.isfinite(true.out).all() and np.isfinite(run.out).all()):
            continue  # the edited forward has no value here, so no derivative
        found = wrong(run, true)
        if found:
            argument = next(iter(found))
            return Verdict(cause, argument, found[argument], f"wrong: {', '.join(found)}", case)
    return None


def _above_backward(case: Case) -> tuple[str, ...]:
    """All of a source but the class's backward."""
    layer = Layer(case.source, case.cls)
    back = ast.unparse(layer.method("backward"))
    return tuple(text for text in map(ast.unparse, _parts(layer)) if text != back)


def _parts(layer: Layer) -> Iterator[Any]:
    for node in layer.tree.body:
        yield from getattr(node, "body", [node]) if getattr(node, "name", "") == layer.cls else [node]


def _formula(right: Case, changed: Case, edit: Edit) -> Verdict | None:
    return _gradients(right, changed, edit.cause)


def _seen(seen: dict[str, str], known: Iterable[str], edit: Edit) -> Verdict | None:
    """The verdict on what only the mutant shows: the expected word if it is there."""
    fresh = {word: detail for word, detail in seen.items() if word not in set(known)}
    if not fresh:
        return None
    word = edit.cause if edit.cause in fresh else min(fresh)
    return Verdict(word, note=fresh[word])


def _memory(right: Case, changed: Case, edit: Edit) -> Verdict | None:
    return _seen(contract.memory(changed), contract.memory(right), edit) if _agrees(right, changed) else None


def _state(right: Case, changed: Case, edit: Edit) -> Verdict | None:
    if not _agrees(right, changed):
        return None
    try:
        seen = contract.state(changed)
    except Exception as error:
        seen = {"stale": f"a later call raises {type(error).__name__}"}
        return _seen(seen, (), edit)
    written = contract.memory(changed)
    seen |= {word: detail for word, detail in written.items() if word == "overwrites parameter"}
    return _seen(seen, contract.state(right), edit)


def _dtype(right: Case, changed: Case, edit: Edit) -> Verdict | None:
    lost = _gradients(right, changed, edit.cause)  # digits are gone, not only bits
    return lost or _seen(contract.dtype(changed), contract.dtype(right), edit)


def _numerics(right: Case, changed: Case, edit: Edit) -> Verdict | None:
    if _gradients(right, changed, edit.cause):
        return None  # not the same function
    known = _right_numerics(right)
    stresses = {name for name, _ in contract.stresses(right)} - set(known)
    seen = {name: what for name, what in contract.numerics(changed, stresses).items() if what != "none"}
    if not seen:
        return None
    words = list(seen.values())
    return Verdict(edit.cause if edit.cause in words else words[0], note=f"seen at {', '.join(seen)}")


def _layout(right: Case, changed: Case, edit: Edit) -> Verdict | None:
    return _seen(contract.layout(changed, right), (), edit) if _agrees(right, changed) else None


def _determinism(right: Case, changed: Case, edit: Edit) -> Verdict | None:
    return _seen(contract.determinism(changed), (), edit)


def _agrees(right: Case, changed: Case) -> bool:
    """Whether an ordinary run is as the right layer's: only the promise is broken."""
    (model, _), *_ = _right(right)
    run = plain(changed, dout=model.dout)
    return contract.same(run.out, model.out) and contract.same_values(run.gradients, model.gradients)
