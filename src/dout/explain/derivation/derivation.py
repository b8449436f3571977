"""The whole explanation of a target."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from dout.errors import TargetError
from dout.explain.axes.array_forms import with_shape
from dout.explain.axes.axis_letters import index_name
from dout.explain.beside.user_lines import backward_lines
from dout.explain.derivation.axis_steps import AxisSteps
from dout.explain.derivation.elementwise_steps import ElementwiseSteps, operator_of
from dout.explain.derivation.forward_graph import Forward, forward_of
from dout.explain.derivation.loss_forms import ONE_HOT
from dout.explain.derivation.own_words import OwnWords
from dout.explain.derivation.what_to_keep import keepings, read_by_gradients
from dout.explain.model.explanation import (
    BackwardLine,
    DerivationStep,
    Explanation,
    Keeping,
    Phrase,
    Quantity,
    Simplified,
)
from dout.explain.terms.node_terms import term_of
from dout.explain.terms.notation import PUTTING
from dout.explain.terms.terms import ONE, ZERO, Cases, Compare, FunctionCall, Symbol, Term, negated, product, total
from dout.explain.terms.walk import calls_in, length, parts_of
from dout.graph import Node, Where, topological
from dout.ops import primitives
from dout.run import drawing_alike
from dout.trace.model.recorded import LOSSES

_RESHAPES = primitives("reshape ravel flatten")
MOST_STEPS = 300  # nobody reads more
MOST_SYMBOLS = 24  # of the formula of the whole layer


def explained(
    target: Any, init: Mapping[str, Any], inputs: Mapping[str, Any], opened: Collection[str] = ()
) -> Explanation:
    """The derivation of a class, a layer or a function, on inputs that are given or on small ones that it takes.

    A softmax and its kin are one step each, unless they are `opened` by name, or "all" is. Raises as
    `dout.adapt.example`, and TargetError where nothing is computed.
    """
    with drawing_alike(target):
        forward = forward_of(target, init, inputs, opened)
    if (count := len(forward.steps) - len(forward.left_out)) > MOST_STEPS:
        first = next((n for n in forward.inputs if n.shape), None)
        given = f" '{forward.trace.names.get(first, 'x')}=array({','.join('2' * len(first.shape))})'" if first else ""
        raise TargetError(
            f"{forward.trace.target} takes {count:,} different steps on this input, and they are told one by one; "
            f"give a smaller one with --input{given}"
        )
    elements = ElementwiseSteps(forward)
    if forward.is_elementwise:
        letters: Mapping[Node, tuple[str, ...]] = {}
        steps, simplified, keeping = _elementwise(forward, elements)
        formula = _formula(forward, letters)
        formula = formula if formula is not None and elements.is_value(forward.outputs[0], formula) else None
    else:
        made = AxisSteps(forward)
        letters, steps, simplified = made.letters, made.steps(), made.simplified()
        keeping = read_by_gradients(forward, made.instead)
        formula = _formula(forward, letters)
    if any(event.kind in LOSSES for event in forward.trace.events):
        simplified = ()  # a part of the gradient is not the gradient
    quantities = tuple(_quantities(forward, letters))
    forms = [form for one in simplified for form, _ in one.forms]
    return Explanation(
        name=forward.trace.target,
        where=_where(forward),
        forward=quantities,
        outputs=tuple(forward.names[n] for n in forward.outputs),
        formula=formula,
        steps=steps,
        simplified=simplified,
        keeping=keeping,
        backward=_beside(forward, steps, letters),
        not_explained=(*_stops(forward), *(_phrase("no_formula", node, forward) for node in elements.untold)),
        definitions=tuple(_definitions([*forms, *(q.term for q in quantities if q.term)], letters, forward)),
        before=dict(_before(forward)),
        recorded=tuple(forward.names.get(forward.now[n], "") for n in forward.trace.computed),
    )


def _elementwise(
    forward: Forward, made: ElementwiseSteps
) -> tuple[tuple[DerivationStep, ...], tuple[Simplified, ...], tuple[Keeping, ...]]:
    steps = made.steps()  # they say what each gradient is so far
    wanted = [node for node in (*forward.inputs, *forward.learned) if node in forward.gradients.of]
    if not wanted:
        return steps, (), ()
    simplified, shortest = zip(*map(made.simplified, wanted), strict=True)
    found = [one for one in shortest if one is not None]
    return steps, simplified, keepings(forward, found) if len(found) == len(wanted) else read_by_gradients(forward)


def _beside(
    forward: Forward, steps: tuple[DerivationStep, ...], letters: Mapping[Node, tuple[str, ...]]
) -> tuple[BackwardLine, ...]:
    """The user's own backward, line by line."""
    call = forward.call
    if call is None or call.gradients is None:
        return ()
    return backward_lines(forward.trace, call, OwnWords(forward, steps, letters))


