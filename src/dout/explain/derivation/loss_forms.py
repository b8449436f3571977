"""The gradient of a loss in one formula of the values of forward, as in books: dout · (softmax(x) − t) / N."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np

from dout.explain.axes.axis_letters import JOIN
from dout.explain.axes.element_rules import reduced_axes
from dout.explain.axes.term_values import equal_values
from dout.explain.derivation.forward_graph import Forward
from dout.explain.model.explanation import Phrase
from dout.explain.terms.node_terms import term_of
from dout.explain.terms.terms import FunctionCall, Symbol, Term
from dout.graph import CONSTANT, INPUT, Node, evaluate
from dout.judge.judged_run import STABILISER
from dout.judge.judging_points import ACROSS, BOUNDS
from dout.ops import PRIMITIVES, primitives
from dout.rewrite.node_facts import applied, made_by

MOST_VALUES = 12  # of forward, that a formula may be made of
ONE_HOT = "onehot"  # of labels: rows of zeros and a one
SHORT = 8  # symbols of a value without a name
NEAR = 1e-9
_FINE = 2.0**20
_MEANS, _SOFTMAX, _LOG_SOFTMAX = primitives("mean"), primitives("special_softmax"), primitives("special_log_softmax")
_MOVES = (*ACROSS, (1e4, 0.0))  # of inputs
_KEEPING_FINITE = primitives("add maximum")
_POWERS = primitives("power pow")
_CHOOSING = primitives("where less less_equal greater greater_equal equal not_equal sign")


@dataclass(frozen=True)
class LossForm:
    """A gradient in one formula, the condition for it, and the meaning of a function in it."""

    term: Term
    condition: Phrase | None = None


@dataclass(frozen=True)
class _Point:
    """Values of inputs at which formulas are compared, and what they take for granted."""

    given: Mapping[Node, Any]
    condition: Phrase | None


class LossForms:
    """Looks for the gradients of a forward whose one output is a number."""

    def __init__(self, forward: Forward) -> None:
        self.forward = forward
        self.terms: dict[Node, Term] = {}

    def of(self, value: Node) -> LossForm | None:
        """The gradient of an input; None where it is no simple formula, and of a forward that is no loss."""
        forward = self.forward
        gradient = forward.gradients.of.get(value)
        if len(forward.outputs) != 1 or forward.outputs[0].shape or not value.shape or gradient is None:
            return None
        for point in self._points:
            for formula, term_nodes in self._formulas(value, gradient, point):
                if equal_values(formula, point.given, gradient, point.given) and self._holds_at_powers(
                    formula, gradient, point
                ):
                    names = {**self._called, **term_nodes}
                    holds = self._holds_beyond(formula, gradient, point)
                    if not holds and self._chooses:  # it is that of one case alone
                        return None
                    why = () if holds else (Phrase("where unclipped", {}),)
                    known = (point.condition,) if point.condition else ()
                    return LossForm(term_of(formula, names), _all_of(*known, *why))
        return None

    # --- the values that a formula may be made of ---------------------------------------------------------------------

    @cached_property
    def _called(self) -> dict[Node, Term]:
        """What nodes are called that the reader knows: inputs, parameters, values with names of the user's."""
        forward = self.forward
        known = {n: Symbol(name) for n, name in forward.names.items() if n.primitive is INPUT or forward.is_named(n)}
        return {**known, **{seed: Symbol("dout") for seed in forward.seeds.values()}}

    @cached_property
    def _values(self) -> dict[Node, Term]:
        """Values of arrays, those with names first, each with its term."""
        forward, found = self.forward, dict[Node, Term]()
        for node in forward.nodes:
            if node.shape and node.kind == "f":
                term = self._called.get(node) or term_of(node, self._called, short=SHORT)
                if term is not None:
                    found[node] = term
            if node.primitive in _LOG_SOFTMAX:
                softmax = applied(PRIMITIVES["special_softmax"], node.inputs, node.static)
                found[softmax] = term_of(softmax, self._called)
        for label, hot in self._one_hot.items():
            found[hot] = FunctionCall(ONE_HOT, (self._called[label],))
        order = sorted(found, key=lambda n: (n not in self._called, n.primitive not in _SOFTMAX))
        return {node: found[node] for node in order}

    @cached_property
    def _one_hot(self) -> dict[Node, Node]:
        """For each array of labels of the rows of a softmax or of an input, these labels as rows of zeros and a one."""
        floats = [n for n in self.forward.nodes if len(n.shape) > 1 and n.kind == "f"]
        found: dict[Node, Node] = {}
        for node in self.forward.inputs:
            like = next((n for n in floats if n.shape[:-1] == node.shape), None)
            if node.kind in "iu" and node.shape and like is not None:
                found[node] = Node(INPUT, (), {}, like.shape, np.dtype(float))
        return found

    # --- formulas -----------------------------------------------------------------------------------------------------

    def _formulas(self, of: Node, gradient: Node, point: _Point) -> Iterator[tuple[Node, dict[Node, Term]]]:
        """Formulas that give a gradient at a point in float64, the simplest first."""
        values = {n: term for n, term in self._values.items() if n.shape == of.shape}
        values = dict(itertools.islice(values.items(), MOST_VALUES))
        (seed,) = self.forward.seeds.values()
        try:
            with np.errstate(all="ignore"):
                numbers = evaluate([gradient, *values], point.given)
        except (ValueError, IndexError):  # values decide on shapes, and here on others
            return
        wanted = numbers[gradient]
        if not np.all(np.isfinite(wanted)) or not np.any(wanted):
            return
        for form, negative in itertools.product(_FORMS, (False, True)):
            for chosen in itertools.permutations(values, form.__code__.co_argcount):
                with np.errstate(all="ignore"):
                    made = form(*(numbers[n] for n in chosen)) * point.given[seed]
                ratio = _ratio(wanted, made)
                for sizes in self._sizes if ratio and (ratio < 0) == negative else ():
                    node = self._scaled(made_by(form, *chosen), seed, ratio, sizes, point)
                    if node is not None:
                        yield node, {**{n: values[n] for n in chosen}, **self._letters}

    @cached_property
    def _letters(self) -> dict[Node, Term]:
        """Lengths that are counted by a mean, as nodes with their letters."""
        return {node: Symbol(letter) for node, (letter, _) in self._counted.items()}

    @cached_property
    def _counted(self) -> dict[Node, tuple[str, int]]:
        letters = self.forward.letters
        found: dict[str, int] = {}
        for node in self.forward.nodes:
            for axis in reduced_axes(node) if node.primitive in _MEANS else ():
                for letter in letters[node.inputs[0]][axis].split(JOIN):
                    found[letter] = node.inputs[0].shape[axis]
        made = {n: (letter, found[letter]) for letter in found if letter.isalnum() for n in [_length()]}
        return made if len(made) == len(found) else {}

    @cached_property
    def _sizes(self) -> list[tuple[Node, ...]]:
        """Lengths that a gradient may be divided by: those of means all together, and some of those in formulas."""
        own = list(self.forward.lengths)
        some = [c for count in range(len(own) + 1) for c in itertools.combinations(own, count)]
        means = [tuple(self._counted)] if self._counted else []
        return [(*mean, *chosen) for mean in [*means, ()] for chosen in some]

    def _scaled(self, shape: Node, seed: Node, ratio: float, sizes: Sequence[Node], point: _Point) -> Node | None:
        """A form times the upstream gradient and a simple number, divided by lengths; None where the number is none."""
        number = ratio * math.prod(point.given[size] for size in sizes)
        simple = Fraction(number).limit_denominator(4)
        if not simple or simple.numerator not in (1, -1, 2, -2) or abs(number - simple) > NEAR * abs(number):
            return None
        made: Node = made_by(_times(simple), shape, seed, *sizes)
        return made

    # --- points -------------------------------------------------------------------------------------------------------

    @cached_property
    def _points(self) -> list[_Point]:
        """Near the recorded run: as it is, without stabilisers, with rows that add up to 1, and both."""
        given = self._given
        finite = dict.fromkeys(self._stabilisers, 0.0)
        rows = self._rows(given)
        tiny = tuple(term_of(n, self._called) for n in finite)
        said = {"rows": Phrase("where rows", {"names": tuple(self.forward.names[n] for n in rows)})}
        said["finite"] = Phrase("where finite", {"numbers": tiny})
        both = _all_of(*said.values())
        ways: list[tuple[Mapping[Node, Any], Phrase | None]] = [({}, None)]
        ways += [(rows, said["rows"])] if rows else []
        ways += [(finite, said["finite"])] if finite else []
        ways += [({**rows, **finite}, both)] if rows and finite else []
        return [_Point({**given, **change}, why) for change, why in ways]

    def _holds_at_powers(self, formula: Node, gradient: Node, point: _Point) -> bool:
        """Whether a formula holds for other exponents that the layer has: of |x| to the power 2 it may be 2 · x."""
        powers = {i for node in self.forward.nodes if node.primitive in _POWERS for i in node.inputs[1:]}
        other = {n: item + 1 for n, item in point.given.items() if n in powers and np.asarray(item).dtype.kind == "i"}
        given = {**point.given, **other}
        return not other or equal_values(formula, given, gradient, given)

    @cached_property
    def _chooses(self) -> bool:
        """Whether forward takes one of several values, by a condition on its inputs."""
        return any(n.primitive in _CHOOSING and n.shape for n in self.forward.nodes)

    def _holds_beyond(self, formula: Node, gradient: Node, point: _Point) -> bool:
        """Whether a formula holds on other sides of bounds and conditions, too: all of a point may be on one."""
        bounded = self._chooses or any(n.primitive in BOUNDS and n.shape for n in self.forward.nodes)
        free = [n for n in self._moved if n not in self._rows(point.given)]
        for factor, offset in _MOVES if bounded else ():
            given = {**point.given, **{n: factor * point.given[n] + offset for n in free}}
            with np.errstate(all="ignore"):
                values = evaluate([formula, gradient], given)
            one, other = values[formula], values[gradient]
            known = np.isfinite(one) & np.isfinite(other)
            one, other = np.where(known, one, 0), np.where(known, other, 0)
            if np.any(np.abs(one - other) > NEAR * np.max(np.abs(other), initial=0.0)):
                return False
        return True

    @cached_property
    def _moved(self) -> list[Node]:
        """The inputs that are arrays of floats."""
        return [node for node in self.forward.inputs if node.shape and node.kind == "f"]

    @cached_property
    def _given(self) -> dict[Node, Any]:
        """The inputs of the recorded run, a little moved, and lengths that are other numbers: a 2 is then no N."""
        forward, generator = self.forward, np.random.default_rng(5)
        given = dict(forward.values_given)
        for node in self._moved:
            given[node] = np.asarray(given[node]) * generator.uniform(0.9, 1.1, node.shape)
        for node, value in forward.values_given.items():  # a weight of 1 or of 0.5 is no number of a formula
            if node not in forward.inputs and node not in self._stabilisers and np.asarray(value).dtype.kind == "f":
                given[node] = (value * generator.uniform(0.7, 1.3, node.shape) + 0.01)[()]
        for i, (node, (_, length)) in enumerate(forward.lengths.items()):
            given[node] = length + 3.7 + i * 0.9
        given |= {node: length for node, (_, length) in self._counted.items()}
        given |= {seed: generator.normal(size=seed.shape)[()] for seed in forward.seeds.values()}
        for label, hot in self._one_hot.items():
            given[hot] = (np.arange(hot.shape[-1]) == np.asarray(given[label])[..., None]).astype(float)
        return given

    def _rows(self, given: Mapping[Node, Any]) -> dict[Node, Any]:
        """Inputs beside a softmax, as rows that add up to 1."""
        softmaxes = [n for n in self.forward.nodes if n.primitive in _SOFTMAX | _LOG_SOFTMAX]
        below = {i for n in softmaxes for i in n.inputs}
        return {
            node: _adding_up_to_one(given[node])
            for node in self.forward.inputs
            if node not in below and any(n.shape == node.shape for n in softmaxes) and node.kind == "f"
        }

    @cached_property
    def _stabilisers(self) -> list[Node]:
        """Tiny numbers that only keep another one finite: of log(y + 10⁻⁷)."""
        read = (i for n in self.forward.nodes if n.primitive in _KEEPING_FINITE for i in n.inputs)
        known = {**self.forward.values_given}
        numbers = {n: n.static["value"] if n.primitive is CONSTANT else known.get(n) for n in read if not n.shape}
        return [n for n, x in numbers.items() if isinstance(x, float) and 0 < abs(x) <= STABILISER]


