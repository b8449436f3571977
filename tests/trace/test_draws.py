"""Random draws in all forms: what was drawn is kept and replays to the bit, or is drawn anew."""

# ruff: noqa: NPY002 - the users draw from the global generator

import json
import random
import threading
from typing import NamedTuple

import numpy as np
import pytest
from recorded_scripts import record_script
from traced_layers import kinds

import dout
from dout.trace.model.replay import first_difference
from dout.trace.model.trace_writer import to_document
from dout.trace.record.trace_reader import from_document

X = np.array([[1.0, -2.0, 0.5], [3.0, 0.25, -1.0]])

# Expressions that draw an array of shape (2, 3).
ARRAYS = [
    "np.random.rand(2, 3)",
    "np.random.randn(*x.shape)",
    "np.random.random(x.shape)",
    "np.random.random_sample((2, 3))",
    "np.random.ranf((2, 3))",
    "np.random.sample((2, 3))",
    "np.random.uniform(-1, 1, size=x.shape)",
    "np.random.normal(0, 1, (2, 3))",
    "np.random.standard_normal((2, 3))",
    "np.random.exponential(2.0, (2, 3))",
    "np.random.gumbel(size=(2, 3))",
    "np.random.laplace(size=(2, 3))",
    "np.random.beta(1, 2, (2, 3))",
    "np.random.gamma(1, 2, (2, 3))",
    "np.random.randint(0, 50, (2, 3))",
    "np.random.binomial(9, 0.5, size=x.shape)",
    "np.random.poisson(9.0, (2, 3))",
    "np.random.choice([1.0, 2.0, 5.0], size=(2, 3))",
    "np.random.choice(range(9), size=(2, 3))",
    "np.random.choice(3, size=(2, 3), p=np.array([0.5, 0.25, 0.25]))",
    "np.random.RandomState(0).rand(2, 3)",
    "np.random.RandomState(0).uniform(size=(2, 3))",
    "np.random.default_rng(0).random((2, 3))",
    "np.random.default_rng(0).normal(size=(2, 3))",
    "np.random.default_rng(0).integers(0, 50, (2, 3))",
    "np.random.default_rng(0).standard_normal((2, 3), dtype='f4')",
    "np.random.default_rng(0).random((2, 3), dtype=np.float32)",
    "np.random.default_rng(0).random(out=np.zeros((2, 3)))",
    "np.random.default_rng(0).spawn(2)[1].random((2, 3))",
    "np.random.Generator(np.random.MT19937(0)).random((2, 3))",
]
# Expressions that move or choose elements of x.
MOVED = [
    "np.random.permutation(x.ravel())",
    "x[:, np.random.permutation(3)]",
    "x[np.random.choice(2, 2)]",
    "np.random.default_rng(0).permutation(x)",
    "np.random.default_rng(0).choice(x.ravel(), 6)",
    "x.ravel()[np.random.randint(0, 6, 6)]",
]
# Expressions that draw one number, or move a plain list.
NUMBERS = [
    "np.random.rand()",
    "np.random.randn()",
    "np.random.randint(1, 3)",
    "np.random.choice(3)",
    "np.random.RandomState(0).uniform()",
    "np.random.default_rng(0).random()",
    "np.random.choice(['a', 'b']).size",
    "random.random()",
    "random.gauss(0, 1)",
    "random.randint(1, 3)",
    "random.choice([1.0, 2.0])",
    "len(random.sample([1, 2, 3], 2))",
    "random.shuffle([1, 2]) or 1.0",
]
NONE = ["np.random.seed(1) or 1.0", "len(np.random.get_state())", "random.seed(1) or 1.0", "len(random.getstate())"]


def function(expression):
    names = {"np": np, "random": random}
    exec(f"def function(x):\n    return x.reshape(-1) * np.ravel({expression})", names)
    return names["function"]


def seeded(run):
    np.random.seed(5)
    random.seed(5)
    return run()


