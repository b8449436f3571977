"""The upstream gradient with which a network's backward begins, where no code computes its loss.

A backward that takes the target begins with a gradient of its own making, `p - y`, at the output or at what the last
activation was given. Any number of parameters tell which: all their gradients have to follow from that one. Where
gradients are summed over samples, or over steps, each of these begins with one of its own, made on the same line.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from dout.clock import WorkBudget
from dout.grad import backpropagate
from dout.graph import INPUT, Node, computed_from, leading_to_all, topological
from dout.judge.float_judge import as_floats, computed, in_float64

MOST_SECONDS, MOST_TRIED = 2.0, 48  # of work, and pairs of a value and a gradient for it
MOST_NODES = 5_000  # of a run: longer ones take long
MOVE = 1e-3  # of each parameter, away from a kink
_NO_RATE = 1e-6  # a multiple this small, beside the common factor, is no rate
_NEAR = {False: 1e-7, True: 1e-3}  # of the largest number of a gradient, by whether it is in single precision


@dataclass(frozen=True, eq=False)
class ImpliedUpstream:
    """The upstream gradient that a backward implies at a value of the forward, and the gradients that follow from it.

    `every` has the values and gradients of all samples or steps, that one among them.
    `factor` is what all gradients of parameters are multiplied by, 1/N for a mean; `right` says of each parameter, in
    their order, whether its gradient follows from it. `excused` says whether it does up to a positive factor of its
    own, a mask, a clip or an L1 penalty. `open` says whether its numbers tell nothing: all are 0, or there is one
    number alone, which is not the expected one. `several` says whether there is more than one number. `given` and
    `derived` are the numbers of the gradients, as they were found and as they follow.

    `sign` is 1 where what follows is the gradient of a usual loss, and -1 where it is its negative.
    """

    value: Node
    gradient: Node
    every: Mapping[Node, Node]
    factor: float
    right: tuple[bool, ...]
    excused: tuple[bool, ...]
    open: tuple[bool, ...]
    several: tuple[bool, ...]
    given: tuple[Any, ...]
    derived: tuple[Any, ...]
    sign: int = 0

    @cached_property
    def gradients(self) -> Mapping[Node, Node]:
        """The gradient that follows at each value that leads to the one where backward begins."""
        return backpropagate(self.every).of

    @property
    def is_sure(self) -> bool:
        """Whether several gradients follow from one, so that a gradient that does not follow is wrong.

        Of several steps most have to: those that an output belongs to do also where going back through time is cut off.
        A gradient of one number does not count.
        """
        told = sum(right and several for right, several in zip(self.right, self.several, strict=True))
        return told > (1 if len(self.every) == 1 else max(1, len(self.right) / 2))


def implied_upstream(
    nodes: Sequence[Node],
    backward: Container[Node],
    data: Mapping[Node, Any],
    parameters: Mapping[Node, Node],
) -> ImpliedUpstream | None:
    """The upstream gradient from which gradients of parameters follow; None where it explains not even half of them.

    `parameters` are nodes of the forward, with those of their gradients; `backward` are the nodes that belong to it.
    """
    known, budget = dict(data), WorkBudget(MOST_SECONDS)
    best: ImpliedUpstream | None = None
    for every in islice(_pairs(nodes, backward, parameters), MOST_TRIED if len(nodes) <= MOST_NODES else 0):
        if budget.is_over():
            break
        found = _explained(known, every, parameters)
        if found is None or sum(found.right) < max(2, (len(found.right) - sum(found.open)) / 2):
            continue
        if best is None or sum(found.right) + sum(found.open) > sum(best.right):
            confirmed = _confirmed(found, nodes, data, parameters)
            if confirmed is not None and (best is None or sum(confirmed.right) > sum(best.right)):
                best = confirmed
            if best is not None and all(best.right):
                break
    return best


def _confirmed(
    found: ImpliedUpstream, nodes: Sequence[Node], data: Mapping[Node, Any], parameters: Mapping[Node, Node]
) -> ImpliedUpstream | None:
    """The same with all parameters moved a little; None where backward begins with no gradient of a usual loss.

    What is right there is right: the run may stand on a kink. What is open here is decided there.
    """
    rng = np.random.default_rng(0)
    moved = {node: data[node] + MOVE * rng.standard_normal(node.shape) for node in parameters}
    own = {*topological(found.every)} | computed_from(nodes, found.every)
    begins = {*topological(found.every.values())}  # and no transpose of a parameter or an activation
    aside = (computed_from(nodes, parameters) & begins) - own  # as a target that the same network has computed
    point = {n: value for n, value in data.items() if n.primitive is INPUT or n in aside} | moved
    first, after = nodes.index(found.value), computed_from(nodes, [found.gradient])
    like = [node for node in nodes[first:] if node.shape == found.gradient.shape and node.kind == "f"]
    outputs = [n for n in like if n not in after and n.where != found.gradient.where]  # nor what its own line makes
    wanted = [*outputs, *found.every, *found.every.values(), *parameters.values()]
    with suppress(ValueError, IndexError):  # there an index or a mask chooses another number of elements
        known = in_float64(topological(wanted, known=point), point)
        signs = ((_usual_sign(found.gradient, output, data, known), output) for output in outputs)
        sign, output = next(filter(operator.itemgetter(0), signs), (0, None))  # later come the target and what it makes
        if output is None:
            return None
        moved_value, moved_output = (as_floats(known[n]) - as_floats(data[n]) for n in (found.value, output))
        sign *= int(np.copysign(1, np.sum(moved_value * moved_output)))  # softmax, tanh … go where their input goes
        found = replace(found, sign=sign)
        there = _explained(known, found.every, parameters)
        if there is not None and math.isclose(there.factor, found.factor, rel_tol=1e-4):
            either = partial(map, operator.or_)
            right, excused = either(found.right, there.right), either(found.excused, there.excused)
            open_ = map(operator.and_, found.open, there.open)
            return replace(found, right=tuple(right), excused=tuple(excused), open=tuple(open_))
        return found
    return None


def _usual_sign(gradient: Node, output: Node, here: Mapping[Node, Any], there: Mapping[Node, Any]) -> int:
    """1 where a gradient changes with an output as that of a usual loss does, -1 as its negative does, 0 otherwise.

    `k (p - y)` changes as p does, where it is not masked; `-y / p` times p does not change; and that of a binary
    cross-entropy, times `p (1 - p)`, changes as p does.
    """
    if output is gradient or output not in here or gradient not in here:
        return 0
    (d, p), (e, q) = ((as_floats(values[gradient]), as_floats(values[output])) for values in (here, there))
    if np.all(d == e) or np.all(p == q):
        return 0
    if sign := _sign_of_ratio(e - d, q - p):
        return sign
    if np.all(np.abs(e * q - d * p) <= 1e-2 * np.abs(d * (q - p))):
        return -int(np.sign(np.sum(d * np.abs(p))))
    return _sign_of_ratio(e * q * (1 - q) - d * p * (1 - p), q - p)


def _sign_of_ratio(change: Any, other: Any) -> int:
    """The sign of the number by which one change is a multiple of another, or nothing, by element; 0 without one."""
    moves = np.abs(change) > 1e-9 * np.max(np.abs(change), initial=0.0)
    both = moves & (other != 0)
    if not np.any(both):
        return 0
    ratio = float(np.median(change[both] / other[both]))
    is_one = np.all(np.abs(change[moves] - ratio * other[moves]) <= 1e-2 * np.abs(ratio * other[moves]))
    return int(np.sign(ratio)) if is_one else 0


def _pairs(
    nodes: Sequence[Node], backward: Container[Node], learned: Mapping[Node, Node]
) -> Iterator[Mapping[Node, Node]]:
    """Values late in the forward with what all gradients are computed from in their shapes, and from them.

    First what the last parameter makes: there a backward begins that knows its loss and the last activation together.
    With each come the values that the same line made for other samples or steps.
    """
    back = {node for node in nodes if node in backward}
    later = back | computed_from(nodes, back)  # as the parameters of the next step
    forward = [node for node in nodes if node not in later]
    made = leading_to_all(nodes, learned.values())
    leading = {node for node in made if any(given in learned for given in node.inputs)}  # a penalty leads to none
    last = next((node for node in reversed(forward) if node in leading), None)
    if last is None:
        return
    behind = {last} | computed_from(forward, [last])
    tells = sum(math.prod(node.shape) > 1 for node in learned) > 1  # that they follow from one number
    values = [node for node in forward if node in behind and node.kind == "f"]
    for value in values:
        others = [node for node in forward if node is not value and _is_like(node, value)]
        if math.prod(value.shape) == 1 and not others and not tells:  # any number would do
            continue
        after = {node: computed_from(nodes, [node]) for node in (value, *others)}
        for gradient in made:
            if gradient.shape == value.shape and gradient.kind == "f" and gradient in after[value]:
                alike = [node for node in made if _is_like(node, gradient)]
                found = ((one, next((node for node in alike if node in after[one]), None)) for one in others)
                pairs = sorted(((value, gradient), *found), key=lambda pair: nodes.index(pair[0]))
                owner = {node: one for one, node in pairs if node is not None}  # the last: others ran for a target
                yield {one: node for node, one in owner.items()}


def _is_like(one: Node, other: Node) -> bool:
    """Whether the same line made both in the same way."""
    return (one.where, one.primitive, one.shape) == (other.where, other.primitive, other.shape)


def _explained(
    known: dict[Node, Any], every: Mapping[Node, Node], parameters: Mapping[Node, Node]
) -> ImpliedUpstream | None:
    """The gradients that follow from seeds at some values; None if they miss a parameter, or explain none."""
    derived = backpropagate(every).of
    if not parameters.keys() <= derived.keys():
        return None
    expected = [derived[parameter] for parameter in parameters]
    values = computed(topological([*expected, *parameters.values()], known=known), known)
    fits = [
        _Fit(as_floats(values[mine]), as_floats(values[node]), as_floats(values[parameter]), _near(values[mine]))
        for (parameter, mine), node in zip(parameters.items(), expected, strict=True)
    ]
    size, reach = (
        max(float(np.max(np.abs(x), initial=0.0)) for x in of) for of in zip(*(f[:2] for f in fits), strict=True)
    )
    several = tuple(math.prod(parameter.shape) > 1 for parameter in parameters)
    factors = [fit.factor(size, reach) for fit in fits]
    told = [f for f, tells in zip(factors, several, strict=True) if tells and f and not math.isnan(f)]
    if not told:
        return None
    best = max(told, key=lambda one: sum(math.isclose(one, other, rel_tol=1e-4) for other in told))
    right = tuple(f is not None and math.isclose(best, f, rel_tol=1e-4) for f in factors)
    blank = (f is not None and math.isnan(f) for f in factors)
    open_ = tuple(b or not (tells or is_right) for b, tells, is_right in zip(blank, several, right, strict=True))
    rates = (f is not None and f / best > _NO_RATE for f in factors)
    excused = tuple(rate or fit.is_by_element(best) for rate, fit in zip(rates, fits, strict=True))
    given, follows = zip(*(fit[:2] for fit in fits), strict=True)
    return ImpliedUpstream(*next(iter(every.items())), every, best, right, excused, open_, several, given, follows)


def times_derived(found: ImpliedUpstream, value: Node, gradient: Node, data: Mapping[Node, Any]) -> float | None:
    """The number by which the derived gradient of a value is multiplied in a gradient; None where there is none."""
    derived = found.gradients.get(value)
    if derived is None:
        return None
    known = dict(data)
    values = computed(topological([derived, gradient], known=known), known)
    mine, expected = as_floats(values[gradient]), as_floats(values[derived])
    sizes = (float(np.max(np.abs(x), initial=0.0)) for x in (mine, expected))
    factor = _Fit(mine, expected, np.zeros(0), _near(values[gradient])).factor(*sizes)
    return factor if factor and not math.isnan(factor) else None


def _near(gradient: Any) -> float:
    return _NEAR[np.asarray(gradient).dtype.itemsize < 8]


class _Fit(NamedTuple):
    """The user's gradient of a parameter beside the derived one; `near` is the rounding of its numbers."""

    mine: Any
    derived: Any
    parameter: Any
    near: float

    def factor(self, size: float, reach: float) -> float | None:
        """What the derived gradient is multiplied by to give the user's; None where no number does, NaN where all is 0.

        What is small beside the largest gradients, of this `size`, may be left of larger numbers that cancel; `reach`
        is the size of the derived ones.
        A penalty may be added to it, a multiple of the parameter, or of all of it but a row or column of biases. A fit
        needs more elements than it has unknowns, or one number tells of itself alone.
        """
        mine, derived = self.mine, self.derived
        if np.squeeze(mine).shape != np.squeeze(derived).shape or not np.all(np.isfinite(mine)):
            return None
        most, least = float(np.max(np.abs(mine), initial=0.0)), self.near / 1000
        if np.max(np.abs(derived), initial=0.0) <= least * reach:
            return math.nan if most <= least * size else None
        for penalty in (None, *(_penalised(self.parameter) if self.parameter.size > 2 else ())):
            terms = np.stack([derived.ravel()] if penalty is None else [derived.ravel(), penalty.ravel()], axis=1)
            found = np.linalg.lstsq(terms, mine.ravel(), rcond=None)[0]
            if np.all(np.abs(mine.ravel() - terms @ found) <= self.near * max(most, size / 1000)):
                return float(found[0])
        return None

    def is_by_element(self, factor: float) -> bool:
        """Whether a mask, a clip or an L1 penalty makes the user's gradient of the derived one times the factor."""
        if self.mine.size != self.derived.size or self.mine.size < 2:
            return False
        mine, whole = self.mine.ravel(), factor * self.derived.ravel()
        most = float(np.max(np.abs(whole), initial=0.0))
        if not np.all(np.isfinite(mine)) or np.max(np.abs(mine)) <= _NO_RATE * most:
            return False
        kept = mine != 0
        limits = (max(float(np.max(mine)), 0.0), min(float(np.min(mine)), 0.0))
        cut = (
            kept
            & (np.isclose(mine, limits[0]) | np.isclose(mine, limits[1]))
            & (mine * whole > 0)
            & (np.abs(mine) <= np.abs(whole))
        )
        ways = [np.where(kept, whole, 0.0), np.where(cut, mine, whole)]
        sign = np.sign(self.parameter.ravel())
        if np.sum(sign != 0) > 2:
            ways.append(whole + sign * float(np.median(((mine - whole) * sign)[sign != 0])))
        return any(bool(np.all(np.abs(mine - way) <= self.near * most)) for way in ways)


def _penalised(parameter: Any) -> Iterator[Any]:
    """What a penalty may be a multiple of."""
    yield parameter
    for own in (np.s_[:, 1:], np.s_[:, :-1], np.s_[1:], np.s_[:-1]) if parameter.ndim == 2 else ():
        rest = np.zeros_like(parameter)
        rest[own] = parameter[own]
        if np.any(rest):
            yield rest
