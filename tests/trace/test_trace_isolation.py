"""A trace leaves instances, arrays, modules and other threads as a plain run leaves them."""

import math
import string
import sys
import threading
import time
import warnings

import numpy as np
import pytest
from traced_layers import Affine, Relu, kinds

import dout


def test_instance_is_as_after_a_plain_run():
    W = np.ones((3, 2))
    layer, plain = Affine(W, np.zeros(2)), Affine(W, np.zeros(2))
    x = np.arange(6.0).reshape(2, 3)
    dout.trace(layer, x)
    plain.forward(x)
    plain.backward(np.ones((2, 2)))
    assert layer.W is W
    assert layer.x is x
    assert vars(layer).keys() == vars(plain).keys()
    for key, item in vars(plain).items():
        assert type(getattr(layer, key)) is np.ndarray
        np.testing.assert_array_equal(getattr(layer, key), item)


def test_everything_is_put_back_when_the_users_code_raises():
    class Raises(Affine):
        def backward(self, dout):
            self.seen = dout
            raise RuntimeError("mine")

    layer = Raises(np.ones((3, 2)), np.zeros(2))
    W, forward = layer.W, Affine.__dict__["forward"]
    with pytest.raises(RuntimeError, match="mine"):
        dout.trace(layer, np.ones((2, 3)))
    assert layer.W is W
    assert type(layer.seen) is np.ndarray
    assert Affine.__dict__["forward"] is forward
    assert type(np) is type(math)


def test_a_later_change_of_the_users_arrays_does_not_change_the_trace():
    x = np.array([1.0, 2.0])
    trace = dout.trace(Relu(), x)
    out = trace.outputs
    x[...] = 7.0
    out[...] = 7.0
    np.testing.assert_array_equal(trace["x"].data, [1.0, 2.0])
    np.testing.assert_array_equal(trace["out"].data, [1.0, 2.0])


def test_other_threads_compute_plainly_while_a_trace_runs():
    found = []

    class Asks:
        def forward(self, x):
            thread = threading.Thread(target=lambda: found.append(np.sum(x * 2)))
            thread.start()
            thread.join()
            return x * 3.0

        def backward(self, dout):
            return dout * 3.0

    trace = dout.trace(Asks(), np.ones(3))
    assert found[0] == 6.0
    assert type(found[0]) is np.float64
    assert [v.node.primitive.name for v in trace.values if v.made] == ["multiply", "multiply"]


def test_a_trace_inside_a_trace():
    class Inner:
        def forward(self, x):
            self.slope = dout.grad(lambda z: z * z)(x)
            return x * x

        def backward(self, upstream):
            return upstream * self.slope

    assert dout.trace(Inner(), 3.0)["x"].gradient.expected is None


def test_classes_and_functions_of_a_notebook_cell():
    cell = {"__name__": "__main__"}
    source = """
import numpy as np
scale = np.array([1.0, 2.0])
class Scale:
    def forward(self, x):
        return x * np.exp(scale)
    def backward(self, dout):
        return dout * np.exp(scale)
def loss(x):
    return np.sum(np.exp(x) * scale)
"""
    exec(compile(source, "<cell 1>", "exec"), cell)
    trace = dout.trace(cell["Scale"](), np.ones(2))
    assert trace["x"].gradient.expected is None
    assert trace["x"].gradient.source == "user"
    assert "orphan" not in kinds(trace)
    np.testing.assert_array_equal(dout.grad(cell["loss"])(np.zeros(2)), [1.0, 2.0])
    assert type(cell["scale"]) is np.ndarray


def test_everything_is_put_back_when_there_is_no_memory_left_for_what_was_recorded(monkeypatch):
    def fails(*_, **__):
        raise MemoryError

    monkeypatch.setattr(sys.modules["dout.trace.tracer.run_record"], "set_apart", fails)
    layer, real = Relu(), np
    with pytest.raises(MemoryError):
        dout.trace(layer, np.array([1.0, -1.0]))
    monkeypatch.undo()
    assert np is real
    assert type(np).__name__ == "module"
    assert dout.trace(Relu(), np.array([1.0, -1.0])).outputs.tolist() == [1.0, 0.0]


def test_a_warning_of_the_users_own_is_shown_once_beside_functions_of_several_steps(recwarn):
    warnings.simplefilter("default")

    def function(x):
        for _ in range(4):
            warnings.warn("only once", stacklevel=1)
            x = np.concatenate([x, x])
        return x

    dout.trace(function, np.ones(2))
    assert [str(warning.message) for warning in recwarn] == ["only once"]


BOX = string.Template("")  # an object of a library, in which user code may keep what it wants


class Boxed:
    def forward(self, x):
        BOX.result = x * 2.0
        BOX.parts = {"of": [BOX.result]}
        return x * 3.0

    def backward(self, dout):
        return dout * 3.0


def test_objects_of_a_library_hold_plain_values_again_and_are_not_looked_through():
    end = BOX.other = string.Template("")
    for _ in range(200_000):
        end.other = end = string.Template("")
    dout.trace(Boxed(), np.ones(3))
    begun = time.perf_counter()
    dout.trace(Boxed(), np.ones(3))
    assert time.perf_counter() - begun < 1.0
    assert type(BOX.result) is type(BOX.parts["of"][0]) is np.ndarray
    del BOX.other
