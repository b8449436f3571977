"""What a comparison with the user's backward has to know of the derivation: its words for values and gradients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from dout.explain.terms.terms import Term
from dout.graph import Node

UNNAMED = "the right gradient"  # that of a value without a name


class Meaning(Protocol):
    """The derivation's words for the nodes of forward."""

    def step(self, node: Node) -> int | None:
        """The number of the step of backward that goes through a node of forward; None where no step does."""

    def term(self, node: Node) -> Term | None:
        """A value of forward by its name, or as a number; None of one without a name."""

    def gradient(self, node: Node) -> Term:
        """The gradient of a value of forward, by its name: ∂L/∂x."""

    def axes(self, node: Node) -> tuple[str, ...]:
        """The letters of a value's axes, one each: N, D; none where they have none."""

    def written(self, node: Node, known: Mapping[Node, Term]) -> Term | None:
        """The formula of a node of the user's backward, from nodes whose terms are known; None where it has none."""

    def spell(self, node: Node) -> str | None:
        """NumPy code of the gradient of a value of forward, in the names of the user's backward; None if unknown."""
