"""What the values of a forward are called: the user's names first, then y for the output, then letters."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from dout.graph import Node, topological
from dout.trace.model.annotated import AnnotatedRun

OUTPUTS = ("y", "z")  # what an output is called that has no name of its own
_SAY_LITTLE = (*OUTPUTS, "out", "output", "ret", "result")
_LETTERS = "abcfgpqrsuvwz"  # names of steps that have none; others stand for indices, and e, t, y for other things


def value_names(
    given: Mapping[Node, str],
    outputs: Sequence[Node],
    steps: Sequence[Node],
    own: Mapping[Node, str],
    left_out: Collection[Node],
) -> dict[Node, str]:
    """A name of its own for every value: `given` says what inputs and parameters are called, `own` all others.

    Of several steps with one name, as `x = f(x)` makes them, the last one has it. No name is that of the gradient of
    another value: `dx` beside `x`, or `out` beside `dout`. Steps that are `left_out` get letters after all others.
    """
    found: dict[Node, str] = {}
    for node, name in given.items():
        found[node] = _free([name], found.values())
    held = {name for node, name in own.items() if node in steps and node not in outputs}
    for node in outputs:
        name = own.get(node, "")
        fits = name and name not in _SAY_LITTLE and is_free(name, found.values())
        found[node] = name if fits else _free([o for o in OUTPUTS if o not in held] or OUTPUTS, found.values())
    for node in reversed(steps):
        if node not in found and node in own and is_free(own[node], found.values()):
            found[node] = own[node]
    letters = _letters()
    for node in sorted(steps, key=left_out.__contains__):
        if node not in found:
            found[node] = next(letter for letter in letters if is_free(letter, found.values()))
    return found


def names_by_part(trace: AnnotatedRun) -> dict[str, str]:
    """Of inputs of one name, what each is called by the part that reads it: W and W_2 as W_first and W_second."""
    inputs = trace.graph.inputs
    alike = {name: node for name, node in inputs.items() if name != trace.names.get(node) in inputs}
    alike |= {name: inputs[name] for name in {trace.names[node] for node in alike.values()}}
    whole = trace.calls[0] if trace.calls else None
    found: dict[str, str] = {}
    for call in trace.calls if alike else ():
        if call.parent is whole is not call:
            inside = {*topological(call.outputs)} - {*topological(call.inputs)}
            part = re.sub(r"\W+", "", call.name)  # heads0 of heads[0]
            read = {name: f"{trace.names[node]}_{part}" for name, node in alike.items() if node in inside}
            found = {**read, **found}
    every = Counter(found.values())
    return {name: called for name, called in found.items() if every[called] == 1 and called not in inputs}


def is_free(name: str, taken: Collection[str]) -> bool:
    """Whether a name stands for nothing else, nor for the gradient of another value, nor that for it."""
    gradient_of = name[1:] if name.startswith("d") else ""
    return name not in taken and f"d{name}" not in {*taken, "dout"} and name != "dout" and gradient_of not in taken


def _free(choices: Iterable[str], taken: Collection[str]) -> str:
    """The first name that is free; with a prime where none is."""
    names = list(choices)
    while (free := next((name for name in names if is_free(name, taken)), None)) is None:
        names = [f"{name}'" for name in names]
    return free


def _letters() -> Iterator[str]:
    yield from _LETTERS
    i = 1
    while True:
        yield f"v{i}"
        i += 1