@pytest.mark.parametrize("expression", [*ARRAYS, *MOVED, *NUMBERS, *NONE])
def test_draws_are_those_of_a_plain_run_and_an_event(expression):
    draws = function(expression)
    wanted, trace = seeded(lambda: draws(X)), seeded(lambda: dout.trace(draws, X))
    np.testing.assert_array_equal(trace.outputs, wanted, strict=True)
    assert {event.kind for event in trace.events} == (set() if expression in NONE else {"draw"})
    assert first_difference(trace.graph.nodes, trace.data) is None


@pytest.mark.parametrize("expression", [*ARRAYS, *MOVED])
def test_what_was_drawn_is_drawn_anew(expression):
    trace = dout.trace(function(expression), X)
    (node,) = trace.draws
    new = trace.redrawn(seed=1)
    assert (np.shape(new.data[node]), new.data[node].dtype) == (node.shape, node.dtype)
    assert any((trace.redrawn(seed).data[node] != trace.data[node]).any() for seed in range(9))
    np.testing.assert_array_equal(new.outputs, trace.redrawn(seed=1).outputs)
    assert first_difference(new.graph.nodes, new.data) is None
    assert first_difference(trace.graph.nodes, trace.data) is None


class Noisy(NamedTuple):
    noise: np.ndarray
    kind: str


def test_a_named_tuple_that_is_returned_holds_the_new_draws():
    trace = dout.trace(lambda x: Noisy(x * np.random.rand(2, 3), "uniform"), X)
    new = trace.redrawn(seed=1).outputs
    assert type(new) is Noisy
    assert new.kind == "uniform"
    assert (new.noise != trace.outputs.noise).any()


@pytest.mark.parametrize("expression", [*ARRAYS, *MOVED])
def test_how_it_was_drawn_is_saved(expression):
    trace = dout.trace(function(expression), X)
    document = to_document(trace)
    loaded = from_document(json.loads(json.dumps(document)))
    assert to_document(loaded) == document
    (drawn,) = (loaded.redrawn(seed=2).data[node] for node in loaded.draws)
    (wanted,) = (trace.redrawn(seed=2).data[node] for node in trace.draws)
    np.testing.assert_array_equal(drawn, wanted, strict=True)


@pytest.mark.parametrize("expression", NUMBERS)
def test_one_number_cannot_be_drawn_anew(expression):
    trace = dout.trace(function(expression), X)
    with pytest.raises(dout.DoutError, match=r"drew one random number.*draw an array, as in np\.random\.rand\(1\)"):
        trace.redrawn()


def test_without_draws_nothing_changes():
    trace = dout.trace(lambda x: x * 2.0, X)
    np.testing.assert_array_equal(trace.redrawn().outputs, trace.outputs)


class Dropout:
    def forward(self, x):
        self.mask = np.random.rand(*x.shape) > 0.5
        return x * self.mask

    def backward(self, dout):
        return dout * self.mask


def test_forward_and_backward_follow_the_new_numbers():
    trace = dout.trace(Dropout(), np.full((20, 20), 3.0))
    new = trace.redrawn(seed=4)
    assert (new.outputs != trace.outputs).any()
    np.testing.assert_array_equal(new["x"].gradient.value, new.outputs / 3.0)
    assert new["x"].gradient.expected is None
    assert set(np.unique(new.outputs)) == {0.0, 3.0}


def test_results_keep_their_form():
    trace = dout.trace(lambda x: {"a": [x * np.random.rand(3), "text"], "b": (x, None)}, np.ones(3))
    new = trace.redrawn(seed=0)
    assert new.outputs["a"][1] == "text"
    assert new.outputs["b"][1] is None
    np.testing.assert_array_equal(new.outputs["a"][0], np.random.RandomState(0).rand(3))


def redrawn_often(trace):
    return [trace.redrawn(seed) for seed in range(50)]


