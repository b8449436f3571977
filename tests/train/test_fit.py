"""fit: what decides the numbers, what people see, and one clear error for each thing that does not fit."""

import io
import json
import random
import subprocess
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pytest

import dout.train.nets.paying_compilation as paying
from dout.errors import TargetError, TrainingError, WrongLayersError
from dout.layers import Affine, Dropout, LogLayer, MeanSquaredError, Relu, Sigmoid, SoftmaxWithLoss
from dout.train import (
    SGD,
    Adam,
    JsonLines,
    Log,
    RateSearch,
    TensorBoard,
    accuracy,
    cosine,
    evaluate,
    find_rate,
    fit,
    predict,
    r_squared,
)  # fmt: skip
from dout.train.nets import train_step

generator = np.random.default_rng(0)
x = generator.standard_normal((120, 4))
t = (x @ generator.standard_normal((4, 3))).argmax(axis=1)


def net(hidden=6):
    rng = np.random.default_rng(1)
    return [
        Affine(rng.standard_normal((4, hidden)), np.zeros(hidden)), Relu(),
        Affine(rng.standard_normal((hidden, 3)), np.zeros(3)),
    ]  # fmt: skip


def trained(layers=None, data=(x, t), **more):
    more = {"loss": SoftmaxWithLoss(), "optimizer": SGD(0.1), "epochs": 3, "batch": 50, "compiled": False, **more}
    layers = net() if layers is None else layers
    return layers, fit(layers, *data, **more)


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


def arrays(layers):
    return [layers[0].W, layers[0].b, layers[2].W, layers[2].b]


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


# --- what people see --------------------------------------------------------------------------------------------------


def test_a_history_is_a_table_with_curves():
    _, history = trained(metrics=[accuracy], validation=(x, t), epochs=30)
    text = str(history)
    lines = text.splitlines()
    assert lines[0].split() == ["epoch", "loss", "accuracy", "validation", "loss", "validation", "accuracy"]
    assert len(lines) < 20
    assert sum(line.endswith("best") for line in lines) == 1
    assert any(line.startswith("loss") and "█" in line for line in lines)
    assert history.best["validation loss"] == min(history["validation loss"])


def test_a_history_draws_itself_as_svg(tmp_path):
    _, history = trained(metrics=[accuracy], validation=(x, t))
    root = ET.fromstring(history._repr_svg_())
    texts = {node.text for node in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"loss", "accuracy", "validation loss", "validation accuracy"} <= texts
    history.save(tmp_path / "curve.svg")
    history.save(tmp_path / "curve.svg")  # its own is replaced
    (tmp_path / "mine.svg").write_text("<svg>mine</svg>")
    with pytest.raises(TargetError, match="not a chart by dout"):
        history.save(tmp_path / "mine.svg")


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_the_bar_shows_the_epoch_the_metrics_and_the_time_left(monkeypatch):
    monkeypatch.setattr(sys, "stderr", screen := Terminal())
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    trained(metrics=[accuracy], epochs=2)
    shown = screen.getvalue()
    assert "epoch 2/2" in shown
    assert "accuracy 0." in shown
    assert "0:00:0" in shown


def test_off_a_terminal_a_line_an_epoch_is_printed_where_that_is_asked_for(capsys):
    trained(metrics=[accuracy])
    assert capsys.readouterr().err == ""
    trained(metrics=[accuracy], progress=True)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split()[:2] for line in lines] == [["epoch", "1"], ["epoch", "2"], ["epoch", "3"]]


def test_a_log_has_histograms_of_each_layer(tmp_path):
    right, _ = trained(seed=0)
    logged, _ = trained(seed=0, log=Log(JsonLines(tmp_path / "log.jsonl"), every=4))
    assert np.array_equal(logged[0].W, right[0].W)  # it only looks
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert sorted({row["step"] for row in rows}) == [0, 4, 8]
    first = {(row["layer"], row["what"]): row for row in rows if not row["step"]}
    assert ("net.layers[1]", "outputs") in first
    assert ("net.layers[1]", "dout") in first
    gradient, outputs = first["net.layers[0].W", "gradient"], first["net.layers[1]", "outputs"]
    assert gradient["size"] == 24
    assert sum(outputs["counts"]) == outputs["finite"] == outputs["size"] == 300
    assert outputs["low"] == 0


