"""Conditions in arrays: comparisons, limits, signs, whole numbers, places, and which sides of each were come upon."""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from dout.graph import INPUT, Node, Primitive, topological
from dout.judge.ball_numbers import is_exact, middle
from dout.judge.judged_run import STABILISER
from dout.ops import by_primitive, primitives
from dout.trace.capture.covered_sides import FALSE, FIRST, SECOND, TRUE, ConditionPlace, Covered
from dout.trace.record.trace import Trace

Found = tuple[tuple[str, ...], set[str]]  # the sides that there are, and those that were come upon
Values = Mapping[Node, Any]
MOST_PIECES = 4  # of a function of steps that are told apart
_EXPONENTIALS, _MINUS = primitives("exp expm1 exp2 math_exp"), primitives("negative")
_LIMITS, _GUARDS = primitives("clip"), primitives("clip maximum minimum")
_INFINITE_AT_0 = primitives("log log2 log10 math_log sqrt math_sqrt cbrt reciprocal")
_QUOTIENTS, _POWERS = primitives("divide"), primitives("power pow")
_LOGARITHMS = primitives("log log2 log10 log1p")
_NEVER = 700.0  # whatever is done with a number that large: exp of more than 709 is infinite
_OVERFLOWS_AT = 80.0  # nearly: exp of more than 88 is infinite in float32

_BELOW, _INSIDE, _ABOVE = "at its lower limit", "between its limits", "at its upper limit"
_NEGATIVE, _POSITIVE = "of a negative number", "of a positive number"


def _truth(node: Node, out: Any, *inputs: Any) -> Found:
    held = np.asarray(out, dtype=bool)
    return (TRUE, FALSE), {*([TRUE] if np.any(held) else []), *([FALSE] if not np.all(held) else [])}


def _of_truths(node: Node, out: Any, *inputs: Any) -> Found | None:
    return _truth(node, out) if np.asarray(out).dtype.kind == "b" else None


def _larger(sign: int) -> Callable[..., Found]:
    def sides(node: Node, out: Any, a: Any, b: Any) -> Found:
        difference = sign * (np.asarray(a, dtype=float) - np.asarray(b, dtype=float))
        return (FIRST, SECOND), _named({FIRST: difference > 0, SECOND: difference < 0})

    return sides


def _limited(node: Node, out: Any, x: Any, low: Any, high: Any) -> Found:
    below, above = x < low, x > high
    ways = {_BELOW: below, _INSIDE: ~(below | above), _ABOVE: above}
    limits = {_BELOW: np.any(np.isfinite(low)), _INSIDE: True, _ABOVE: np.any(np.isfinite(high))}
    return tuple(side for side, there in limits.items() if there), _named(ways)


def _whole(node: Node, out: Any, *inputs: Any) -> Found:
    """Places and counts that carry no gradient, and answers of yes and no."""
    return _truth(node, out) if np.asarray(out).dtype.kind == "b" else _stepped(node, out, out)


def _signed(node: Node, out: Any, x: Any) -> Found:
    return (_NEGATIVE, _POSITIVE), _named({_NEGATIVE: x < 0, _POSITIVE: x > 0})


def _stepped(node: Node, out: Any, x: Any, *rest: Any) -> Found:
    """Steps: any two will do."""
    pieces = np.unique(np.asarray(out, dtype=float) + 0.0)[:MOST_PIECES]  # -0 is 0
    return (), {f"{piece:g}" for piece in pieces[np.isfinite(pieces)]}


def _as_type(node: Node, out: Any, x: Any, *rest: Any) -> Found | None:
    kinds = np.asarray(x).dtype.kind, np.asarray(out).dtype.kind
    if kinds[0] != "f" or kinds[1] not in "biu":
        return None
    return _truth(node, out) if kinds[1] == "b" else _stepped(node, out, x)


def _remainder(node: Node, out: Any, x: Any, y: Any) -> Found | None:
    whole = np.floor(np.asarray(x, dtype=float) / np.asarray(y, dtype=float))
    return _stepped(node, whole, x) if np.asarray(out).dtype.kind == "f" else None


def _rounded_to(node: Node, out: Any, x: Any, *rest: Any) -> Found | None:
    return _stepped(node, out, x) if np.asarray(x).dtype.kind == "f" else None


def _place_of(largest: bool) -> Callable[..., Found | None]:
    def sides(node: Node, out: Any, x: Any, *where: Any) -> Found | None:
        axis, x = node.static.get("axis"), np.asarray(x, dtype=float)
        if isinstance(axis, tuple) and len(axis) > 1:
            kept = [a for a in range(x.ndim) if a not in {a % x.ndim for a in axis}]
            x = np.transpose(x, (*kept, *(a % x.ndim for a in axis))).reshape(*(x.shape[a] for a in kept), -1)
            axis = -1
        axis = axis[0] if isinstance(axis, tuple) else axis
        if not x.size or (x.size if axis is None else x.shape[axis]) < 2:
            return None
        places = np.unique(np.argmax(x if largest else -x, axis=axis))[:MOST_PIECES]
        return (), {f"at index {place}" for place in places}

    return sides


