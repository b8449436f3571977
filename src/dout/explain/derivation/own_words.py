"""The words of a derivation for the nodes of the recording: what the user's own backward is compared in."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from dout.explain.beside.meaning import UNNAMED
from dout.explain.derivation.forward_graph import Forward
from dout.explain.model.explanation import DerivationStep
from dout.explain.terms.node_terms import term_of
from dout.explain.terms.terms import Partial, Symbol, Term
from dout.graph import CONSTANT, Node
from dout.ops import primitives

_SOFTMAX, _LOG_SOFTMAX = primitives("special_softmax"), primitives("special_log_softmax")
MOST_WRITTEN = 24  # symbols of a formula of the user's line


@dataclass(frozen=True, eq=False)
class OwnWords:
    """Names, steps and letters of one derivation."""

    forward: Forward
    steps: Sequence[DerivationStep]
    letters: Mapping[Node, tuple[str, ...]]

    @cached_property
    def _numbers(self) -> Mapping[Node, int]:
        return {step.node: step.number for step in self.steps}

    def step(self, node: Node) -> int | None:
        """The number of the step of backward that goes through a node of forward; None where no step does."""
        now = self.forward.now.get(node, node)
        logarithm = (n for n in self._numbers if n.primitive in _LOG_SOFTMAX and n.inputs == now.inputs)
        return self._numbers.get(next(logarithm, now) if now.primitive in _SOFTMAX else now)

    def term(self, node: Node) -> Term | None:
        """A value of forward by its name, or as a number; None of one without a name."""
        if node.primitive is CONSTANT:
            return term_of(node, {})
        name = self.forward.names.get(self.forward.now.get(node, node))
        return None if name is None else Symbol(name)

    def gradient(self, node: Node) -> Term:
        """The gradient of a value of forward, by its name: ∂L/∂x, or dx where the steps go along axes."""
        now = self.forward.now.get(node, node)
        name = self.forward.names.get(now)
        if name is None:
            return Symbol(UNNAMED)
        if not self.letters:
            return Partial(name)
        return Symbol("dout" if self.forward.outputs == (now,) else f"d{name}")

    def axes(self, node: Node) -> tuple[str, ...]:
        """The letters of a value's axes, one each; none where the layer acts on each element."""
        return self.letters.get(self.forward.now.get(node, node), ())

    def written(self, node: Node, known: Mapping[Node, Term]) -> Term | None:
        """The formula of a node of the user's backward, from nodes whose terms are known; None of a long one."""
        return term_of(node, known, short=MOST_WRITTEN)

    def spell(self, node: Node) -> str | None:
        """NumPy code of a gradient, if one part of one step gives all of it."""
        name = self.forward.names.get(self.forward.now.get(node, node))
        codes = [part.code for step in self.steps for part in step.parts if part.of == name]
        return codes[0] or None if len(codes) == 1 and self._is_of_the_user(codes[0]) else None

    def _is_of_the_user(self, code: str) -> bool:
        """Whether a line of NumPy has no letter in it that only the derivation gave to a value, or to its gradient."""
        letters = {name for node, name in self.forward.names.items() if not self.forward.is_named(node)}
        return not set(re.findall(r"[A-Za-z_]\w*", code)) & {*letters, *(f"d{letter}" for letter in letters)}
