"""The derivation of a backward in; hints in three degrees out. No hint is a line of the backward, or its formula.

1. What is asked: the formula of forward, the shapes, and which values backward needs.
2. The steps of forward on the way back, each with what it does to a gradient, in words.
3. The derivative of each step, as mathematics; to put them together, and to write it in NumPy, is left. The gradient of
   an input or a parameter is never there, not even for one element (dW[d, m] = …): words and shapes stand in its place.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from dout.exercise.sheet import Sheet
from dout.explain.derivation.derivation import explained
from dout.explain.formats.outline import gradient_name
from dout.explain.formats.terminal_lines import render
from dout.explain.model.explanation import DerivationStep, Explanation, StepPart

DEGREES = (1, 2, 3)


def hinted(explanation: Explanation, degree: int) -> Explanation:
    """Return as much of a derivation as a hint of some degree tells. What a format prints of it gives nothing away."""
    steps = tuple(_step(explanation, step, degree) for step in explanation.steps) if degree > 1 else ()
    told = replace(explanation, steps=steps, simplified=(), backward=(), definitions=(), not_explained=())
    return replace(told, where=None)


def most_degree(sheet: Sheet) -> int:
    """The last hint that a sheet has. Where the steps are asked, their derivatives are the answer."""
    return DEGREES[-2] if sheet.asks_steps else DEGREES[-1]


def hint_on(found: Any, degree: int, **options: Any) -> str:
    """A hint for a class as text; the options are those of `terminal_lines.render`."""
    return render(hinted(explained(found, {}, {}), degree), **options)


def _step(explanation: Explanation, step: DerivationStep, degree: int) -> DerivationStep:
    return replace(step, parts=tuple(_parts(explanation, step, degree)))


def _parts(explanation: Explanation, step: DerivationStep, degree: int) -> Iterator[StepPart]:
    """The parts of a step without what they come to: the gradient of each stands by its name alone."""
    asked = {quantity.name for quantity in explanation.forward if quantity.term is None}
    for part in step.parts:
        name = gradient_name(explanation, part.of, part.share)
        bare = replace(part, gradient=name, value=None, local=(), index=None, code="")
        tells = degree == DEGREES[-1]
        index = part.index if tells and part.of not in asked else None
        shapes = f"d{part.of}: {part.shapes}" if part.shapes and part.index != index else part.shapes
        yield replace(bare, local=part.local if tells else (), index=index, shapes=shapes)