def test_a_log_for_tensorboard_has_histograms(tmp_path):
    board = TensorBoard(tmp_path)
    trained(seed=0, log=Log(board, every=9))
    board.writer.close()  # it writes in a thread of its own
    from tensorboardX.event_file_writer import EventFileWriter
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.record_writer import RecordWriter

    assert EventFileWriter is not None
    assert RecordWriter is not None
    (file,) = tmp_path.iterdir()
    content, tags = file.read_bytes(), set()
    while content:  # length, checksum, record, checksum
        size = int.from_bytes(content[:8], "little")
        tags.update(value.tag for value in Event.FromString(content[12 : 12 + size]).summary.value)
        content = content[16 + size :]
    assert any(tag.endswith("outputs") for tag in tags)


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


# --- what does not fit ------------------------------------------------------------------------------------------------


class Wrong(Relu):
    """A ReLU that lets every gradient through."""

    def backward(self, dout):
        return dout * 1.0


class Fixed:
    """It has nothing to learn."""

    def forward(self, x):
        return x[:, :3] * 2

    def backward(self, dout):
        return np.pad(dout * 2, ((0, 0), (0, 1)))


class RowLoss(SoftmaxWithLoss):
    def __init__(self):
        super().__init__(reduction="none")


class Nothing:
    def update(self, params, grads):
        """It has no rate."""


class Updating:
    """It updates itself, by another array."""

    def __init__(self):
        self.W = np.ones((4, 3))

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout):
        self.dW = self.x.T @ dout
        self.W = self.W - 0.1 * self.dW
        return dout


class Stepping(Updating):
    """Its backward takes the step, and keeps no gradient."""

    def backward(self, dout, rate=0.1):
        self.W -= rate * self.x.T @ dout
        return dout @ self.W.T


def with_nan(place):
    broken = x.copy()
    broken[place] = np.nan
    return broken


