"""What a later call must have in common with the recorded one for a program to stand for it: a line for each kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import NoneType

from dout.engine.codegen.driver import needed
from dout.engine.codegen.kernel_words import places
from dout.engine.compile.program_builder import BuiltProgram
from dout.engine.guards.reachable_state import Read
from dout.graph import CONSTANT, Node
from dout.trace.capture.templates import Held, Same, Spot, held_in

_LONGEST = 24  # characters of a value
_NAMED = 3  # places that are named, of many


def guards_of(built: BuiltProgram, whose: Callable[[Spot], str]) -> Iterator[str]:
    """The conditions, numbers, arrays and settings for which a program holds, beside the arguments it is given.

    `whose` names a place in the user's objects.
    """
    yield from _steering(built)
    run, wanted = built.program.capture, needed(built.program)
    read = Read(run, wanted)
    found = [spot for spot in run.spots if spot.before is not None and read.matters(spot)]
    watched = wanted | run.looked | {node for spot in read.restored for node in held_in(spot.before)}
    arrays = [
        run.names.get(spot.before.node, whose(spot)) if isinstance(spot.holder, list | dict | tuple) else whose(spot)
        for spot in found
        if isinstance(spot.before, Held) and spot.before.node in watched
    ]
    settings = [whose(spot) for spot in found if _is_setting(spot)]
    settings += [run.names[node] for node in dict.fromkeys(node for node, _ in run.outcomes) if node in run.names]
    if arrays:
        yield f"{_many(arrays, 'array')} as before in dtype and shape"
    if settings:
        yield f"{_many(settings, 'setting')} as before"


def _steering(built: BuiltProgram) -> Iterator[str]:
    """The values that steered the run, by what they were: conditions, or numbers that something asked for."""
    found: dict[str, list[tuple[Node, object]]] = {}
    for (node, kind), outcome in built.program.capture.outcomes.items():
        if node.where is not None and built.program.now[node].primitive is not CONSTANT:
            found.setdefault("condition" if kind == "branch" else "number", []).append((node, outcome))
    for what, steered in found.items():
        at = places(node for node, _ in steered)
        if len(steered) == 1:
            yield f"the {what} at {at} is {repr(steered[0][1]).removeprefix('np.')[:_LONGEST]}"
        else:
            asked = "conditions" if what == "condition" else "numbers for bounds and places"
            yield f"{len(steered)} {asked} are as at the first call, {at}"


def _is_setting(spot: Spot) -> bool:
    """Whether a place holds a plain value of the user's, and no object, function, module or class."""
    return isinstance(spot.before, Same) and isinstance(
        spot.before.item, str | bytes | int | float | complex | NoneType
    )


def _many(names: list[str], what: str) -> str:
    """Names that are few, or their number and the first of them."""
    if len(names) == 1:
        return f"{names[0]} is"
    distinct = list(dict.fromkeys(names))  # layers of one class have attributes of one name
    if len(names) == len(distinct) <= _NAMED:
        return f"{', '.join(names)} are"
    return f"{len(names)} {what}s ({', '.join(distinct[:_NAMED])}{', …' * (len(distinct) > _NAMED)}) are"