def test_a_branch_that_would_go_the_other_way_is_refused_with_file_and_line():
    def branch(x):
        return x * 2.0 if np.random.rand(1)[0] < 0.5 else x

    trace = dout.trace(branch, X)
    with pytest.raises(dout.DoutError, match=r"drawn anew, less would steer .*test_draws\.py:\d+; trace it again"):
        redrawn_often(trace)


def test_a_mask_that_would_select_another_number_is_refused_with_file_and_line():
    trace = dout.trace(lambda x: x[np.random.rand(2, 3) > 0.5] * 2.0, X)
    with pytest.raises(dout.DoutError, match=r"drawn anew, getitem has shape .*test_draws\.py:\d+; trace it again"):
        redrawn_often(trace)


# --- what is given to a draw ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("expression", ["np.random.normal(x, 1)", "np.random.default_rng(0).normal(loc=x, scale=0.1)"])
def test_a_draw_around_a_traced_value_loses_an_edge_and_says_so(expression):
    draws = function(expression)
    assert "escape" in [event.kind for event in dout.trace(draws, X).events]
    with pytest.raises(dout.DoutError, match="drew around a traced value, and an edge is lost: draw first, then scale"):
        dout.grad(lambda x: np.sum(draws(x)))(X)


def test_a_draw_around_an_array_that_a_layer_holds_loses_an_edge():
    class Around:
        def __init__(self, W, width):
            self.W, self.width = W, width

        def forward(self, x):
            return x + np.random.normal(self.W, self.width)

        def backward(self, dout):
            return dout

    assert "escape" in [event.kind for event in dout.trace(Around(np.ones(3), 0.1), np.ones(3)).events]
    assert "escape" not in [event.kind for event in dout.trace(Around(0.0, 0.1), np.ones(3)).events]


def test_a_choice_by_traced_weights_loses_nothing():
    def sampled(x):
        p = np.exp(x) / np.sum(np.exp(x))
        return x[np.random.choice(3, p=p)] * 2.0

    assert [event.kind for event in dout.trace(sampled, X[0]).events] == ["draw"]


def test_a_script_may_draw_its_data_around_its_own_arrays(tmp_path):
    path = tmp_path / "data.py"
    path.write_text("import numpy as np\nmean = np.array([1.0, 2.0])\nx = np.random.normal(mean, 0.1)\ny = x * 2\n")
    assert [event.kind for event in record_script(path).events] == ["draw"]


def test_generators_are_what_they_are():
    def looks(x):
        rng = np.random.Generator(np.random.PCG64(1))
        assert isinstance(rng, np.random.Generator)
        assert isinstance(np.random.default_rng(1), np.random.Generator)
        assert not isinstance(rng, np.random.RandomState)
        assert isinstance(np.random.RandomState(1), np.random.RandomState)
        assert issubclass(np.random.Generator, np.random.Generator)
        return x * rng.random(3)

    dout.trace(looks, np.ones(3))


# --- a layer's own generators -----------------------------------------------------------------------------------------


class OwnDropout:
    def __init__(self):
        self.rng = np.random.default_rng(3)
        self.old = np.random.RandomState(2)

    def forward(self, x):
        self.mask = (self.rng.random(x.shape) > 0.4) * self.old.rand(*x.shape)
        return x * self.mask

    def backward(self, dout):
        return dout * self.mask


def test_draws_of_a_layers_own_generators_are_inputs_and_the_generators_go_on_as_after_a_plain_run():
    layer, plain = OwnDropout(), OwnDropout()
    trace = dout.trace(layer, np.ones((2, 3)))
    np.testing.assert_array_equal(trace.outputs, plain.forward(np.ones((2, 3))))
    assert kinds(trace) == ["draw", "draw"]
    assert type(layer.rng) is np.random.Generator
    assert (layer.rng.random(), layer.old.rand()) == (plain.rng.random(), plain.old.rand())