BAD = {
    "NaN in the data": (
        {"data": (with_nan((60, 2)), t), "shuffle": False},
        r"epoch 1, batch 2: x has NaN or infinity in 1 of 50 samples, the first is x\[60\]; the first "
        r"layer that shows it is Affine \(net.layers\[0\]\), in its forward",
    ),
    "NaN in shuffled data": ({"data": (with_nan((60, 2)), t)}, r"in 1 of 50 samples, the first is x\[60\]; the first "),
    "NaN in the target": (
        {"loss": MeanSquaredError(), "data": (x, with_nan((60, 2))[:, :3])},
        r"t has NaN or infinity in 1 of [25]0 samples, the first is t\[60\]; the first layer that shows it is Mean",
    ),
    "numbers that are too large": (
        {"data": (np.where(np.arange(len(x))[:, None] == 60, 1e308, x), t)},
        r"NaN or infinity; the first layer that shows it is .*, in its forward in 1 of [25]0 samples, .*x\[60\]",
    ),
    "a layer that makes NaN": (
        {"layers": [*net()[:1], LogLayer(), *net()[2:]]},
        r"batch 1: NaN or infinity; the first layer that shows it is LogLayer \(net.layers\[1\]\), in its forward",
    ),
    "a rate that is too high": (
        {"optimizer": SGD(1e200), "loss": MeanSquaredError(), "data": (x, x[:, :3])},
        r"epoch 1, batch [23]: (the parameter net.layers\[\d\].W is NaN or infinite|NaN or infinity)",
    ),
    "one label above": ({"data": (x, np.where(np.arange(len(t)) == 77, 9, t))}, r"t\[77\] is 9; there are 3 scores"),
    "a label above": ({"data": (x, t + 1)}, r"epoch 1, batch 1: t\[\d+\] is 3; .* classes are 0 … 2"),
    "a label below": ({"data": (x, t - 1)}, r"t\[\d+\] is -1; there are 3 scores a sample"),
    "a shape": (
        {"layers": [*net(6)[:2], *net(5)[2:]]},
        r"batch 1: Affine \(net.layers\[2\]\).forward was given \(50, 6\); its W has shape \(5, 3\), .*ValueError",
    ),
    "the data's shape": (
        {"data": (x[:, :3], t)},
        r"Affine \(net.layers\[0\]\).forward was given \(50, 3\); its W has shape \(4, 6\)",
    ),
    "a loss for each row": ({"loss": RowLoss()}, r"RowLoss \(loss\): the loss has shape \(50,\): it has to be one"),
    "nothing to learn": ({"layers": [Fixed()]}, r"no parameter with a gradient was found in .*Fixed.*looked for W"),
    "a net that updates itself": ({"layers": [Updating()]}, r"net.layers\[0\].W is another array after each step"),
    "numbers of samples": ({"data": (x, t[:-1])}, "x has 120 samples, t has 119"),
    "no sample": ({"data": (x[:0], t[:0])}, "there is no sample"),
    "no target": ({"data": (x,)}, "there are no targets: give x and t"),
    "words": ({"data": (np.array(["a"] * 120), t)}, "data of dtype <U1: give real numbers"),
    "complex numbers": ({"data": (x + 1j, t)}, "data of dtype complex128: give real numbers"),
    "an iterator that is used up": (
        {"data": (iter([(x, t)]),), "epochs": 2}, "epoch 2 has no batch; it is used up after one epoch: give a f",
    ),
    "an iterator of something else": ({"data": ([x, t],)}, "batch 1 is ndarray: each has to be a pair"),
    "a file that is none": ({"data": ("none.npy", t)}, "none.npy cannot be read as an array of numbers"),
    "a validation of another shape": (
        {"validation": (x[:, :2], t)}, r"evaluation, batch 1: Affine \(net.layers\[0\]\).forward was given \(50, 2\)",
    ),
    "NaN in the validation": (
        {"validation": (with_nan((60, 2)), t)},
        r"evaluation, batch 2: x has NaN or infinity in 1 of 50 samples, the first is x\[60\]",
    ),
    "labels that are floats": (
        {"data": (x, t.astype(float))}, "t holds float64, and labels are whole numbers: give t.astype",
    ),
    "whole numbers to learn": (
        {"layers": [Affine(np.ones((4, 3), int), np.zeros(3, int))]},
        r"W of Affine \(net.layers\[0\]\) holds whole numbers, which cannot learn: give floats",
    ),
    "a read-only array": (
        {"layers": [Affine(np.broadcast_to(np.ones(3), (4, 3)), np.zeros(3))]},
        r"net.layers\[0\].W is a read-only array, which cannot learn: give the net a copy of it",
    ),
    "a backward that takes the step": (
        {"layers": [Stepping()]},
        r"the backward of Stepping \(net.layers\[0\]\) changes self.W and leaves no gradient: the net updates itself",
    ),
    "a class among the layers": ({"layers": [net()[0], Relu]}, "a layer of the net is the class Relu: make an obj"),
    "a function among the layers": ({"layers": [net()[0], abs]}, "is no layer: it has no forward and backward"),
    "a schedule of nothing": ({"schedule": cosine(), "optimizer": Nothing()}, "Nothing has no lr: a schedule chan"),
    "a class": ({"layers": Updating}, "Updating is a class: make an object of it"),
    "no net": ({"layers": 3}, "int cannot be trained: a net is an object with forward and backward"),
    "no loss": ({"loss": None}, "Sequential.forward takes no target, and there is no loss"),
    "a loss that is none": ({"loss": np.mean}, "the loss, _ArrayFunctionDispatcher, has no forward"),
    "an optimizer that is none": ({"optimizer": 0.1}, r"float is no optimizer: it has no update\(params, grads\)"),
    "a batch of nothing": ({"batch": 0}, "batch is 0: it is a whole number, at least 1"),
    "no folder": ({"resume": True}, "there is no folder to go on from"),
    "something to keep": ({"keep": "all"}, "keep is 'all': write keep="),
    "a wrong layer": (
        {"layers": [net()[0], Wrong(), net()[2]], "check": True}, r"check: these.*\n\nWrong \(net.layers\[1\]\)",
    ),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("case", BAD)
def test_what_does_not_fit_is_one_clear_error_and_changes_nothing(case):
    how, said = BAD[case]
    how = dict(how)
    layers = how.pop("layers", None) or net()
    kept = [layer.W.copy() for layer in layers if hasattr(layer, "W")] if isinstance(layers, list) else []
    with pytest.raises(TrainingError, match=said):
        trained(layers, **how)
    if "epoch 1, batch 1:" in said:
        assert all(np.array_equal(a, b.W) for a, b in zip(kept, (la for la in layers if hasattr(la, "W")), strict=True))


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
