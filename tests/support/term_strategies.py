"""Terms at random: built as they come, and by the constructors that bring them into one form."""

from fractions import Fraction

from hypothesis import strategies as st

from dout.explain.terms import terms as t

NAMES = ("x", "y", "W", "dout")
NUMBERS = (0, 1, 2, 3, 10, 0.5, 1.25, Fraction(1, 3), -2)  # 10⁻⁷ times 5 rounds
FUNCTIONS = ("exp", "log", "tanh", "sqrt", "cbrt", "abs", "floor", "ceil", "sigmoid", "log2", "log10", "sign")


def leaves(names=NAMES):
    indices = st.lists(st.sampled_from((t.Symbol("n"), t.Symbol("d"), t.ONE)), max_size=2).map(tuple)
    return st.one_of(
        st.sampled_from(NUMBERS).map(t.Number),
        st.sampled_from(names).map(t.Symbol),
        st.builds(t.Symbol, st.sampled_from(names), indices),
        st.just(t.Partial(names[1])),
    )


def conditions(inside):
    relation = st.builds(t.Compare, inside, st.sampled_from("<≤>≥=≠"), inside)
    joined = st.builds(t.Compare, relation, st.sampled_from("∧∨⊻"), relation)
    nested = st.builds(t.Compare, joined, st.sampled_from("∧∨⊻"), st.one_of(relation, joined))
    return st.one_of(relation, joined, nested, st.builds(lambda c: t.FunctionCall("not", (c,)), relation))


def larger(inside):
    some = st.lists(inside, min_size=1, max_size=3).map(tuple)
    few = st.lists(inside, max_size=2).map(tuple)
    two = st.tuples(inside, inside)
    return st.one_of(
        st.builds(t.Sum, st.lists(inside, min_size=2, max_size=3).map(tuple)),
        st.builds(t.Product, some, few, st.booleans()),
        some.map(lambda s: t.total(*s)),
        st.builds(lambda s, over: t.product(*s, over=over), some, few),
        inside.map(t.negated),
        st.builds(t.Power, inside, inside),
        st.builds(lambda name, one: t.FunctionCall(name, (one,)), st.sampled_from(FUNCTIONS), inside),
        st.builds(
            lambda name, pair: t.FunctionCall(name, pair), st.sampled_from(("max", "min", "mod", "arctan2")), two
        ),
        st.builds(t.Cases, st.lists(st.tuples(inside, conditions(inside)), min_size=1, max_size=2).map(tuple), inside),
        st.builds(t.SumOver, st.sampled_from((("n",), ("d",), ("n", "d"))), inside, st.sampled_from(("Σ", "Π", "max"))),
        st.builds(t.MatrixProduct, inside, inside),
        st.builds(t.Transposed, inside),
    )


def formulas(names=NAMES):
    return st.recursive(leaves(names), larger, max_leaves=8)
