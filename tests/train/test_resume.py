"""What was stopped goes on with the same bits: the order of the data, random states, the optimizer, mid-epoch too."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from stopped_trainings import Counting, StopError, with_layer
from trained_digits import KINDS, bits, net, t, trained, x

from dout.errors import CheckpointError, TargetError, TrainingError
from dout.layers import Affine, Relu, SoftmaxWithLoss
from dout.train import SGD, accuracy, cosine, evaluate, fit, load, predict
from dout.train.state.checkpoints import read_checkpoint

PROGRAM = Path(__file__).parents[1] / "support" / "trained_digits.py"


def stopped_at(folder, step, kind, save_every):
    """A training that ends in the metrics of a step."""
    count = 0

    def accuracy(scores, t):
        nonlocal count
        count += 1
        if count > step:
            raise StopError
        return float(np.mean(scores.argmax(axis=1) == t))

    with pytest.raises(StopError):
        trained(folder, kind, save_every, metrics=[accuracy])


@pytest.mark.one_in(3)
@pytest.mark.parametrize(
    ("kind", "step"),
    [
        *(("plain", step) for step in (1, 4, 6, 7, 13)),
        ("compiled", 4),
        ("book", 1),
        ("book", 9),
        ("iterator", 4),
        ("iterator", 7),
        ("iterator", 16),
    ],
)
def test_a_training_that_was_stopped_ends_with_the_same_bits(kind, step, tmp_path):
    whole = bits(*trained(tmp_path / "whole", kind))
    stopped_at(tmp_path / "parts", step, kind, save_every=1)
    random.seed()
    np.random.seed(99)
    assert bits(*trained(tmp_path / "parts", kind, save_every=1, resume=True)) == whole


def test_saving_changes_nothing(tmp_path):
    assert bits(*trained(tmp_path / "a", save_every=1)) == bits(*trained(tmp_path / "b")) == bits(*trained(None))


def test_a_checkpoint_leaves_out_what_the_next_step_does_not_read(tmp_path):
    trained(tmp_path)
    kept, _ = read_checkpoint(tmp_path / "last.safetensors")
    names = set(kept.arrays)
    assert {"net.layers[0].W", "net.layers[1].running_mean", "net.layers[2].mean"} <= names
    assert not {name for name in names if name.endswith((".x", ".xn", ".dW", ".mask", ".scale", "noise']"))}
    assert kept.document["attributes"]["net.layers[2]"]["turn"] == {"plain": 32}  # 24 steps, 4 validations by 2


class OddMeans:
    """It remembers the mean in odd steps, and takes it away in even ones."""

    def __init__(self):
        self.count, self.mean = 0, None

    def forward(self, x):
        self.count += 1
        if self.count % 2:
            self.mean = x.mean(axis=0)
            return x
        return x - self.mean

    def backward(self, dout):
        return dout


class LatestMean:
    """In an evaluation it takes the mean of the latest step."""

    def __init__(self):
        self.training, self.mean = True, None

    def forward(self, x):
        if self.training:
            self.mean = x.mean(axis=0)
        return x - self.mean

    def backward(self, dout):
        return dout


def test_what_only_some_steps_read_is_kept_for_these(tmp_path):
    whole = with_layer(OddMeans(), tmp_path / "whole", 3, 4)
    with_layer(OddMeans(), tmp_path / "parts", 1, 4)
    parts = with_layer(OddMeans(), tmp_path / "parts", 3, 4)
    assert np.array_equal(parts[0].W, whole[0].W)


def test_what_an_evaluation_reads_is_kept(tmp_path):
    trained_layers = with_layer(LatestMean(), tmp_path, 1)
    again = [Affine(np.zeros((6, 4)), np.zeros(4)), LatestMean(), Affine(np.eye(4), np.zeros(4))]
    load(tmp_path / "last.safetensors", again)
    assert np.array_equal(predict(again, x), predict(trained_layers, x))


def test_the_trial_steps_of_a_checkpoint_do_not_count_in_the_class(tmp_path):
    Counting.count = 0
    with_layer(Counting(), tmp_path, 2, 1)
    assert Counting.count == 10


def test_a_finished_training_goes_on_to_more_epochs(tmp_path):
    whole = bits(*trained(tmp_path / "whole", epochs=6, schedule=None))
    trained(tmp_path / "parts", epochs=2, schedule=None)
    assert bits(*trained(tmp_path / "parts", epochs=6, schedule=None, resume=True)) == whole


def test_another_rate_holds_from_then_on(tmp_path):
    def run(lr, epochs):
        layers = net()
        fit(
            layers,
            x,
            t,
            loss=SoftmaxWithLoss(),
            optimizer=(sgd := SGD(lr)),
            epochs=epochs,
            checkpoint=tmp_path,
            resume=True,
        )
        return sgd.lr

    run(0.1, 1)
    assert run(0.02, 2) == 0.02
    _, training = read_checkpoint(tmp_path / "last.safetensors")
    assert [float(row["lr"]) for row in training["rows"]] == [0.1, 0.02]


def test_the_best_epoch_is_kept_and_can_be_loaded(tmp_path):
    layers, history, _ = trained(tmp_path, epochs=6, schedule=None)
    best = net()
    load(tmp_path / "best.safetensors", best)
    found = evaluate(best, x[:50], t[:50], loss=SoftmaxWithLoss(), metrics=[accuracy])
    assert found["loss"] == pytest.approx(history.best["validation loss"], rel=0.2)  # Noise draws
    again = net()
    load(tmp_path / "last.safetensors", again)
    assert np.array_equal(again[0].W, layers[0].W)


def test_early_stopping_leaves_the_best_parameters(tmp_path):
    layers = [Affine(np.zeros((6, 3)), np.zeros(3))]
    history = fit(
        layers, x[:30], t[:30], loss=SoftmaxWithLoss(), optimizer=SGD(3.0), epochs=400, batch=10, seed=0, patience=5,
        keep="best", validation=(x[30:], t[30:]), compiled=False,
    )  # fmt: skip
    assert len(history) < 400
    assert history.stopped == "stopped: validation loss was not smaller for 5 epochs"
    found = evaluate(layers, x[30:], t[30:], loss=SoftmaxWithLoss())
    assert found["loss"] == pytest.approx(history.best["validation loss"], rel=1e-12)


def test_the_best_epoch_is_left_in_the_net_though_the_training_went_on_after_it(tmp_path):
    def run(epochs, rate):
        layers = [Affine(np.zeros((6, 3)), np.zeros(3))]
        more = {"validation": (x[30:], t[30:]), "checkpoint": tmp_path, "resume": True, "compiled": False}
        fit(layers, x[:30], t[:30], loss=SoftmaxWithLoss(), optimizer=SGD(rate), epochs=epochs, keep="best", **more)
        return layers[0].W

    best = run(3, 0.5)
    assert np.array_equal(run(5, 1e3), best)  # what comes with such a rate is worse


def killed(folder, output, kind, after):
    """Start the program, and kill it so many seconds after it has written a checkpoint; whether it was killed."""
    last = folder / "last.safetensors"
    before = last.stat().st_mtime_ns if last.exists() else 0
    with subprocess.Popen([sys.executable, PROGRAM, folder, kind, "1", output], env=environment()) as process:
        while process.poll() is None and not (last.exists() and last.stat().st_mtime_ns > before):
            time.sleep(0.002)
        try:
            process.wait(after)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
    return not output.exists()


def environment():
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def kill_and_go_on(folder, most, kind, seed):
    """Kill a training at random moments, so often at most; the bits at its end are right. How often it was."""
    chance, kills, output = random.Random(seed), 0, folder / "end"
    begun = time.perf_counter()
    assert not killed(folder / "whole", folder / "right", kind, 120)
    took = time.perf_counter() - begun
    while kills < most and killed(folder / "parts", output, kind, chance.uniform(0, 0.3) * took):
        kills += 1
    assert output.exists() or not killed(folder / "parts", output, kind, 120)
    assert not list((folder / "parts").glob(".dout-*"))
    assert output.read_text() == (folder / "right").read_text()
    return kills


def test_kill_9_at_random_moments_changes_no_bit(tmp_path):
    assert kill_and_go_on(tmp_path, 2, "plain", 0) >= 1


@pytest.mark.long
@pytest.mark.parametrize("seed", range(10))
def test_kill_9_fifty_times(tmp_path, seed):
    kill_and_go_on(tmp_path, 5, sorted(KINDS)[seed % len(KINDS)], seed)


def test_control_c_ends_after_the_step_with_a_checkpoint(tmp_path):
    count = 0

    def accuracy(scores, t):
        nonlocal count
        count += 1
        if count == 6 + 1 + 3:  # an epoch, its validation, and three batches
            os.kill(os.getpid(), signal.SIGINT)
        return float(np.mean(scores.argmax(axis=1) == t))

    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "parts", metrics=[accuracy])
    _, training = read_checkpoint(tmp_path / "parts" / "last.safetensors")
    assert (training["epoch"], training["batch"]) == (1, 3)
    assert bits(*trained(tmp_path / "parts", resume=True)) == bits(*trained(tmp_path / "whole"))


def test_after_control_c_the_same_optimizer_goes_on_from_its_own_rate(tmp_path):
    def run(folder, optimizer, metrics=()):
        layers = [Affine(np.ones((6, 3)), np.zeros(3))]
        fit(
            layers, x, t, loss=SoftmaxWithLoss(), optimizer=optimizer, epochs=3, batch=40, seed=0, schedule=cosine(),
            checkpoint=folder, resume=True, compiled=False, metrics=metrics,
        )  # fmt: skip
        return layers[0].W

    count, sgd = 0, SGD(0.5)

    def accuracy(scores, t):
        nonlocal count
        count += 1
        if count == 9:
            os.kill(os.getpid(), signal.SIGINT)
        return 0.0

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "parts", sgd, [accuracy])
    assert sgd.lr == 0.5
    assert np.array_equal(run(tmp_path / "parts", sgd), run(tmp_path / "whole", SGD(0.5)))


def test_a_training_that_ran_out_of_patience_goes_on_with_more_of_it(tmp_path):
    def run(patience, epochs):
        return fit(
            [Affine(np.zeros((6, 3)), np.zeros(3))], x, t, loss=SoftmaxWithLoss(), optimizer=SGD(50.0), epochs=epochs,
            seed=0, patience=patience, checkpoint=tmp_path, resume=True, compiled=False,
        )  # fmt: skip

    first = run(1, 20)
    assert len(first) < 20
    assert first.stopped
    assert len(run(1, 20)) == len(first)
    assert len(run(50, 20)) == 20


def test_a_full_disk_leaves_the_last_checkpoint_whole(tmp_path, monkeypatch):
    trained(tmp_path, epochs=1)
    before = (tmp_path / "last.safetensors").read_bytes()

    def full(number):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(TargetError, match=r"cannot be written: No space left on device"):
        trained(tmp_path, epochs=2, resume=True)
    assert (tmp_path / "last.safetensors").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_training_does_not_begin_over_another_ones_checkpoint(tmp_path):
    trained(tmp_path, epochs=1)
    with pytest.raises(TargetError, match=r"last.safetensors is there: --resume"):
        trained(tmp_path, epochs=1)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"seed": 6}, "it was made with seed 5, not 6"),
        ({"batch": 30}, r"samples and batches are of \[230, 40\], here of \[230, 30\]"),
        ({"net": lambda: [*net(), Relu()]}, r"net.layers\[6\] is nothing in it, and Relu here"),
        ({"net": lambda: [Affine(np.zeros((6, 9)), np.zeros(9)), *net()[1:]]},
         r"net.layers\[0\].W has shape \(6, 8\) and dtype float32 in it, and \(6, 9\) and float64 in the net"),
        ({"optimizer": SGD()}, "optimizer is Adam in it, and SGD here"),
    ],
)  # fmt: skip
def test_a_checkpoint_of_something_else_is_refused(other, said, tmp_path):
    trained(tmp_path, epochs=1)
    before = (tmp_path / "last.safetensors").read_bytes()
    layers = other.get("net", net)()
    first = layers[0].W.copy()
    with pytest.raises(CheckpointError, match=said):
        fit(
            layers, x, t, loss=SoftmaxWithLoss(), optimizer=other.get("optimizer"), batch=other.get("batch", 40),
            seed=other.get("seed", 5), checkpoint=tmp_path, resume=True,
        )  # fmt: skip
    assert np.array_equal(layers[0].W, first)
    assert (tmp_path / "last.safetensors").read_bytes() == before


def test_what_a_file_cannot_hold_is_said_at_the_first_checkpoint(tmp_path):
    class Seen:
        def __init__(self):
            self.seen = {1}

        def forward(self, x):
            self.seen.add(len(self.seen))
            return x

        def backward(self, dout):
            return dout

    with pytest.raises(CheckpointError, match=r"net.layers\[0\].seen is a set, which a checkpoint cannot hold"):
        fit([Seen(), *net()], x, t, loss=SoftmaxWithLoss(), epochs=1, checkpoint=tmp_path)


def test_an_unwritable_folder_is_one_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises((TargetError, TrainingError), match="cannot be a folder of checkpoints"):
        trained(tmp_path / "file")
