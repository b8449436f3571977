"""fit: what decides the numbers, what is measured, and which rate is found."""

import random
import subprocess
import sys

import numpy as np
import pytest
from small_trainings import arrays, net, t, trained, x

import dout.train.nets.paying_compilation as paying
from dout.errors import TrainingError, WrongLayersError
from dout.layers import Affine, Dropout, MeanSquaredError, Sigmoid, SoftmaxWithLoss
from dout.train import SGD, Adam, RateSearch, accuracy, cosine, evaluate, find_rate, fit, predict, r_squared
from dout.train.nets import train_step

# --- what decides the numbers -----------------------------------------------------------------------------------------


def test_one_seed_decides_everything():
    def once(seed):
        random.seed(None)
        np.random.seed(None)
        layers, _ = trained([net()[0], Dropout(0.5), *net()[1:]], seed=seed)
        return layers[0].W.tobytes(), np.random.random(), random.random()

    assert once(1) == once(1)
    assert once(1) != once(2)


def test_without_a_seed_the_order_follows_from_numpys_global_state():
    def once():
        np.random.seed(3)
        return trained()[0][0].W

    assert np.array_equal(once(), once())


def test_every_sample_comes_once_an_epoch_in_another_order():
    seen = []

    class Watching(Affine):
        def forward(self, x):
            seen.append(x[:, 0].copy())
            return super().forward(x)

    data = np.arange(120.0).reshape(120, 1)
    trained([Watching(np.zeros((1, 3)), np.zeros(3))], (data, t), optimizer=SGD(1e-9), epochs=2, seed=0)
    seen = [part for part in seen if len(part) > 4]  # copies were tried with four samples
    epochs = [np.concatenate(seen[:3]), np.concatenate(seen[3:])]
    assert [len(part) for part in seen[:3]] == [50, 50, 20]
    assert [sorted(epoch.tolist()) for epoch in epochs] == [data.ravel().tolist()] * 2
    assert not np.array_equal(*epochs)


def test_a_mapped_file_and_an_iterator_are_as_good_as_arrays(tmp_path):
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "t.npy", t)
    right, _ = trained(seed=0)
    mapped, _ = trained(data=(tmp_path / "x.npy", str(tmp_path / "t.npy")), seed=0)
    assert np.array_equal(mapped[0].W, right[0].W)
    right, _ = trained(shuffle=False)
    for source in (lambda: ((x[i : i + 50], t[i : i + 50]) for i in (0, 50, 100)),
                   [(x[:50], t[:50]), (x[50:100], t[50:100]), (x[100:], t[100:])]):  # fmt: skip
        made, _ = trained(data=(source,))
        assert np.array_equal(made[0].W, right[0].W)


def test_clipping_shortens_all_gradients_together():
    layers, _ = trained(clip=1e-3, epochs=1, batch=120)
    first = net()
    step = np.concatenate([(a - b).ravel() for a, b in zip(arrays(layers), arrays(first), strict=True)])
    assert np.linalg.norm(step) == pytest.approx(0.1 * 1e-3, rel=1e-9)


def test_a_schedule_moves_the_rate_and_gives_it_back():
    optimizer = SGD(0.1)
    _, history = trained(optimizer=optimizer, epochs=4, batch=120, schedule=cosine())
    assert history["lr"] == pytest.approx([0.1 * (1 + np.cos(np.pi * share)) / 2 for share in (0, 0.25, 0.5, 0.75)])
    assert optimizer.lr == 0.1


def test_a_long_training_with_checkpoints_is_compiled_and_keeps_its_bits(monkeypatch, tmp_path):
    plain, _ = trained(epochs=40, seed=0)
    monkeypatch.setattr(paying, "_PLAINLY", 0.0)
    monkeypatch.setattr(train_step, "_WORTH", 0.0)
    compiled, _ = trained(epochs=40, seed=0, compiled=None, checkpoint=tmp_path)
    assert [a.tobytes() for a in arrays(compiled)] == [a.tobytes() for a in arrays(plain)]


def test_a_large_training_is_compiled_differs_by_rounding_alone_and_is_the_same_each_time(monkeypatch):
    plain, _ = trained(seed=0)
    monkeypatch.setattr(train_step, "_WORTH", 0.0)
    fast, _ = trained(seed=0, compiled=None)
    again, _ = trained(seed=0, compiled=True)
    assert [a.tobytes() for a in arrays(fast)] == [a.tobytes() for a in arrays(again)]
    for a, b in zip(arrays(fast), arrays(plain), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13)


