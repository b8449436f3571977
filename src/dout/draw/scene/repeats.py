"""Repeated groups of steps side by side become one box: "Affine, Relu ×25", or "for t in range(2000)"."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Collection, Hashable, Iterable, Iterator, Sequence

from dout.draw.scene.loop_titles import loop_title
from dout.draw.scene.nesting import Nesting, Unit, is_made
from dout.draw.words.safe_text import shorten
from dout.graph import CONSTANT, Node, dtype_name
from dout.ops import primitives
from dout.trace.model.recorded import LayerCall
from dout.trace.record.trace import Trace

_FEWEST = 3  # turns that are folded
_MOST_SEEN = 24  # units that are drawn side by side as they are, unless they are layers of one class
_MOST_MOVED = 12  # units, where they compute nothing: windows that are cut out, rows that are written
_MOVING = primitives("getitem setitem add_at")
_LONGEST = 100  # units in one turn
_TRIED = 8  # lengths of a turn that are tried from one place on
_ENDS = 3  # values of a series that are all drawn; of a longer one, the first and the last

Source = tuple[int, Hashable]  # the unit that a value comes from with its place there; -1 and the value from elsewhere


def fold(nesting: Nesting, trace: Trace, results: Collection[Node], opened: Collection[LayerCall]) -> None:
    """Put a call of our own around turns that repeat, if none of their layers is `opened`.

    In it stands the first turn, and the rest as a box again.
    """
    for level, units in nesting.levels().items():
        row = _Row(nesting, trace, units, {*results, *(level.outputs if level is not None else ())}, opened)
        for start, period, turns in [*row.repeats()]:
            whole = row.enclose(start, period, turns, level)
            rest = row.enclose(start + period, period, turns - 1, whole)
            nesting.inner[whole] = [u for u in units[start : start + period] if isinstance(u, LayerCall)] + [rest]


class _Row:
    """The units of one level in the order of the run, and the sources of what each of them takes."""

    def __init__(
        self,
        nesting: Nesting,
        trace: Trace,
        units: Sequence[Unit],
        results: Collection[Node],
        opened: Collection[LayerCall],
    ) -> None:
        self._nesting, self._trace, self._units, self._results = nesting, trace, units, results
        self._home: dict[Node, Source] = {
            node: (i, place) for i, unit in enumerate(units) for place, node in enumerate(nesting.inside(unit))
        }
        kinds: dict[Hashable, int] = {}
        self._keys: list[int] = []  # equal ones for units of the same form
        self._sources: list[tuple[Source, ...]] = []
        self._given: dict[Unit, list[Node]] = {}
        self._places: dict[int, list[int]] = {}
        for i, unit in enumerate(units):
            key, taken = self._form(unit)
            self._given[unit] = taken
            self._keys.append(kinds.setdefault(i if unit in opened else key, len(kinds)))
            self._sources.append(tuple(self._home.get(node, (-1, node)) for node in taken))
            self._places.setdefault(self._keys[i], []).append(i)
        self._reach = [self._last_use(i) for i in range(len(units))]

    # --- what repeats -------------------------------------------------------------------------------------------------

    def repeats(self) -> Iterator[tuple[int, int, int]]:
        """Start, units in a turn, and number of turns of each group that is to be folded."""
        start = 0
        while start < len(self._units):
            ways = [(self._turns(start, period), period) for period in self._periods(start)]
            ways = [(turns, period) for turns, period in ways if turns >= _FEWEST]
            turns, period = max(ways, key=lambda way: (way[0] * way[1], -way[1]), default=(0, 0))
            if turns and self._is_worth_it(start, period, turns * period):
                start, turns = self._aligned(start, period)
                yield start, period, turns
                start += turns * period
            else:
                start += 1

    def _periods(self, start: int) -> Iterable[int]:
        same_key = self._keys[start]
        same = self._places[same_key]
        after = bisect_right(same, start)
        near = (at - start for at in same[after : after + _TRIED] if at - start <= _LONGEST)
        return (period for period in near if self._keys[start + 2 * period : start + 2 * period + 1] == [same_key])

    def _turns(self, start: int, period: int) -> int:
        """How often the units from `start` on repeat: each turn wired as the one before, and its values used alike."""
        i = start
        while i + period < len(self._units) and self._follows(i, start, period):
            i += 1
        turns, cut = 1 + (i - start) // period, 0
        while cut != turns >= _FEWEST:
            cut, end = turns, start + turns * period
            leaves = [self._reach[unit] >= end for unit in range(start, end)]
            for turn in range(1, turns - 1):
                first, this = leaves[:period], leaves[turn * period : (turn + 1) * period]
                if this != first:
                    turns = turn + (not any(a > b for a, b in zip(first, this, strict=True)))
                    break
        return turns

    def _follows(self, unit: int, start: int, period: int) -> bool:
        """True if the next turn has an equal unit, with corresponding inputs."""
        return self._keys[unit] == self._keys[unit + period] and all(
            (mine >= start and later - mine == period and place == other)  # the same within the turns
            or (mine < start and later < start)  # from outside
            or (mine < start and unit < start + period and later < start + period)  # the first turn has no other before
            for (mine, place), (later, other) in zip(self._sources[unit], self._sources[unit + period], strict=True)
        )

    def _is_worth_it(self, start: int, period: int, covered: int) -> bool:
        first, turn = self._units[start], self._units[start : start + period]
        moves = all(isinstance(unit, Node) and unit.primitive in _MOVING for unit in turn)
        if covered > (_MOST_MOVED if moves else _MOST_SEEN):
            return True
        alike = period == 1 and isinstance(first, LayerCall) and len(self._nesting.members[first]) > 1
        return alike and not any(map(self._is_wrong, self._units[start : start + covered]))

    def _aligned(self, start: int, period: int) -> tuple[int, int]:
        """The same turns from another of their units on, where steps before them are as the end of a turn."""
        names, units = [_name(unit) for unit in self._units[start : start + period]], self._units
        like = 0
        while like < min(period - 1, start) and _name(units[start - 1 - like]) == names[-1 - like]:
            like += 1
        begin = start + period - like if like else start
        return begin, self._turns(begin, period)

    def _last_use(self, at: int) -> int:
        """The last unit that uses a value of this one; beyond all, if it is used elsewhere or is a result."""
        beyond = len(self._units)
        ends = _outputs(self._units[at])
        found = [at]
        for node in self._nesting.inside(self._units[at]):
            users = self._nesting.users.get(node, ())
            found += [self._home.get(user, (beyond, 0))[0] for user in users]
            if node in self._results or (not users and node in ends):
                found.append(beyond)
        return max(found)

    def _is_wrong(self, unit: Unit) -> bool:
        call = unit if isinstance(unit, LayerCall) else None
        found = [use.gradient for use in self._trace.arguments.get(call, ())] if call else []
        values = (self._trace.by_node.get(node) for node in (*unit.inputs, *_outputs(unit)))
        found += [value.gradient for value in values if value is not None]
        return any(gradient is not None and gradient.expected is not None for gradient in found)

    # --- the form of a unit -------------------------------------------------------------------------------------------

    def _form(self, unit: Unit) -> tuple[Hashable, list[Node]]:
        """A key that equal units share (each operator with its arguments' sources), and the inputs from outside."""
        members = self._nesting.inside(unit)
        inside = {node: i for i, node in enumerate(members)}
        call = unit if isinstance(unit, LayerCall) else None
        taken = {node: i for i, node in enumerate(dict.fromkeys(call.inputs if call else ())) if node not in inside}
        rows = []
        for node in members:
            row: list[Hashable] = [node.primitive, node.shape, dtype_name(node.dtype), _static(node)]
            for given in node.inputs:
                if given in inside:
                    row.append(inside[given])
                elif given.primitive is CONSTANT:
                    row.append(repr(given.static))
                else:
                    row.append((taken.setdefault(given, len(taken)), given.shape))
            rows.append((*row, *self._classes_around(node, call)))
        if call is None:
            return tuple(rows), list(taken)
        return (call.cls, tuple(rows), tuple(inside.get(node) for node in call.outputs)), list(taken)

    def _classes_around(self, node: Node, call: LayerCall | None) -> Iterator[str]:
        for around in self._nesting.outward(self._nesting.homes.get(node)) if call else ():
            if around is call:
                return
            yield around.cls

    # --- the box ------------------------------------------------------------------------------------------------------

    def enclose(self, start: int, period: int, turns: int, level: LayerCall | None) -> LayerCall:
        """Put a call of our own around so many turns; of a series of values that it takes or gives, only both ends."""
        units = self._units[start : start + period * turns]
        members = {node for unit in units for node in self._nesting.inside(unit)}
        ends = {node for unit in units for node in _outputs(unit)}
        taken: dict[Node, None] = {}
        given: dict[Node, None] = {}
        between: dict[Node, Sequence[Node]] = {}
        for series in (units[at::period] for at in range(period)):
            for values in zip(*(self._taken(unit, members) for unit in series), strict=False):
                distinct = tuple(dict.fromkeys(v for v in values if v is not None))
                taken |= dict.fromkeys(_ends(distinct))
                if len(distinct) > _ENDS:
                    between[distinct[-1]] = distinct[1:-1]
            for nodes in zip(*map(self._nesting.inside, series), strict=True):
                given |= dict.fromkeys(_ends(node for node in nodes if self._leaves(node, members, ends)))
        name, cls = _titles(units, period, turns)
        first = units[0]
        call = LayerCall(name, cls, tuple(taken), tuple(given), level, first.where)
        self._nesting.enclose(call, units)
        self._nesting.folds[call] = between
        return call

    def _taken(self, unit: Unit, members: Collection[Node]) -> list[Node | None]:
        """The inputs of a unit from outside: its arguments and computed values. None stands for any other input."""
        arguments = set(unit.inputs)
        return [
            node if node not in members and (node in arguments or is_made(node, self._trace)) else None
            for node in self._given[unit]
        ]

    def _leaves(self, node: Node, members: Collection[Node], ends: Collection[Node]) -> bool:
        users = self._nesting.users.get(node, ())
        return node in self._results or any(user not in members for user in users) or (not users and node in ends)


def _static(node: Node) -> str:
    """The static parameters, but those that the values of a run decide, and the places that a loop counts up."""
    if not node.static:
        return ""
    known = {name: value for name, value in node.static.items() if name not in ("selected", "key")}
    key = re.sub(r"\d+", "#", repr(node.static.get("key")))
    return f"{known!r} {key}"


def _ends(values: Iterable[Node]) -> tuple[Node, ...]:
    found = tuple(dict.fromkeys(values))
    return found if len(found) <= _ENDS else (found[0], found[-1])


def _outputs(unit: Unit) -> Sequence[Node]:
    return unit.outputs if isinstance(unit, LayerCall) else (unit,)


def _name(unit: Unit) -> str:
    return unit.cls if isinstance(unit, LayerCall) else str(unit.primitive)


def _titles(units: Sequence[Unit], period: int, turns: int) -> tuple[str, str]:
    """The name and the class of a box: its loop, or what is in a turn; the first and the last of the layers."""
    layers = [unit for unit in units if isinstance(unit, LayerCall)]
    many = f" ×{turns}"
    inside = ", ".join(dict.fromkeys(_name(unit) for unit in units[:period] if unit in layers[:period] or not layers))
    counted = f"{shorten(inside, 24 - len(many))}{many}"
    title = loop_title(units[:period], turns)
    if title:
        return counted, title
    if period == 1 and layers and layers[0].name != layers[-1].name:
        return f"{layers[0].name} … {layers[-1].name}", counted
    return counted, counted