def _chosen(node: Node, out: Any, condition: Any, *rest: Any) -> Found | None:
    """A mask that nothing computed: what did is a condition by itself."""
    return _truth(node, condition) if node.inputs[0].primitive is INPUT else None


def _named(ways: Mapping[str, Any]) -> set[str]:
    return {side for side, held in ways.items() if np.any(held)}


_RULES: dict[Primitive, Callable[..., Found | None]] = by_primitive({
    **dict.fromkeys(("less", "less_equal", "greater", "greater_equal", "equal", "not_equal", "all", "any", "signbit",
                     "logical_and", "logical_or", "logical_xor", "logical_not"), _truth),
    **dict.fromkeys(("bitwise_and", "bitwise_or", "bitwise_xor", "invert"), _of_truths),
    "maximum": _larger(1), "minimum": _larger(-1), "clip": _limited, "where": _chosen, "places": _whole,
    **dict.fromkeys(("absolute", "sign", "math_fabs"), _signed),
    **dict.fromkeys(("floor", "ceil", "trunc", "rint", "round", "around", "floor_divide", "math_floor", "math_ceil",
                     "math_trunc"), _rounded_to),
    "mod": _remainder, "math_fmod": _remainder, "astype": _as_type,
    **dict.fromkeys(("max", "argmax"), _place_of(largest=True)),
    **dict.fromkeys(("min", "argmin"), _place_of(largest=False)),
})  # fmt: skip


