"""A function, recorded, with every value and gradient named; what each step passes back, and formulas as text."""

from dataclasses import dataclass
from typing import Any

import numpy as np

import dout
from dout.explain.axes.axis_letters import axis_letters
from dout.explain.axes.axis_parts import axis_part
from dout.explain.model.reasons import REASONS
from dout.explain.terms.terms import (
    Cases,
    Compare,
    FunctionCall,
    MatrixProduct,
    Number,
    Power,
    Product,
    Sum,
    SumOver,
    Symbol,
    Term,
    Transposed,
    is_negative,
    negated,
)
from dout.grad import Gradients, backpropagate
from dout.graph import INPUT, Node, evaluate, topological


@dataclass(frozen=True)
class ExplainedSteps:
    """A recorded function, its gradients, and the names, letters and values that explain them."""

    names: dict[Node, str]
    letters: dict[Node, tuple[str, ...]]
    values: dict[Node, Any]
    gradients: Gradients
    output: Node

    @classmethod
    def of(cls, function, *inputs, told=None):
        """Record a function; each step that has no name gets one: a1, a2, …"""
        recorded = dout.trace(function, *inputs)
        (output,) = recorded.graph.outputs.values()
        forward = topological([output])
        names = {n: name for name, n in recorded.graph.inputs.items() if n in forward and not name.startswith("input")}
        for number, node in enumerate(n for n in forward if n.inputs):
            found = recorded.names.get(node)
            names[node] = f"a{number}" if found in (None, *names.values()) else found
        names[output] = "y"
        seed = Node(INPUT, (), {}, output.shape, output.dtype)
        gradients = backpropagate({output: seed})
        for node, gradient in gradients.of.items():
            if node in names:
                names.setdefault(gradient, f"d{names[node]}")
        names[seed] = "dout"
        rng = np.random.default_rng(1)
        values = {**recorded.data, seed: rng.normal(size=output.shape)[()]}
        values = evaluate(gradients.of.values(), values)
        return cls(names, axis_letters([output], names, values, told, gradients=gradients), values, gradients, output)

    def node(self, name):
        """The node of a name."""
        return next(n for n, other in self.names.items() if other == name)

    def axes(self, name):
        """The letters of a value."""
        return self.letters[self.node(name)]

    def part(self, step, of):
        """What the step that computes a value passes back to one of its inputs."""
        node, source = self.node(step), self.node(of)
        argument = node.inputs.index(source)
        gradient = self.gradients.on[node, argument]
        return axis_part(node, argument, gradient, self.names, self.letters, self.values)

    def index(self, step, of):
        """Its index form as text."""
        found = self.part(step, of).index
        return None if found is None else " = ".join(map(written, found))


def sentence(reason):
    """A reason in words."""
    fields = {key: written(one) if isinstance(one, Term) else one for key, one in reason.fields.items()}
    return REASONS[reason.key].format(**fields)


def said(made):
    """The notes of a derived class in words."""
    return list(map(sentence, made.notes))


def written(term):
    """A formula as plain text."""
    match term:
        case Number(value):
            return str(value)
        case Symbol(name, indices):
            return name + (f"[{', '.join(map(written, indices))}]" if indices else "")
        case Sum(terms):
            first, *rest = terms
            return written(first) + "".join(
                f" − {written(negated(t))}" if is_negative(t) else f" + {written(t)}" for t in rest
            )
        case Product(factors, over, negative):
            above = " · ".join(_within(f) for f in factors)
            below = f" / ({' · '.join(map(_within, over))})" if over else ""
            return f"{'−' if negative else ''}{above}{below}"
        case Power(base, exponent):
            return f"{_within(base)}^{_within(exponent)}"
        case FunctionCall(function, arguments, axis):
            along = f", axis={' '.join(axis)}" if axis else ""
            return f"{function}({', '.join(map(written, arguments))}{along})"
        case Compare(left, symbol, right):
            return f"{written(left)} {symbol} {written(right)}"
        case Cases(pieces, otherwise):
            found = "; ".join(f"{written(piece)} where {written(when)}" for piece, when in pieces)
            return f"{{{found}; {written(otherwise)}}}"
        case SumOver(indices, inner, symbol):
            return f"{symbol}_{','.join(indices)} {_within(inner)}"
        case MatrixProduct(left, right):
            return f"{_within(left)} @ {_within(right)}"
        case Transposed(matrix):
            return f"{_within(matrix)}ᵀ"
    raise TypeError(term)


def _within(term):
    return f"({written(term)})" if isinstance(term, Sum) else written(term)
