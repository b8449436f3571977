"""The gradient of a normalised array in one formula, as in books: (dn − mean(dn) − n · mean(dn · n)) / std."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from dout.explain.axes.term_values import equal_values
from dout.explain.derivation.exact_points import ExactPoints
from dout.explain.derivation.forward_graph import Forward
from dout.explain.terms.node_terms import term_of
from dout.explain.terms.terms import Symbol, Term
from dout.graph import Node, evaluate
from dout.ops import primitives
from dout.rewrite.node_facts import made_by

SHORT = 8  # symbols of a scale without a name
NEAR = 1e-9
_QUOTIENTS, _SCALING = primitives("divide"), primitives("divide multiply")


@dataclass(frozen=True)
class NormForms:
    """Looks for the gradients of what a forward normalises: an array divided by a number of each of its rows."""

    forward: Forward
    points: ExactPoints

    def of(self, value: Node) -> tuple[Term, Node] | None:
        """The formula and node of an input's gradient from that of the normalised array; None if there is none."""
        gradient = self.forward.gradients.of.get(value)
        if gradient is None or not value.shape or len(self.forward.outputs) != 1:
            return None
        for formula, names in self._formulas(value):
            with np.errstate(all="ignore"):
                made = evaluate([formula, gradient], self.points.given)
            wanted = made[gradient]
            near = np.allclose(made[formula], wanted, rtol=NEAR, atol=NEAR) and np.all(np.isfinite(wanted))
            if near and equal_values(formula, self.points.given, gradient, self.points.given):
                written = term_of(formula, names)
                return None if written is None else (written, formula)
        return None

    def _formulas(self, of: Node) -> Iterator[tuple[Node, dict[Node, Term]]]:
        """Formulas of each named quotient by a number a row, or product with it, with what the nodes are called."""
        forward = self.forward
        called: dict[Node, Term] = {n: Symbol(name) for n, name in forward.names.items() if forward.is_named(n)}
        for normal in forward.steps:
            gradient = forward.gradients.of.get(normal)
            if normal.primitive not in _SCALING or not forward.is_named(normal) or normal.shape != of.shape:
                continue
            divides = normal.primitive in _QUOTIENTS
            for scale in normal.inputs[divides:]:
                lead = len(normal.shape) - len(scale.shape)
                axes = tuple(i for i in range(len(normal.shape)) if i < lead or scale.shape[i - lead] == 1)
                word = called.get(scale) or term_of(scale, called, short=SHORT)
                if gradient is None or word is None or not axes or len(axes) == len(normal.shape):
                    continue
                name = "dout" if normal in forward.outputs else f"d{forward.names[normal]}"
                names = {**called, normal: Symbol(forward.names[normal]), scale: word, gradient: Symbol(name)}
                along = {"axis": axes[0] if len(axes) == 1 else axes, "keepdims": True}
                for form in _FORMS:
                    yield made_by(partial(_scaled, form, divides, along), gradient, normal, scale), names


Along = Mapping[str, Any]  # the axes of a row, which stay as axes of length 1


def _scaled(form: Callable[..., Any], divides: bool, along: Along, d: Any, n: Any, s: Any) -> Any:
    """A form with the scale of forward; shares have none."""
    if form is _share:
        return form(d, n, along)
    return form(d, n, along) / s if divides else s * form(d, n, along)


def _share(d: Any, n: Any, along: Along) -> Any:
    """Of shares, which add up to 1, of exponentials."""
    return n * (d - np.sum(d * n, **along))


def _standard(d: Any, n: Any, along: Along) -> Any:
    """Of rows whose mean is 0 and whose variance is 1."""
    return d - np.mean(d, **along) - n * np.mean(d * n, **along)


def _unit(d: Any, n: Any, along: Along) -> Any:
    """Of rows of length 1."""
    return d - n * np.sum(d * n, **along)


def _root_mean_square(d: Any, n: Any, along: Along) -> Any:
    """Of rows whose mean square is 1."""
    return d - n * np.mean(d * n, **along)


_FORMS = (_share, _standard, _unit, _root_mean_square)
