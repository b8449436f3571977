"""An explanation as data: forward, the steps of backward, simplified gradients, what they need, the user's code.

Every term stands for something that was checked: two forms of one gradient are equal in exact arithmetic, or are not
both here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dout.explain.terms.terms import Term
from dout.graph import Node, Where


@dataclass(frozen=True)
class Phrase:
    """Why something holds, as the key of a sentence in the table of words, and what is filled in there."""

    key: str
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Quantity:
    """A value that the explanation speaks of: an input, a parameter, a step of forward, or the output.

    `axes` names its axes by letters (N, D), one each, or is empty for numbers and where the layer acts on each element.
    """

    name: str
    term: Term | None  # what it is computed as, from other quantities; None of an input or a parameter
    node: Node
    value: Any
    axes: tuple[str, ...] = ()
    parameter: bool = False


@dataclass(frozen=True, eq=False)
class StepPart:
    """The gradient that one backward step passes to one of its inputs.

    `local` are equal forms of the local derivative, for steps on each element (−1/c², −y²). `gradient` is what the
    input gets, with all that came from downstream (−∂L/∂y · y²). For steps along axes `index` has both sides of the
    formula of one element, `gradient` the formula of whole arrays, `shapes` how their shapes go together, and `code`
    the same in NumPy. Where an input is used several times, `share` is the number of this part of its gradient, from 1;
    the part without a number that follows the last of them is their sum.
    """

    of: str
    gradient: Term
    value: Any
    local: tuple[Term, ...] = ()
    index: tuple[Term, Term] | None = None
    shapes: str = ""
    code: str = ""
    reason: Phrase | None = None
    share: int = 0


@dataclass(frozen=True, eq=False)
class DerivationStep:
    """A step of forward on the way back: what it passes to each of its inputs that has a gradient."""

    number: int
    operator: str  # as pictures write it: /, +, exp, x · W
    name: str  # of its output
    node: Node
    parts: tuple[StepPart, ...]
    says: Phrase | None = None


@dataclass(frozen=True, eq=False)
class Simplified:
    """The gradient of one input, in ever shorter equal forms, each with the reason why it equals the one before."""

    of: str
    forms: tuple[tuple[Term, Phrase | None], ...]
    code: str = ""


@dataclass(frozen=True, eq=False)
class Keeping:
    """One choice of what forward may keep for backward, with its memory; the best choice comes first."""

    names: tuple[str, ...]
    numbers: int  # elements that are kept, of the example
    bytes: int  # that these take
    reason: Phrase


@dataclass(frozen=True, eq=False)
class BackwardLine:
    """A line of the user's own backward, and the step that it is.

    `matches` is the quantity that the line computes, as a term (∂L/∂y · (1 − y) · y); None where it is none. `wrong`
    says that a right gradient goes in and a wrong one comes out; `instead` is then what it should be, in NumPy. A line
    that takes several steps at once has them in `steps`, and no single `step`.
    """

    where: Where
    source: str
    step: int | None = None
    matches: Term | None = None
    wrong: bool = False
    instead: str = ""
    reason: Phrase | None = None
    steps: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class Explanation:
    """The derivation of a layer's backward."""

    name: str
    where: Where | None
    forward: tuple[Quantity, ...]  # inputs and parameters first, then the steps in the order in which they ran
    outputs: tuple[str, ...]
    formula: Term | None  # the output from the inputs, where that is short
    steps: tuple[DerivationStep, ...]
    simplified: tuple[Simplified, ...]
    keeping: tuple[Keeping, ...]
    backward: tuple[BackwardLine, ...] = ()
    definitions: tuple[tuple[Term, Term], ...] = ()  # functions in the formulas that the user has not written: σ(x)
    before: Mapping[str, Phrase] = field(default_factory=dict)  # what is said before a step of forward, by its name
    not_explained: tuple[Phrase, ...] = ()  # what has no derivative or no formula, with its line
    recorded: tuple[str, ...] = ()  # the names of what a recording of forward computes, in its order
