"""Gradients that are handed on as a list, or for a list: each belongs to the value of its shape, or to none."""

import numpy as np
from recorded_scripts import record_script

LAYERS = """
import numpy as np
class Split:
    def forward(self, x):
        return [x[i] * 2.0 for i in range(len(x))]
    def backward(self, douts):
        return np.stack([d * 2.0 for d in douts])
class Join:
    def forward(self, parts):
        self.n = len(parts)
        return np.stack(parts)
    def backward(self, dout):
        return RETURNED
split, join = Split(), Join()
x, dout = np.arange(12.).reshape(3, 4), np.cos(np.arange(12.)).reshape(3, 4)
for turn in range(2):
    y = join.forward(split.forward(x))
    split.backward(join.backward(dout))
"""
DOUT = np.cos(np.arange(12.0)).reshape(3, 4)


def recorded(folder, returned):
    path = folder / "train.py"
    path.write_text(LAYERS.replace("RETURNED", returned))
    return record_script(path)


def test_a_list_of_gradients_is_that_of_a_list_of_values(tmp_path):
    trace = recorded(tmp_path, "[dout[i] for i in range(self.n)]")
    split, join = trace.calls
    for value, gradient, row in zip(join.inputs, join.gradients, DOUT, strict=True):
        assert value.shape == gradient.shape
        np.testing.assert_array_equal(trace.data[gradient], row)
    assert [node.shape for node in split.douts] == [(4,)] * 3
    assert trace.wrong == ()
    assert recorded(tmp_path, "[dout[i] * 3.0 for i in range(self.n)]").wrong != ()


def test_one_array_is_the_gradient_of_none_of_several_values(tmp_path):
    trace = recorded(tmp_path, "dout * 1.0")
    _, join = trace.calls
    assert not any(join.gradients)
    assert all(value.gradient is None or value.gradient.value.shape == value.node.shape for value in trace.values)
