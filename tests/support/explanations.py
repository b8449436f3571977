"""Explanations built by hand: what formats print, without any derivation."""

import numpy as np

from dout.explain.model.explanation import (
    BackwardLine,
    DerivationStep,
    Explanation,
    Keeping,
    Phrase,
    Quantity,
    Simplified,
    StepPart,
)
from dout.explain.terms.terms import (
    ONE,
    TWO,
    ZERO,
    Cases,
    Compare,
    FunctionCall,
    MatrixProduct,
    Partial,
    Power,
    Sum,
    SumOver,
    Symbol,
    Transposed,
    negated,
    product,
    total,
)
from dout.graph import INPUT, Node, Where

x, y, a, b, c, W = map(Symbol, ("x", "y", "a", "b", "c", "W"))
dy = Partial("y")
NODE = Node(INPUT, (), {}, (), float)  # formats print no node
e = FunctionCall("exp", (negated(x),))


def quantity(name, term, value, axes=(), parameter=False):
    return Quantity(name, term, NODE, value, axes, parameter)


def step(number, operator, name, *parts, says=None):
    return DerivationStep(number, operator, name, NODE, parts, says)


def sigmoid(name="Sigmoid", at=1.5):
    """The slides' Sigmoid, with the numbers of one input."""
    z = np.exp(-at)
    out = 1 / (1 + z)
    square, one_plus = Power(y, TWO), total(ONE, e)
    return Explanation(
        name,
        Where("slide_layers.py", 60),
        (
            quantity("x", None, at),
            quantity("a", negated(x), -at),
            quantity("b", FunctionCall("exp", (a,)), z),
            quantity("c", total(ONE, b), 1 + z),
            quantity("y", product(ONE, over=(c,)), out),
        ),
        ("y",),
        product(ONE, over=(one_plus,)),
        (
            step(
                1,
                "/",
                "y",
                StepPart(
                    "c",
                    negated(product(dy, square)),
                    -(out**2),
                    (negated(product(ONE, over=(Power(c, TWO),))), negated(square)),
                ),
            ),
            step(2, "+", "c", StepPart("b", negated(product(dy, square)), -(out**2), (ONE,))),
            step(
                3,
                "exp",
                "b",
                StepPart("a", negated(product(dy, square, e)), -(out**2) * z, (FunctionCall("exp", (a,)),)),
            ),
            step(4, "×(−1)", "a", StepPart("x", product(dy, square, e), out**2 * z, (negated(ONE),))),
        ),
        (
            Simplified(
                "x",
                (
                    (product(dy, square, e), None),
                    (
                        product(dy, y, e, over=(one_plus,)),
                        Phrase("since", {"left": y, "right": product(ONE, over=(one_plus,))}),
                    ),
                    (
                        product(dy, y, total(ONE, negated(y))),
                        Phrase("since", {"left": product(e, over=(one_plus,)), "right": total(ONE, negated(y))}),
                    ),
                ),
            ),
        ),
        (Keeping(("y",), 1, 8, Phrase("keep the output", {"y": "y", "inputs": ("x",)})),),
        (
            BackwardLine(
                Where("slide_layers.py", 65),
                "dx = dout * (1.0 - self.out) * self.out",
                matches=_in_this_order(dy, total(ONE, negated(y)), y),
            ),
        ),
    )


def _in_this_order(*factors):
    """A product as a line writes it."""
    from dout.explain.terms.terms import Product

    return Product(factors)


