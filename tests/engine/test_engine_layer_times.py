"""The time of a network by its layers: whose it is, and what cannot be told apart."""

from __future__ import annotations

import time

import numpy as np
import pytest

pytest.importorskip("numba")

from two_layers import Linear, Square

from dout.engine.bench import layer_times
from dout.engine.bench.bench_subject import given_to
from dout.engine.bench.layer_times import OUTSIDE, by_layer, layers_of


class Both:
    """A layer that calls two."""

    def __init__(self):
        self.one, self.other = Square(), Square()

    def forward(self, x):
        time.sleep(0.01)
        return self.other.forward(self.one.forward(x))

    def backward(self, dout):
        return self.one.backward(self.other.backward(dout))


class Net:
    def __init__(self, *, inner=None):
        rng = np.random.default_rng(0)
        self.layers = {"lin1": Linear(rng.normal(size=(64, 64))), "square": inner or Square()}
        self.last = Linear(rng.normal(size=(64, 4)))

    def gradient(self, x):
        for layer in self.layers.values():
            x = layer.forward(x)
        x = self.last.forward(x)
        dout = self.last.backward(np.ones_like(x))
        for layer in reversed(list(self.layers.values())):
            dout = layer.backward(dout)
        return dout


X = np.random.default_rng(1).normal(size=(200, 64))


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(layer_times, "BUDGET", 0.05)


def times_of(net):
    rows, why = by_layer(net.gradient, given_to(net.gradient, [X], {}))
    return {row.layers: row for row in rows}, why


def test_layers_have_their_keys_in_dicts_or_the_way_to_them():
    assert [name for name, _ in sorted(layers_of(Net()), key=lambda pair: pair[0])] == [
        "last Linear", "lin1 Linear", "square",
    ]  # fmt: skip


def test_each_layer_has_its_time_and_classes_are_as_they_were():
    before = Linear.forward, Linear.backward, Square.forward
    rows, why = times_of(Net())
    assert why == ""
    assert list(rows)[:4] == [("lin1 Linear",), ("square",), ("last Linear",), (OUTSIDE,)]
    assert all(row.plain > 0 for row in list(rows.values())[:4])
    assert rows["lin1 Linear",].compiled > 0  # its products are its own, though another layer runs the same lines
    assert rows["last Linear",].compiled > 0
    assert (Linear.forward, Linear.backward, Square.forward) == before


def test_steps_of_several_layers_stand_alone_and_have_no_plain_time():
    class Fused(Net):
        def __init__(self):
            self.layers = [Square(), Square(), Square()]

        def gradient(self, x):
            for layer in self.layers:
                x = layer.forward(x)
            for layer in reversed(self.layers):
                x = layer.backward(x)
            return x

    rows, _ = times_of(Fused())
    (shared,) = [row for row in rows.values() if row.plain is None and len(row.layers) == 3]
    assert shared.layers == ("layers[0] Square", "layers[1] Square", "layers[2] Square")
    assert shared.compiled > 0
    assert all(rows[name,].shares for name in shared.layers)


def test_a_layer_counts_without_those_that_it_calls():
    rows, _ = times_of(Net(inner=Both()))
    assert rows["square Both",].plain > 0.005
    assert rows["layers['square'].one Square",].plain < 0.005


def test_why_there_is_no_compiled_time_is_told():
    class Talking(Net):
        def gradient(self, x):
            print("x")  # noqa: T201 - that is the point
            return super().gradient(x)

    rows, why = times_of(Talking())
    assert "it calls print" in why
    assert {row.compiled for row in rows.values()} == {None}


def test_a_layer_alone_has_no_table():
    layer = Square()
    assert by_layer(layer, given_to(layer, [X], {})) == ((), "")