def _all_of(*conditions: Phrase) -> Phrase | None:
    """Several conditions as one."""
    found: Phrase | None = None
    for one in conditions:
        found = one if found is None else Phrase("where both", {"one": found, "other": one})
    return found


def _adding_up_to_one(rows: Any) -> Any:
    """Rows whose sum is 1 to the last bit."""
    parts = np.round(rows / np.sum(rows, axis=-1, keepdims=True) * _FINE) / _FINE
    return np.concatenate([parts[..., :-1], 1 - parts[..., :-1].sum(axis=-1, keepdims=True)], axis=-1)


def _ratio(wanted: Any, made: Any) -> float:
    """The constant ratio of one array to another, over the elements that are not 0; 0 if it is not constant."""
    made = np.broadcast_to(made, np.shape(wanted))
    inside = made != 0
    if not np.all(np.isfinite(made)) or not np.any(inside) or np.any(wanted[~inside]):
        return 0.0
    ratios = wanted[inside] / made[inside]
    return float(ratios[0]) if np.all(np.abs(ratios - ratios[0]) <= NEAR * abs(ratios[0])) else 0.0


def _times(simple: Fraction) -> Callable[..., Any]:
    """The formula of a form times the upstream gradient and a simple number, divided by lengths."""

    def scaled(shape: Any, seed: Any, *sizes: Any) -> Any:
        made = seed if abs(simple.numerator) == 1 else abs(simple.numerator) * seed
        for size in (*([simple.denominator] if simple.denominator != 1 else []), *sizes):
            made = made / size
        return -(made * shape) if simple < 0 else made * shape

    return scaled


def _length() -> Node:
    return Node(INPUT, (), {}, (), int)


_FORMS: tuple[Callable[..., Any], ...] = (
    lambda a: a,
    lambda a, b: a - b,
    lambda a, b: a / b,
    lambda a, b: (a - b) / (a * (1 - a)),
)