def _stops(forward: Forward) -> Iterator[Phrase]:
    """Steps at which a gradient ends although what they are computed from varies, and edges that the recording lost.

    And what the user's backward raised, and which layers are ours.
    """
    if forward.stand_ins:
        yield Phrase("stand_ins", {"names": " and ".join(forward.stand_ins)})
    if forward.raised:
        yield Phrase("backward_raises", {"error": forward.raised})
    reached = {node for node, _ in forward.gradients.on}
    for node in forward.steps:
        is_condition = np.dtype(node.dtype) == np.bool_  # its gradient is 0 wherever there is one
        if is_condition or node not in forward.gradients.of or node in reached:
            continue
        if set(topological([node])) & set(forward.inputs):
            yield _phrase("stops" if node.primitive.backward is None else "stops whole", node, forward)
    for event in forward.trace.events:
        if event.kind in LOSSES:
            yield Phrase("lost", {"event": str(event)})
    steered = [event.where for event in forward.trace.events if event.kind == "branch" and event.where]
    ways = dict.fromkeys(_place(where) for where in steered if forward.has_line(where))
    yield from (Phrase("other way", {"place": place}) for place in ways)
    counted = dict.fromkeys(_place(where) for where in forward.trace.values_counted if forward.has_line(where))
    yield from (Phrase("other number", {"place": place}) for place in counted if place not in ways)


def _phrase(key: str, node: Node, forward: Forward) -> Phrase:
    """What is to be said of a step, with its line."""
    place = _place(node.where) if node.where else forward.trace.target
    return Phrase(key, {"operator": operator_of(node), "place": place, "says": node.primitive.says})


def _place(where: Where) -> str:
    return f"{where.file.rpartition('/')[2]}:{where.line}"


def _where(forward: Forward) -> Where | None:
    places = [node.where for node in forward.trace.graph.nodes if node.where and node not in forward.trace.backward]
    own = [where for where in places if forward.has_line(where)]
    return min(own or places, key=lambda where: where.line, default=None)


def _quantities(forward: Forward, letters: Mapping[Node, tuple[str, ...]]) -> Iterator[Quantity]:
    called: dict[Node, Term] = {node: Symbol(name) for node, name in forward.names.items()}
    steps = (node for node in forward.steps if node not in forward.left_out)
    for node in (*forward.inputs, *forward.parameters, *steps):
        inner = {n: item for n, item in called.items() if n is not node}
        made = with_shape(node, term_of(node, inner), letters) if node in forward.steps else None
        held = node in forward.parameters
        axes = tuple(forward.multiples.get(letter, letter) for letter in letters.get(node, ()))
        yield Quantity(forward.names[node], made, node, forward.values.get(node), axes, held)


def _before(forward: Forward) -> Iterator[tuple[str, Phrase]]:
    """The sentence before a step of forward: how many turns of its loop come first, and what they compute."""
    for loop in forward.loops:
        left: list[Node] = []
        for turn in loop.turns:
            if turn[0] in forward.left_out:
                left += turn
            elif left:
                made = dict.fromkeys(forward.names[i] for node in turn for i in node.inputs if i in left)
                count = len(left) // len(turn)
                key = "turns before make" if made else "turns before"
                yield forward.names[turn[0]], Phrase(key, {"count": count, "names": tuple(made), "place": _lines(turn)})
                left = []


def _lines(turn: Sequence[Node]) -> str:
    """The lines of a turn: pool.py:17–19."""
    places = [node.where for node in turn if node.where]
    lines = sorted({where.line for where in places})
    return (
        f"{_place(places[0]).rpartition(':')[0]}:{lines[0]}" + (f"–{lines[-1]}" if lines[1:] else "") if places else ""
    )


def _formula(forward: Forward, letters: Mapping[Node, tuple[str, ...]]) -> Term | None:
    """The output in inputs and parameters, where that is short."""
    if len(forward.outputs) != 1:
        return None
    known: dict[Node, Term] = {n: Symbol(forward.names[n]) for n in (*forward.inputs, *forward.parameters)}
    for node in dict.fromkeys((*(n for n in forward.steps if n.primitive in _RESHAPES), *forward.outputs)):
        made = term_of(node, known, short=MOST_SYMBOLS)
        if made is None:
            return None
        known[node] = with_shape(node, made, letters)
    whole = known[forward.outputs[0]]
    return whole if length(whole) <= 2 * MOST_SYMBOLS and not calls_in(whole) & PUTTING else None


def _definitions(
    terms: list[Term], letters: Mapping[Node, tuple[str, ...]], forward: Forward
) -> Iterator[tuple[Term, Term]]:
    """Functions in the terms that NumPy does not have, with what they stand for."""
    x = Symbol("x")
    meant = {
        "sigmoid": product(ONE, over=(total(ONE, FunctionCall("exp", (negated(x),))),)),
        "softplus": FunctionCall("log", (total(ONE, FunctionCall("exp", (x,))),)),
    }
    called = {str(node.primitive).removeprefix("special_") for node in forward.trace.graph.nodes}
    known = {name for name, other in {"sigmoid": "expit", "softplus": "softplus"}.items() if other in called}
    used = set().union(*map(calls_in, terms)) if terms else set()
    for name, definition in meant.items():
        if name in used - known:
            yield FunctionCall(name, (x,)), definition
    if ONE_HOT in used:
        calls = {one for one in parts_of(terms) if isinstance(one, FunctionCall)}
        for call in (one for one in calls if one.function == ONE_HOT):
            (label,) = (n for n in forward.inputs if Symbol(forward.names[n]) in call.arguments)
            rows = [Symbol(index_name(letter)) for letter in letters[label]]
            column = next(Symbol(i) for i in "ckj" if i not in {*forward.names.values(), *(row.name for row in rows)})
            one = Compare(column, "=", Symbol(forward.names[label], tuple(rows)))
            yield FunctionCall("getitem", (call, *rows, column)), Cases(((ONE, one),), ZERO)
