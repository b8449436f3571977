"""The turns of a loop in forward: steps that come again and again, alike but for the places of what they read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace

from dout.explain.axes.axis_classes import Axis
from dout.graph import Node, computed_from, uses_of, with_inputs
from dout.ops import primitives

FEWEST_TURNS = 3
FEWEST_STEPS = 12  # of all of them together: fewer are told one by one
LONGEST_TURN = 60  # steps
_PLACED = primitives("getitem scatter setitem add_at")  # at a place, which differs from turn to turn
_VIEWS = primitives("getitem reshape ravel transpose")


@dataclass(frozen=True, eq=False)
class AlikeTurns:
    """Turns of a loop in the order of the run, each with as many steps as the others, in the same order."""

    turns: tuple[tuple[Node, ...], ...]

    @property
    def is_long(self) -> bool:
        """Whether nobody would read every turn."""
        return len(self.turns) > FEWEST_TURNS and len(self.turns) * len(self.turns[0]) >= FEWEST_STEPS

    @property
    def axes(self) -> list[tuple[Axis, Axis]]:
        """Axes that agree: of each turn's values and of the last turn's, and those along which all turns go alike."""
        pairs = [pair for turn in self.turns[:-1] for pair in zip(self.turns[-1], turn, strict=True)]
        found = [((last, axis), (one, axis)) for last, one in pairs for axis in range(len(last.shape))]
        first: dict[tuple[int, tuple[int, ...]], Axis] = {}
        for steps in zip(*self.turns, strict=True):
            for axis, places in _places(steps):
                if len(set(places)) > 1:
                    whole = (steps[-1].inputs[0], axis)
                    found.append((first.setdefault((whole[0].shape[axis], places), whole), whole))
        return found


def alike_turns(steps: Sequence[Node]) -> list[AlikeTurns]:
    """The loops among the steps of a forward: of several ways to read them, the one that covers most."""
    forms, start = list(map(_form, steps)), 0
    found = []
    while start < len(steps):
        lengths = range(1, min(LONGEST_TURN, (len(steps) - start) // FEWEST_TURNS) + 1)
        ways = [
            (_turns(forms, start, length) * length, -length) for length in lengths if _comes_again(forms, start, length)
        ]
        covered, length = max(ways, default=(0, -1))
        if covered < max(FEWEST_TURNS * -length, 2 * FEWEST_TURNS):
            start += 1
            continue
        places = range(start, start + covered, -length)
        found.append(AlikeTurns(tuple(tuple(steps[i : i - length]) for i in places)))
        start += covered
    return found


def with_loops_in_one(steps: list[Node], loops: list[AlikeTurns]) -> tuple[list[Node], list[AlikeTurns]]:
    """The steps and their loops, where what the turns do not change is computed before all of them.

    A filter that is chosen, or an image that is padded, in an outer loop would part the turns of the inner one.
    """
    turns = [turn for loop in loops if loop.is_long for turn in loop.turns]
    inside = {node for turn in turns for node in turn if any(one.primitive not in _VIEWS for one in turn)}
    lines = {node.where for node in inside}
    beside = {node for node in steps if node.where in lines}
    after = beside | computed_from(steps, beside)
    moved = [*_by_form([node for node in steps if node not in after]), *(node for node in steps if node in after)]
    found = alike_turns(moved) if inside and moved != steps else loops
    return (moved, found) if len(found) < len(loops) else (steps, loops)


def _by_form(steps: list[Node]) -> list[Node]:
    """The steps with equal ones next to each other, if each step still comes after its inputs; else unchanged."""
    first: dict[Hashable, int] = {}
    forms = [first.setdefault(_form(node), place) for place, node in enumerate(steps)]
    found = [steps[i] for i in sorted(range(len(steps)), key=forms.__getitem__)]
    place = {node: i for i, node in enumerate(found)}
    in_order = all(place.get(read, -1) < i for node, i in place.items() for read in node.inputs)
    return found if in_order else steps


def _places(steps: Sequence[Node]) -> Iterator[tuple[int, tuple[int, ...]]]:
    """The axes along which one step of all turns takes one place each, with these places."""
    keys = [step.static.get("key") for step in steps if step.primitive in _PLACED]
    each = [key if isinstance(key, tuple) else (key,) for key in keys]
    if not any(part is Ellipsis or part is None for key in each for part in key):
        for axis, places in enumerate(zip(*each, strict=False)):
            if all(type(place) is int for place in places):
                yield axis, places


def with_own_views(nodes: Sequence[Node]) -> dict[Node, list[Node]]:
    """Each node with the nodes that replace it: a view that several steps share is copied for each of them.

    The last of several copies is that of the last use.
    """
    uses = Counter(i for node in nodes for i in dict.fromkeys(node.inputs))
    made: dict[Node, list[Node]] = {}

    def own(node: Node) -> Node:
        if node not in made or not (uses[node] > 1 and node.primitive in _VIEWS):
            return made.get(node, [node])[-1]
        made[node].append(replace(node, inputs=tuple(map(own, node.inputs))))
        return made[node][-1]

    for node in nodes:
        shared = uses[node] > 1 and node.primitive in _VIEWS
        made[node] = [] if shared else [with_inputs(node, tuple(map(own, node.inputs)))]
    return {node: copies or [node] for node, copies in made.items()}


def places_of_use(steps: Sequence[Node]) -> dict[Node, Node]:
    """The step beside which each step may stand: a view with one reader (`w[j]`) stands beside that reader."""
    uses, found = uses_of(steps), dict[Node, Node]()
    for node in reversed(steps):  # each comes before the steps that read it
        by = {user for user, _ in uses.get(node, ())} if node.primitive in _VIEWS else set()
        found[node] = found[by.pop()] if len(by) == 1 else node
    return found


def _comes_again(forms: Sequence[Hashable], start: int, length: int) -> bool:
    return start + length < len(forms) and forms[start] == forms[start + length]


def _turns(forms: Sequence[Hashable], start: int, length: int) -> int:
    """How many turns of so many steps follow each other."""
    first, count = forms[start : start + length], 1
    while forms[start + count * length : start + (count + 1) * length] == first:
        count += 1
    return count


def _form(node: Node) -> Hashable:
    """The key of a step that is equal in every turn: its row, its line, and its shapes."""
    fixed = {} if node.primitive in _PLACED else node.static
    return (node.primitive, node.where, node.shape, repr(sorted(fixed.items())), tuple(i.shape for i in node.inputs))