def affine(wrong=True):
    """The product x · W, plus b, with a sum along the wrong axis."""
    n, d, m = map(Symbol, "ndm")
    dout = Symbol("dout")

    def at(name, *indices):
        return Symbol(name, indices)

    element = SumOver(("d",), product(at("x", n, d), at("W", d, m)))
    sums = SumOver(("n",), at("dout", n, m))
    lines = ("self.dW = self.x.T @ dout", "self.db = dout.sum(axis=1)", "return dout @ self.W.T")
    judged = {
        1: {
            "step": 1,
            "wrong": True,
            "instead": "dout.sum(axis=0)",
            "reason": Phrase("beside_axis", {"step": 1, "axes": "the N rows", "axis": 0}),
        }
        if wrong
        else {"step": 1}
    }
    return Explanation(
        "Affine",
        Where("mine.py", 4),
        (
            quantity("x", None, np.ones((2, 3)), ("N", "D")),
            quantity("W", None, np.ones((3, 4)), ("D", "M"), True),
            quantity("b", None, np.ones(4), ("M",), True),
            quantity("a", MatrixProduct(x, W), np.ones((2, 4)), ("N", "M")),
            quantity("y", Sum((a, b)), np.ones((2, 4)), ("N", "M")),
        ),
        ("y",),
        Sum((MatrixProduct(x, W), b)),
        (
            step(
                1,
                "+ b",
                "y",
                StepPart(
                    "b",
                    FunctionCall("sum", (dout,), ("N",)),
                    None,
                    index=(at("db", m), sums),
                    shapes="(N, M) → (M,)",
                    code="dout.sum(axis=0)",
                ),
                says=Phrase("added to each", {"name": "b", "axis": "N"}),
            ),
            step(
                2,
                "x @ W",
                "a",
                StepPart(
                    "x",
                    MatrixProduct(dout, Transposed(W)),
                    None,
                    index=(at("dx", n, d), SumOver(("m",), product(at("dout", n, m), at("W", d, m)))),
                    shapes="(N, M)·(M, D) → (N, D)",
                    code="dout @ W.T",
                ),
                StepPart(
                    "W",
                    MatrixProduct(Transposed(x), dout),
                    None,
                    index=(at("dW", d, m), SumOver(("n",), _in_this_order(at("x", n, d), at("dout", n, m)))),
                    shapes="(D, N)·(N, M) → (D, M)",
                    code="x.T @ dout",
                ),
                says=Phrase("formula", {"left": at("y", n, m), "right": element}),
            ),
        ),
        (),
        (Keeping(("x", "W"), 18, 144, Phrase("keep the inputs", {"names": ("x", "W")})),),
        tuple(BackwardLine(Where("mine.py", 11 + i), s, **judged.get(i, {"step": 2})) for i, s in enumerate(lines)),
    )


def relu():
    """Zero where the input is negative."""
    gradient = Cases(((dy, Compare(x, ">", ZERO)),), ZERO)
    return Explanation(
        "Relu",
        Where("slide_layers.py", 10),
        (
            quantity("x", None, np.array([1.0, -2.0])),
            quantity("y", FunctionCall("max", (x, ZERO)), np.array([1.0, 0.0])),
        ),
        ("y",),
        FunctionCall("max", (x, ZERO)),
        (step(1, "max", "y", StepPart("x", gradient, None, (Cases(((ONE, Compare(x, ">", ZERO)),), ZERO),))),),
        (Simplified("x", ((gradient, None),)),),
        (Keeping(("mask",), 2, 2, Phrase("keep the mask", {"y": "y", "bytes": 8})),),
    )


def multiply(at=(100, 2), names=("x", "y")):
    """The product of two numbers."""
    one, other = map(Symbol, names)
    seed = Partial("out")
    return Explanation(
        "MulLayer",
        Where("slide_layers.py", 4),
        (
            quantity(names[0], None, at[0]),
            quantity(names[1], None, at[1]),
            quantity("out", product(one, other), at[0] * at[1]),
        ),
        ("out",),
        product(one, other),
        (
            step(
                1,
                "×",
                "out",
                StepPart(names[0], product(seed, other), at[1], (other,)),
                StepPart(names[1], product(seed, one), at[0], (one,)),
            ),
        ),
        tuple(
            Simplified(name, ((product(seed, factor), None),)) for name, factor in zip(names, (other, one), strict=True)
        ),
        (Keeping(names, 2, 16, Phrase("keep the inputs", {"names": names})),),
    )


def mixed():
    """Steps on each element beside steps along axes: a product of two values, of which one is repeated."""
    n, d = map(Symbol, "nd")
    dout, scale = Symbol("dout"), Symbol("scale")
    part = StepPart(
        "scale",
        FunctionCall("sum", (product(dout, x),), ("N",)),
        None,
        index=(Symbol("dscale", (d,)), SumOver(("n",), product(Symbol("dout", (n, d)), Symbol("x", (n, d))))),
        shapes="(N, D) → (D,)",
        code="np.sum(dout * x, axis=0)",
        reason=Phrase("sum over repeats", {"name": "scale", "axis": "N"}),
    )
    return Explanation(
        "Scale",
        Where("mine.py", 4),
        (
            quantity("x", None, np.ones((2, 3)), ("N", "D")),
            quantity("scale", None, np.ones(3), ("D",), True),
            quantity("y", product(scale, x), np.ones((2, 3)), ("N", "D")),
        ),
        ("y",),
        product(scale, x),
        (step(1, "scale · x", "y", StepPart("x", product(dout, scale), None, (scale,)), part),),
        (),
        (Keeping(("x", "scale"), 6, 48, Phrase("keep the inputs", {"names": ("x", "scale")})),),
    )
