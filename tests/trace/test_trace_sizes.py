"""A size that depends on values and is used as a number steers the program: a trace says so, and with which line."""

import numpy as np
import pytest
from traced_layers import kinds

import dout
from dout.graph import evaluate

X = np.array([1.0, -2.0, 3.0, 4.0])
OTHER = np.array([-1.0, -2.0, 3.0, -4.0])
TAKEN = {
    "shape": lambda x: np.sum(x) / x[x > 0].shape[0],
    "len": lambda x: np.sum(x) / len(x[x > 0]),
    "size": lambda x: np.sum(x) / x[x > 0].size,
    "nbytes": lambda x: np.sum(x) / x[x > 0].nbytes,
    "np.shape": lambda x: np.sum(x) / np.shape(x[x > 0])[0],
    "np.size": lambda x: np.sum(x) / np.size(x[x > 0]),
    "int of a sum": lambda x: np.sum(x) / int((x > 0).sum()),
    "places": lambda x: np.sum(x) / np.where(x > 0)[0].size,
    "places of several axes": lambda x: np.sum(x) / len(np.nonzero(x > 0)[0]),
    "places in rows": lambda x: np.sum(x) / len(np.argwhere(x > 0)),
    "picked by places": lambda x: np.sum(x) / len(x[np.where(x > 0)]),
    "computed with": lambda x: np.sum(x) / len(np.exp(x[x > 0]) * 2.0),
    "different values": lambda x: np.sum(x) / len(np.unique(np.abs(x) > 3.5)) * len(np.unique(x > 0)),
    "bins": lambda x: np.sum(x) / len(np.bincount((x > 3.5).astype(int))),
    "repeats": lambda x: np.sum(x) / len(np.repeat(x, np.maximum(x, 0).astype(int))),
    "as many zeros": lambda x: np.sum(x) + np.sum(1 + np.zeros(x[x > 0].shape)),
    "as many ones": lambda x: np.sum(x) + np.sum(np.ones_like(x[x > 0])),
    "a loop": lambda x: np.sum(x) + sum(1.0 for _ in x[x > 0]),
    "a list": lambda x: np.sum(x) * len(x[x > 0].tolist()),
    "a condition": lambda x: np.sum(x) if len(x[x > 0]) > 1 else np.sum(x) * 2,
}


@pytest.mark.parametrize("how", TAKEN)
def test_a_size_used_as_a_number_is_an_event_with_its_line(how):
    trace = dout.trace(TAKEN[how], X)
    assert trace.outputs == TAKEN[how](X)
    steered = [event for event in trace.events if event.kind == "index"]
    assert {event.where.line for event in steered} == {TAKEN[how].__code__.co_firstlineno}
    assert trace.steered


@pytest.mark.one_in(3)
@pytest.mark.parametrize("how", TAKEN)
def test_a_compiled_function_is_right_for_another_size(how):
    compiled = dout.compile(TAKEN[how])
    for x in (X, OTHER, X * 2, -X, X):
        np.testing.assert_allclose(compiled(x), TAKEN[how](x), rtol=1e-14)


FOLLOWED = {
    "a count": lambda x: np.sum(x) / np.count_nonzero(x > 0),
    "a sum": lambda x: np.sum(x) / np.sum(x > 0),
    "a mean": lambda x: np.mean(x[x > 0]),
    "a shape with an axis more": lambda x: np.sum(x[x > 0][:, None].T),
    "a shape that is shown": lambda x: np.sum(x[x > 0]) if f"{x[x > 0].shape}" else None,
    "different values": lambda x: np.sum(np.unique(np.round(x))),
    "how often each is there": lambda x: np.sum(np.unique(x > 0, return_counts=True)[1] * 1.5),
    "repeats": lambda x: np.sum(np.repeat(x, np.maximum(x, 0).astype(int))),
}


@pytest.mark.parametrize("how", FOLLOWED)
def test_a_size_that_stays_in_the_graph_is_no_event_and_is_computed_anew(how):
    trace = dout.trace(FOLLOWED[how], X)
    assert trace.outputs == FOLLOWED[how](X)
    assert kinds(trace) == []
    (out,) = trace.graph.outputs.values()
    given = {node: trace.data[node] for node in trace.graph.inputs.values()} | {trace.graph.inputs["x"]: OTHER}
    assert evaluate([out], given)[out] == FOLLOWED[how](OTHER)


class Mean:
    """The mean of what is above zero, spread over all."""

    def forward(self, x):
        self.n = len(x[x > 0])
        self.shape = x.shape
        return np.sum(x) / self.n

    def backward(self, dout):
        return np.full(self.shape, dout / self.n)


def test_a_layer_that_a_size_steers_is_specialised_to_it_and_is_judged_all_the_same():
    trace = dout.trace(Mean(), X)
    assert kinds(trace)[0] == "index"
    assert "len(x[x > 0])" in trace.events[0].message
    (verdict,) = dout.check(Mean(), X).verdicts
    assert verdict.word == "exact"


def test_numbers_drawn_anew_must_select_as_many():
    def drawn(n):
        x = np.random.default_rng(1).standard_normal(4)
        return np.sum(x) / len(x[x > n])

    alike, other = None, None
    trace = dout.trace(drawn, -9.0)  # all four, whatever is drawn
    assert np.isfinite(trace.redrawn(seed=3).outputs)
    trace = dout.trace(drawn, 0.0)
    for seed in range(20):
        try:
            alike = trace.redrawn(seed=seed)
        except dout.DoutError as error:
            other = error
    assert alike is not None
    assert "drawn anew" in str(other)


def test_a_size_that_steers_is_seen_after_a_write_through_a_view():
    def function(x):
        y = x[x > 0]
        v = y[:]
        v += 1
        return x * y.size

    assert kinds(dout.trace(function, np.array([1.0, -2.0, 3.0]))) == ["index"]


def test_joining_what_a_mask_selects_steers_nothing():
    trace = dout.trace(lambda x: np.hstack([x[x > 0], x[x <= 0]]), np.array([1.0, -2.0, 3.0]))
    assert trace.events == ()
