"""Equal layers side by side become one box: each feeds the next one alone, or all take the same values."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterator, Sequence

from dout.draw.scene.nesting import Nesting, is_made
from dout.graph import CONSTANT, Node, dtype_name
from dout.trace.model.recorded import LayerCall
from dout.trace.record.trace import Trace

_FEWEST = 3  # layers in a stack
_BY_VALUE = {"selected"}  # static parameters that the values of a run decide: how many a mask selects


def stack(nesting: Nesting, trace: Trace, results: Collection[Node], opened: Collection[LayerCall]) -> None:
    """Put a call of our own around equal layers, "Block ×12", if none of them is `opened`.

    In it stands the first one, and the rest as a stack again. What has a wrong gradient at its border stays seen.
    """
    for level, units in nesting.levels().items():
        calls = [u for u in units if isinstance(u, LayerCall) and u not in opened and len(nesting.members[u]) > 1]
        if len(calls) >= _FEWEST:
            finder = _Finder(nesting, trace, results)
            for equal in finder.stacks(calls):
                whole = _stacked(nesting, equal, level)
                _stacked(nesting, equal[1:], whole)
                nesting.inner[whole] = [equal[0], nesting.calls[-1]]


def _static(node: Node) -> str:
    return repr({name: value for name, value in node.static.items() if name not in _BY_VALUE})


def _stacked(nesting: Nesting, equal: Sequence[LayerCall], level: LayerCall | None) -> LayerCall:
    first, last = equal[0], equal[-1]
    side_by_side = first.inputs == last.inputs
    outputs = tuple(o for call in equal for o in call.outputs) if side_by_side else last.outputs
    cls = f"{first.cls} ×{len(equal)}"
    name = f"{first.name} … {last.name}" if first.name != last.name else cls
    call = LayerCall(name, cls, first.inputs, outputs, level, first.where)
    nesting.enclose(call, equal)
    return call


class _Finder:
    """Finds equal layers among the calls of one level."""

    def __init__(self, nesting: Nesting, trace: Trace, results: Collection[Node]) -> None:
        self._nesting, self._trace, self._results = nesting, trace, results
        self._forms: dict[LayerCall, Hashable] = {}
        self._inside: dict[LayerCall, set[Node]] = {}

    def stacks(self, calls: Sequence[LayerCall]) -> Iterator[list[LayerCall]]:
        """Every row of equal layers that is long enough."""
        rows: list[list[LayerCall]] = []
        beside: dict[Hashable, list[LayerCall]] = {}
        for call in calls:
            if rows and self._follows(rows[-1][-1], call):
                rows[-1].append(call)
            else:
                rows.append([call])
        for row in rows:
            if len(row) == 1 and len([c for c in calls if c.inputs == row[0].inputs]) >= _FEWEST:
                beside.setdefault((row[0].inputs, self._form(row[0])), []).append(row[0])
        for row in [*rows, *beside.values()]:
            if len(row) >= _FEWEST and not any(self._is_wrong(call) for call in row):
                yield row

    def _follows(self, one: LayerCall, other: LayerCall) -> bool:
        """True if `other` is equal to `one`, takes all its results, and shares all other inputs with it."""
        users = [user for output in one.outputs for user in self._nesting.users.get(output, ())]
        return (
            one.cls == other.cls
            and len(one.inputs) == len(other.inputs)
            and any(given in one.outputs for given in other.inputs)
            and all(
                given in one.outputs or given is before or given.primitive is CONSTANT
                for given, before in zip(other.inputs, one.inputs, strict=True)
            )
            and not any(o in self._results or not self._nesting.users.get(o) for o in one.outputs)
            and all(user in self._set(other) for user in users)
            and self._form(one) == self._form(other)
        )

    def _set(self, call: LayerCall) -> set[Node]:
        if call not in self._inside:
            self._inside[call] = set(self._nesting.members[call])
        return self._inside[call]

    def _is_wrong(self, call: LayerCall) -> bool:
        found = [use.gradient for use in self._trace.arguments.get(call, ())]
        values = (self._trace.by_node.get(node) for node in (*call.inputs, *call.outputs))
        found += [value.gradient for value in values if value is not None]
        return any(gradient is not None and gradient.expected is not None for gradient in found)

    def _form(self, call: LayerCall) -> Hashable:
        """A key that equal layers share: every operator, and the sources of its arguments."""
        if call not in self._forms:
            members = self._nesting.members[call]
            known: dict[Node, Hashable] = {node: ("argument", i) for i, node in enumerate(call.inputs)}
            known |= {node: i for i, node in enumerate(members)}
            rows = [
                (n.primitive, n.shape, dtype_name(n.dtype), _static(n), self._path(n, call), *self._taken(n, known))
                for n in members
            ]
            leaving = [
                known[node]
                for node in members
                if any(u not in self._set(call) for u in self._nesting.users.get(node, ()))
            ]
            outputs = tuple(known.get(node) for node in call.outputs)
            hidden = not set(leaving) <= set(outputs)
            self._forms[call] = call if hidden else (call.cls, tuple(rows), outputs)
        return self._forms[call]

    def _path(self, node: Node, call: LayerCall) -> tuple[str, ...]:
        path = []
        for around in self._nesting.outward(self._nesting.homes.get(node)):
            if around is call:
                break
            path.append(around.cls)
        return tuple(path)

    def _taken(self, node: Node, known: dict[Node, Hashable]) -> Iterator[Hashable]:
        """The sources of a node's arguments: a node inside, an argument of the layer, its own state, or elsewhere."""
        for given in node.inputs:
            if given in known:
                yield known[given]
            elif given.primitive is CONSTANT:
                yield repr(given.static)
            else:
                yield given if is_made(given, self._trace) else (given.shape, dtype_name(given.dtype))