class Conditions:
    """The conditions among the nodes of a recording, those of backward too."""

    def __init__(self, trace: Trace, varying: Collection[Node]) -> None:
        self.trace = trace
        self.moving: set[Node] = set()  # what depends on more than constants in the source
        self.steering: set[Node] = set()  # what depends on inputs and parameters
        self.douts = {dout for call in trace.calls[:1] for dout in call.douts or () if dout is not None}
        self.late: set[Node] = set()  # what depends on upstream gradients
        for node in trace.graph.nodes:
            if node in trace.draws or (node.primitive is INPUT and node.where is None) or node in self.douts:
                self.moving.add(node)
            for found, begin in ((self.moving, ()), (self.steering, varying), (self.late, self.douts)):
                if node in begin or not found.isdisjoint(node.inputs):
                    found.add(node)
        self.nodes = tuple(n for n in trace.graph.nodes if n.primitive in _RULES and n in self.moving)
        forward = [n for n in trace.graph.nodes if n not in trace.backward]
        self.users = {i: [n for n in forward if i in n.inputs] for i in self.nodes}
        self.users |= {n: [m for m in forward if n in m.inputs] for n in forward if n.primitive in _MINUS}
        self._places: dict[Node, ConditionPlace] = {}

    @cached_property
    def taken(self) -> tuple[Node, ...]:
        """What an input or a parameter steered the program by, without being a comparison: an index, say."""
        return tuple(n for n in self.trace.steered if n in self.steering and n not in self.nodes)

    def place(self, node: Node) -> ConditionPlace:
        """Where a condition stands; a comparison in an `if` is the condition of that `if`."""
        if node not in self._places:
            site, name = self.trace.sites.get(node), node.primitive.symbol or str(node.primitive)
            if site is None:
                file, line = (node.where.file, node.where.line) if node.where else ("", 0)
                place = ConditionPlace(file, (line, 0, 0, 0), name)
            else:
                place = ConditionPlace.of(site.f_code, site.f_lasti)
                if not (_RULES.get(node.primitive) is _truth and isinstance(place.expression, ast.Compare)):
                    place = replace(place, part=name)  # a function may be made of several
            self._places[node] = place
        return self._places[node]

    def seen(self, values: Values, nodes: Iterable[Node] | None = None) -> Covered:
        """Which sides were come upon, with these values of all nodes."""
        found = Covered()
        for node in self.nodes if nodes is None else nodes:
            if node not in values or any(i not in values for i in node.inputs):
                continue
            with np.errstate(all="ignore"):
                sides = _RULES[node.primitive](node, _plain(values[node]), *(_plain(values[i]) for i in node.inputs))
            if sides is not None and (sides[0] or sides[1]):
                found.note(self.place(node), *sides)
        return found

    def seen_in_the_run(self) -> Covered:
        """Which sides the recorded run came upon."""
        found = self.seen(self.trace.data)
        for node in self.taken:
            value = np.asarray(self.trace.data[node])
            if value.ndim == 0 and value.dtype.kind in "biuf":
                whole = ((), {f"{np.trunc(value) + 0.0:g}"})
                found.note(self.place(node), *(_truth(node, value) if value.dtype.kind == "b" else whole))
        return found

    def before(self, nodes: Iterable[Node]) -> tuple[Node, ...]:
        """These conditions, and what they are computed from, from inputs and upstream gradients."""
        return topological(nodes, known=self.douts)

    def limits(self, nodes: Iterable[Node]) -> tuple[float, ...]:
        """The numbers that these conditions compare with."""
        operands = dict.fromkeys(i for node in nodes for i in node.inputs if i not in self.steering | self.late)
        values = [np.ravel(self.trace.data[i]) for i in operands if i in self.trace.data]
        numbers = [float(v[0]) for v in values if v.size and np.all(v == v[0]) and v.dtype.kind in "fiu"]
        return tuple(dict.fromkeys(n for n in numbers if np.isfinite(n) and n))

    def is_limit(self, node: Node) -> bool:
        """Whether a condition is a limit of a number."""
        return node.primitive in _LIMITS

    def is_excused(self, node: Node) -> bool:
        """Whether what lies beyond is meant to be wrong there: a number kept from 0, a gradient that is cut off.

        So are limits beyond which an exponential overflows: `np.exp(np.clip(x, -709, 709))`. A number is kept from 0
        for a division, a root, a power or a logarithm: `np.maximum(x, 1e-8)` alone is an activation.
        """
        if node.primitive in _GUARDS and node in self.late:
            return True
        limits = self.limits([node])
        if node.primitive in _LIMITS and limits == (1.0,) and self._leads_to(node, _is_logarithm):
            return True  # a share, whatever was given: between 0 and 1
        least = min(map(abs, limits), default=0.0)
        if (least >= _OVERFLOWS_AT and self._is_exponent(node)) or (least >= _NEVER and self._is_exponent(node, any)):
            return True
        if any(0 < abs(1 - n) <= STABILISER for n in limits):
            return True  # a share
        is_tiny = any(0 < abs(n) <= STABILISER for n in limits)
        return is_tiny and (node.primitive not in _GUARDS or self._leads_to(node, self._is_infinite_at_0))

    @property
    def cut_something_off(self) -> bool:
        """Whether a limit changed a number in the run: beyond it what backward leaves may be next to nothing."""
        data = self.trace.data
        clips = [node for node in self.nodes if node.primitive in _LIMITS and {node, node.inputs[0]} <= data.keys()]
        return any(np.any(data[node] != data[node.inputs[0]]) for node in clips)

    def is_beyond_a_guard(self, values: Values) -> bool:
        """Whether a limit of forward's that only keeps a number finite changes one there: `np.clip(p, 1e-7, 1 - 1e-7)`.

        Backward takes the derivative of what is meant, and that has no limit.
        """
        guards = (n for n in self.nodes if n.primitive in _GUARDS and n not in self.late)
        pairs = ((n, i) for n in guards if n in values and self.is_excused(n) for i in n.inputs if i in self.steering)
        return any(np.any(_plain(values[n]) != _plain(values[i])) for n, i in pairs if i in values)

    def _leads_to(self, node: Node, is_meant: Callable[[Node, Node], bool], steps: int = 4) -> bool:
        """Whether something of this kind is done with a value, or with what is made of it in a few steps."""
        users = self._all_users.get(node, ())
        return any(is_meant(n, node) or (steps > 1 and self._leads_to(n, is_meant, steps - 1)) for n in users)

    @cached_property
    def _all_users(self) -> Mapping[Node, Collection[Node]]:
        """What is made of each value, those of backward too: found once, a loop may hold thousands of limits."""
        found: dict[Node, dict[Node, None]] = {}
        for node in self.trace.graph.nodes:
            for i in node.inputs:
                found.setdefault(i, {})[node] = None
        return found

    def _is_infinite_at_0(self, user: Node, node: Node) -> bool:
        """Whether a result, or its derivative, grows without end where one of its inputs comes near 0."""
        if user.primitive in _POWERS:
            exponent = self.trace.data.get(user.inputs[1])
            return user.inputs[0] is node and exponent is not None and bool(np.any(np.asarray(exponent) < 1))
        return user.primitive in _INFINITE_AT_0 or (user.primitive in _QUOTIENTS and user.inputs[1] is node)

    def _is_exponent(self, node: Node, how: Callable[[Iterable[bool]], bool] = all) -> bool:
        """Whether `all` that forward does with a value, or with it and the other sign, is its exponential; or `any`."""
        users = self.users.get(node, [])
        return bool(users) and how(
            user.primitive in _EXPONENTIALS or (user.primitive in _MINUS and self._is_exponent(user, how))
            for user in users
        )


def _is_logarithm(user: Node, node: Node) -> bool:
    return user.primitive in _LOGARITHMS


def _plain(value: Any) -> Any:
    return np.asarray(middle(value)) if is_exact(value) else np.asarray(value)
