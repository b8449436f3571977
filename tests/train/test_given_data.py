"""What training is given, and what it takes for a parameter: batches, files, arrays that a layer makes anew."""

import numpy as np
import pytest

from dout.errors import TrainingError
from dout.layers import Affine, Relu, SoftmaxWithLoss
from dout.train import fit, predict

generator = np.random.default_rng(0)
x, t = generator.standard_normal((120, 4)), np.arange(120) % 3


def net():
    rng = np.random.default_rng(1)
    return [
        Affine(rng.standard_normal((4, 6)), np.zeros(6)), Relu(), Affine(rng.standard_normal((6, 3)), np.zeros(3))
    ]  # fmt: skip


def test_two_batches_are_two_batches_and_not_x_and_t():
    two = (x[:60], t[:60]), (x[60:], t[60:])
    how = {"loss": SoftmaxWithLoss(), "epochs": 2, "compiled": False}
    expected = fit(net(), lambda: iter(two), validation=lambda: iter(two), **how)
    for data in (two, list(two)):
        assert fit(net(), data, validation=data, **how).rows == expected.rows


def test_predict_reads_a_file_and_refuses_no_sample(tmp_path):
    np.save(tmp_path / "x.npy", x)
    assert np.array_equal(predict(net(), tmp_path / "x.npy"), predict(net(), x))
    with pytest.raises(TrainingError, match="there is no sample: x is empty"):
        predict(net(), x[:0])


class KeptDeviation:
    """It keeps the deviation of its batch, and the gradient of that: no parameter, and nothing updates itself."""

    def forward(self, x):
        self.x, self.std = x, np.sqrt((x**2).mean(axis=0))
        return x / self.std

    def backward(self, dout):
        self.dstd = -(dout * self.x / self.std**2).sum(axis=0)
        return dout / self.std


def test_what_forward_makes_anew_is_no_parameter():
    class Plain(KeptDeviation):
        def backward(self, dout):
            super().backward(dout)
            del self.dstd
            return dout / self.std

    def trained(middle):
        layers = [*net()[:1], middle, *net()[2:]]
        return fit(layers, x, t, loss=SoftmaxWithLoss(), epochs=2, seed=0, compiled=False).rows

    assert trained(KeptDeviation()) == trained(Plain())