def test_evaluate_and_predict_count_every_sample():
    layers, _ = trained()
    scores = predict(layers, x, batch=7)
    assert scores.shape == (120, 3)
    found = evaluate(layers, x, t, loss=SoftmaxWithLoss(), metrics=[accuracy], batch=7)
    assert found["accuracy"] == pytest.approx(np.mean(scores.argmax(axis=1) == t))
    assert found["loss"] == pytest.approx(SoftmaxWithLoss().forward(scores, t))


def test_a_metric_hears_of_all_of_a_small_validation_together():
    heard = []

    def rows(scores, labels):
        heard.append((len(scores), len(labels)))
        return np.sum(scores.argmax(axis=1) == labels) / 120

    layers, history = trained(metrics=[rows], validation=(x, t), batch=50, epochs=1)
    assert heard == [(50, 50), (50, 50), (20, 20), (120, 120)]
    assert history["validation rows"] == [np.mean(predict(layers, x).argmax(axis=1) == t)]
    batches = [(x[:70], t[:70]), (x[70:], t[70:])]
    trained(metrics=[rows], validation=batches, batch=50, epochs=1)
    assert heard[-2:] == [(70, 70), (50, 50)]  # as somebody has made them


def test_a_line_is_learned():
    W = np.zeros((4, 1))
    right = x @ np.array([[1.0], [2.0], [-1.0], [0.5]])
    history = fit([Affine(W, np.zeros(1))], x, right, loss=MeanSquaredError(), optimizer=Adam(0.1), epochs=60,
                  batch=40, seed=0, metrics=[r_squared], compiled=False)  # fmt: skip
    assert history["r_squared"][-1] > 0.999
    np.testing.assert_allclose(W.ravel(), [1, 2, -1, 0.5], atol=0.02)


def test_the_rate_finder_finds_a_rate_that_learns_and_puts_everything_back():
    layers, optimizer = net(), SGD(0.5)
    before = [array.copy() for array in arrays(layers)]
    search = find_rate(layers, x, t, loss=SoftmaxWithLoss(), optimizer=optimizer, batch=40)
    assert isinstance(search, RateSearch)
    assert all(np.array_equal(a, b) for a, b in zip(arrays(layers), before, strict=True))
    assert optimizer.lr == 0.5
    assert 1e-4 < search.rate < 10
    assert f"lr = {search.rate:.2g}"[:6] in str(search)
    _, history = trained(optimizer=SGD(search.rate), epochs=20)
    assert history["loss"][-1] < history["loss"][0]


PROGRAM = """
import sys
for extra in ("flint", "numba", "safetensors", "tensorboardX", "sympy", "resvg_py", "reportlab", "pptx", "fontTools"):
    sys.modules[extra] = None
import numpy as np
from dout.errors import TargetError
from dout.layers import Affine, SoftmaxWithLoss
from dout.train import fit

def trained(**more):
    net = [Affine(np.zeros((3, 2)), np.zeros(2))]
    return fit(net, np.ones((10, 3)), np.arange(10) % 2, loss=SoftmaxWithLoss(), epochs=2, **more)

print(len(trained()))
for more in ({"checkpoint": "none"}, {"check": True}, {"compiled": True}, {"log": "none"}):
    try:
        trained(**more)
    except TargetError as error:
        print(error)
"""


def test_numpy_alone_trains_and_a_missing_extra_is_one_line(tmp_path):
    command = [sys.executable, "-c", PROGRAM]
    told = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True, cwd=tmp_path).stdout
    assert told.splitlines() == [
        "2",
        "a checkpoint needs safetensors: pip install 'dout[train]'",
        "fit(check=True) needs python-flint: pip install 'dout[check]'",
        "a compiled step needs numba: pip install 'dout[fast]'",
        "a log for TensorBoard needs tensorboardX: pip install 'dout[train]'",
    ]


def test_the_users_own_error_stands_behind_ours():
    class Own(Affine):
        def forward(self, x):
            raise KeyError("mine")

    with pytest.raises(TrainingError, match=r"Own \(net.layers\[0\]\).forward .*KeyError: 'mine'") as caught:
        trained([Own(np.ones((4, 3)), np.zeros(3))])
    assert isinstance(caught.value.__cause__, KeyError)


def test_check_passes_layers_that_are_right_and_trains():
    class Mine(Sigmoid):
        pass

    _, history = trained([net()[0], Mine(), net()[2]], check=True)
    assert len(history) == 3
    assert issubclass(WrongLayersError, TrainingError)