def test_elements_that_are_shuffled_or_chosen_stay_traced():
    def function(x):
        state, generator = np.random.RandomState(0), np.random.default_rng(1)
        assert isinstance(state, np.random.RandomState)
        y = x * 2.0
        state.shuffle(y)
        return np.sum(y * y) + np.sum(generator.permutation(x)) + np.sum(state.choice(x, 2, replace=False))

    x = np.array([1.0, 2.0, 3.0])
    trace = dout.trace(function, x)
    assert trace.outputs == function(x)
    assert "orphan" not in kinds(trace)
    slopes = trace["x"].gradient.value - (8 * x + 1)  # what is left is 1 where the element was chosen
    assert sorted(slopes) == [0.0, 1.0, 1.0]


# Every method that draws arrays, with its sizes by position, by name, and by its parameters; S stands for (2, 3).
DRAWN = """
beta(1,2,S) beta([1,2,3],2.) binomial(9,.5,size=S) chisquare(2,S) choice(5,S) choice(5,3,False) choice([1.,2.],size=S)
choice(np.arange(5.),S,True,[.2]*5) dirichlet([1,2,3]) dirichlet([1,2,3],4) dirichlet(alpha=[1,2],size=S)
exponential([1.,2.]) f(1,2,S) gamma(shape=[1,2]) geometric(.5,S) gumbel(size=S) hypergeometric(5,5,5,S) laplace(0,1,S)
logistic(size=3) lognormal(0,1,S) logseries(.5,S) multinomial(5,[.5,.5]) multinomial(5,pvals=[.5,.5],size=S)
multivariate_normal([0,0],np.eye(2),3) multivariate_normal(mean=[0,0],cov=[[1,0],[0,1]],size=S)
negative_binomial(3,.5,S) noncentral_chisquare(2,1,S) noncentral_f(1,2,3,S) normal(np.zeros((2,1)),np.ones(3))
normal(loc=[1,2]) normal(0,[1,2],(3,2)) normal(size=[2,3]) normal(0,1,np.array([2,3])) pareto(2,S) permutation(5)
permutation([1,2,3]) permutation(np.ones((2,3))) poisson([1,2]) power(2,S) rayleigh(2,S) standard_cauchy(S)
standard_exponential(S) standard_gamma(2,S) standard_normal(3) standard_t(2,S) triangular(0,1,2,S)
uniform(size=(np.int64(2),3)) vonmises(0,1,S) wald(1,1,S) weibull(2,S) zipf(2,S)
"""
LEGACY = "rand(2,3) randn(3) randint(5,size=S) randint([1,2],5) randint(0,9,3,'i4') random_sample(S) tomaxint(S)"
NEW = """
integers(0,5,S,endpoint=True) integers(0,5,S,dtype=np.int32) random(S,dtype=np.float32) random(size=S,dtype='f4')
choice(np.ones((2,3)),(2,2)) permuted(np.ones((2,3)),axis=1) permuted(np.arange(3)) standard_exponential(3,method='inv')
multivariate_hypergeometric([3,4],5) multivariate_hypergeometric([3,4],5,3,method='count') choice(10,3,shuffle=False)
"""


@pytest.mark.parametrize(
    "code",
    [f"np.random.RandomState(1).{call}" for call in (DRAWN + LEGACY).split()]
    + [f"np.random.default_rng(1).{call}" for call in (DRAWN + NEW).split()],
)
def test_a_saved_draw_loads_and_is_drawn_anew_whatever_draws_it(code):
    trace = dout.trace(eval(f"lambda x: x.sum() + {code}", {"np": np, "S": (2, 3)}), np.ones(2))
    assert len(trace.draws) == 1
    loaded = from_document(json.loads(json.dumps(to_document(trace, None))))
    assert loaded.redrawn(1).graph.outputs.keys() == trace.graph.outputs.keys()


class Locked:
    """A number that refuses to be copied."""

    def __init__(self):
        self.lock = threading.Lock()

    def __float__(self):
        return 2.0


def test_an_argument_of_a_draw_need_not_take_a_copy():
    np.random.seed(0)
    trace = dout.trace(lambda x: x * np.random.uniform(0, Locked(), size=(2, 3)), X)
    assert len(trace.draws) == 1
