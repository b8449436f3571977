"""A graph in which loops are unrolled in; the graph in which the turns of each are one step with a body out."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from dout.export.batch_numbers import BatchInt
from dout.export.loops.loop_rows import LOOP
from dout.export.loops.repeated_turns import FEWEST_TURNS, TurnSearch, bases, form_of, is_part
from dout.export.loops.rolled_body import RolledBody, joined_turns
from dout.graph import CONSTANT, INPUT, Graph, Node, Where, computed_from, topological, with_inputs
from dout.ops import PRIMITIVES
from dout.rewrite.simplify import merge_equal_nodes

_LEAVES = (INPUT, CONSTANT)
_JOINING = (PRIMITIVES["concatenate"], PRIMITIVES["array"])


def rolled(graph: Graph, arguments: Iterable[Node] = ()) -> Graph:
    """Return the graph in which each loop is one step. The arguments decide what a turn computes."""
    steps = _in_order(graph, computed_from(graph.nodes, arguments))
    ends, search, begin = graph.outputs, TurnSearch(), 0
    while (found := search.next(steps, begin)) is not None:
        start, turns = found
        after = steps[start + len(turns.turns) * len(turns.turns[0]) :]
        inside = {node for turn in turns.turns for node in turn}
        reads = [*(i for n in after for i in n.inputs), *ends.values()]
        read = [node for i in reads for node in bases(i) if node in inside]
        body = RolledBody(turns, read)
        loop = body.loop
        loop = replace(loop, static={**loop.static, "body": rolled(merge_equal_nodes(loop.static["body"]))})
        body.loop = loop
        rest, ends = _over_loop(body, after, ends)
        steps = _needed([*steps[:start], *body.before, loop, *rest], ends)
        begin = steps.index(loop) + 1
    if ends is graph.outputs:
        return graph
    return merge_equal_nodes(Graph(topological([*graph.inputs.values(), *ends.values()]), graph.inputs, ends))


def _in_order(graph: Graph, moving: Collection[Node]) -> list[Node]:
    """The steps, those first that no argument decides: the first turn has them, as `W.T`, and others use the same.

    One that the other turns have too, of what an argument decides, belongs to its turn: the product with a first state.
    """
    steps = [node for node in graph.nodes if node.primitive not in _LEAVES and not is_part(node)]
    forms, fixed = {form_of(node) for node in moving}, set[Node]()
    for node in steps:
        ready = all(i in fixed or i.primitive in _LEAVES for read in node.inputs for i in bases(read))
        if ready and node not in moving and form_of(node) not in forms:
            fixed.add(node)
    return sorted(steps, key=lambda node: node not in fixed)


def _over_loop(body: RolledBody, after: Sequence[Node], ends: Mapping[str, Node]) -> tuple[list[Node], dict[str, Node]]:
    """The steps after a loop, and the outputs, over what the loop leaves."""
    now: dict[Node, Node] = {}
    steps: dict[Node, None] = {}

    def standing(node: Node) -> Node:
        if node in body.place_of and node not in now:
            made = body.left(node)
            steps.update(dict.fromkeys(step for step in made if not is_part(step)))
            now[node] = made[-1]
        if node not in now and is_part(node):
            now[node] = with_inputs(node, [standing(i) for i in node.inputs])
        return now.get(node, node)

    for node in after:
        made = with_inputs(node, [standing(i) for i in node.inputs])
        joined = list(joined_turns(made)) if made.primitive in _JOINING else []
        steps.update(dict.fromkeys(joined or [made]))
        now[node] = (joined or [made])[-1]
    ends = {name: standing(node) for name, node in ends.items()}
    return list(steps), ends


def _needed(steps: Sequence[Node], ends: Mapping[str, Node]) -> list[Node]:
    wanted, kept = {base for end in ends.values() for base in bases(end)}, list[Node]()
    for node in reversed(steps):
        if node in wanted:
            kept.append(node)
            wanted.update(base for read in node.inputs for base in bases(read))
    return kept[::-1]


def told_loops(graph: Graph) -> Iterator[tuple[str, Where | None]]:
    """Which loops a graph has, or that it has none, in words, with their places."""
    loops = [node for node in graph.nodes if node.primitive is LOOP]
    for node in loops:
        turns = node.static["turns"]
        yield f"a Loop of {turns.text if isinstance(turns, BatchInt) else turns} turns", node.where
    if not loops:
        yield f"no Loop: there are no {FEWEST_TURNS} turns that are alike, and all steps are written one by one", None
