"""A training whose steps are computed by several workers: the numbers of one process, also when workers are killed."""

import os
import signal
import threading
import time

import numpy as np
import pytest

from dout.errors import TrainingError
from dout.layers import Affine, BatchNorm, Dropout, Relu, SoftmaxWithLoss
from dout.train import Adam, Sequential, accuracy, fit, he

distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.filterwarnings("ignore")  # Dask's own

GENERATOR = np.random.default_rng(5)
X, T = GENERATOR.standard_normal((203, 6)), GENERATOR.integers(0, 3, 203)


def net_of(*between, width=3):
    generator = np.random.default_rng(0)
    return Sequential(
        Affine(he(6, 9, generator=generator), np.zeros(9)), Relu(), *between,
        Affine(he(9, width, generator=generator), np.zeros(width)),
    )  # fmt: skip


def trained(net=None, *, loss=None, epochs=2, batch=40, x=X, t=T, **how):
    net = net or net_of()
    loss = loss or SoftmaxWithLoss()
    history = fit(net, x, t, loss=loss, optimizer=Adam(0.01), epochs=epochs, batch=batch, seed=3, **how)
    return history, net


def weights(net):
    return [layer.W.copy() for layer in net.layers if isinstance(layer, Affine)]


def client_of(processes):
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=processes, dashboard_address=None, silence_logs=50
    )
    return cluster, distributed.Client(cluster)


@pytest.fixture(scope="module")
def client():
    """Two workers that are threads of this process: they start at once."""
    cluster, one = client_of(processes=False)
    yield one
    one.close()
    cluster.close()


@pytest.mark.parametrize("runs", [1, pytest.param(10, marks=pytest.mark.long)])
def test_a_killed_worker_changes_no_number(runs):
    plain, _ = trained(metrics=[accuracy], epochs=4)
    cluster, client = client_of(processes=True)
    killed = []
    with cluster, client:
        unkilled, kept = trained(metrics=[accuracy], epochs=4, client=client)
        for run in range(runs):
            steps = []

            def hit(scores, t, steps=steps, run=run):
                steps.append(1)
                if len(steps) == 5:
                    worker = list(cluster.workers.values())[run % 2]
                    os.kill(worker.pid, signal.SIGKILL)
                    killed.append(worker.pid)
                return accuracy(scores, t)

            spread, net = trained(metrics=[hit], epochs=4, client=client)
            np.testing.assert_allclose(spread["loss"], plain["loss"], rtol=0, atol=1e-10)
            assert spread["hit"] == plain["accuracy"]
            assert spread["loss"] == unkilled["loss"]
            assert all(np.array_equal(a, b) for a, b in zip(weights(kept), weights(net), strict=True))
            client.wait_for_workers(2)
    assert len(set(killed)) == runs


@pytest.mark.one_in(2)
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_a_loss_that_is_a_mean_or_a_sum_is_the_same(client, reduction):
    both = [trained(loss=SoftmaxWithLoss(reduction=reduction), **how)[0] for how in ({}, {"client": client})]
    np.testing.assert_allclose(both[1]["loss"], both[0]["loss"], rtol=1e-12)


def test_a_net_with_its_own_loss_is_spread(client):
    class Net:
        def __init__(self):
            self.layers, self.loss = net_of(), SoftmaxWithLoss()

        def forward(self, x, t):
            return self.loss.forward(self.layers.forward(x), t)

        def backward(self):
            return self.layers.backward(self.loss.backward(1))

    both = [fit(Net(), X, T, epochs=2, batch=40, seed=1, **how)["loss"] for how in ({}, {"client": client})]
    np.testing.assert_allclose(both[1], both[0], rtol=0, atol=1e-10)


def test_what_looks_at_the_whole_batch_is_refused_with_its_layer(client):
    with pytest.raises(TrainingError, match=r"BatchNorm \(net.layers\[2\]\) gives other numbers for two parts"):
        trained(net_of(BatchNorm(np.ones(9), np.zeros(9))), client=client)
    with pytest.raises(TrainingError, match="SoftmaxWithLoss gives other numbers"):
        trained(loss=SoftmaxWithLoss(weight=np.array([1.0, 2.0, 5.0])), client=client)


def test_labels_that_are_ignored_later_are_found_when_they_come(client):
    x, t = np.concatenate([X[:80], X[:40]]), np.concatenate([T[:80], np.full(40, -1)])
    t[[80, 81, 82, 110]] = 1, 2, 0, 1
    with pytest.raises(TrainingError, match=r"epoch 1, batch 3: SoftmaxWithLoss is .* put together from its parts"):
        trained(loss=SoftmaxWithLoss(ignore_index=-1), x=x, t=t, shuffle=False, client=client)


class Warming:
    """Passes on more of its input in each step."""

    def __init__(self):
        self.count = 0

    def forward(self, x):
        self.count += 1
        self.share = self.count / (self.count + 1)
        return x * self.share

    def backward(self, dout):
        return dout * self.share


class Later(Warming):
    """Halves its input from its tenth step on."""

    def forward(self, x):
        self.count += 1
        self.share = 1.0 if self.count < 10 else 0.5
        return x * self.share


class Bounded:
    """Divides a batch by its largest number, if that is above 1."""

    def forward(self, x):
        self.divisor = max(1.0, np.abs(x).max())
        return x / self.divisor

    def backward(self, dout):
        return dout / self.divisor


class Mean:
    """The cross-entropy by hand, its mean over labels that are not −1."""

    def forward(self, x, t):
        powers = np.exp(x - x.max(axis=1, keepdims=True))
        self.shares, self.t = powers / powers.sum(axis=1, keepdims=True), t
        self.weights = (t >= 0) / max((t >= 0).sum(), 1)
        return -(np.log(self.shares[np.arange(len(t)), t]) * self.weights).sum()

    def backward(self, dout=1):
        gradient = self.shares.copy()
        gradient[np.arange(len(self.t)), self.t] -= 1
        return gradient * self.weights[:, None] * dout


class WithLoss:
    """A net with a loss of its own."""

    def __init__(self):
        self.layers, self.loss = net_of(), Mean()

    def forward(self, x, t):
        return self.loss.forward(self.layers.forward(x), t)

    def backward(self):
        return self.layers.backward(self.loss.backward())


def test_what_later_batches_show_is_refused(client):
    with pytest.raises(TrainingError, match=r"the gradient of net.layers\[0\].W differs by .* counts its steps"):
        trained(net_of(Later()), epochs=3, client=client)
    scale = np.concatenate([np.full(40, 0.01), np.full(163, 10.0)])[:, None]
    with pytest.raises(TrainingError, match=r"Bounded \(net.layers\[0\]\) gives other numbers for two parts"):
        trained([Bounded(), *net_of().layers], x=X * scale, shuffle=False, client=client)
    t = T.copy()
    t[120:140] = -1
    with pytest.raises(TrainingError, match=r"epoch 1, batch 4: .* the loss weighs samples"):
        fit(WithLoss(), X, t, epochs=1, batch=40, seed=1, shuffle=False, client=client)


@pytest.mark.long
def test_the_first_batch_of_an_epoch_is_compared_with_the_whole(client):
    t = np.concatenate([T[:1], [-1, -1], T[3:8]])
    epochs = iter([[(X[:8], T[:8])] * 110, [(X[:8], t)]])
    with pytest.raises(TrainingError, match=r"epoch 2, batch 1: .* the loss weighs samples"):
        fit(WithLoss(), lambda: next(epochs), epochs=2, seed=1, client=client)


@pytest.mark.long
def test_a_net_that_has_learned_everything_is_not_refused(client):
    x, generator = np.tile(np.eye(6, dtype=np.float32), (20, 1)), np.random.default_rng(0)
    W = [he(*shape, generator=generator, dtype=np.float32) for shape in ((6, 40), (40, 6))]
    net = [Affine(W[0], np.zeros(40, np.float32)), Relu(), Affine(W[1], np.zeros(6, np.float32))]
    history = fit(
        net, x, x.argmax(axis=1), loss=SoftmaxWithLoss(), optimizer=Adam(0.5), batch=120, epochs=33, client=client
    )
    assert history["loss"][-1] < 1e-5


def test_workers_forget_a_net_when_its_training_ends(client, monkeypatch):
    held, seen = {}, []
    monkeypatch.setattr("dout.train.nets.spread_step._HELD", held)
    trained(metrics=[lambda scores, t: seen.append(len(held)) or 0.0], epochs=1, client=client)
    assert seen[0] == 1
    until = time.monotonic() + 20
    while held and time.monotonic() < until:
        time.sleep(0.05)
    assert not held


def test_a_layer_that_counts_its_steps_is_refused(client):
    with pytest.raises(TrainingError, match=r"Warming \(net.layers\[2\]\) keeps something of a step"):
        trained(net_of(Warming()), client=client)


@pytest.mark.long
def test_dropout_draws_the_same_whichever_worker_has_a_part(client):
    np.random.seed(1)
    first, one = trained(net_of(Dropout(0.4)), client=client)
    second, other = trained(net_of(Dropout(0.4)), client=client)
    assert first["loss"] == second["loss"]
    assert all(np.array_equal(a, b) for a, b in zip(weights(one), weights(other), strict=True))


def test_draws_that_no_flag_turns_off_are_refused(client):
    class Noise:
        def forward(self, x):
            return x + np.random.normal(size=x.shape)

        def backward(self, dout):
            return dout

    with pytest.raises(TrainingError, match=r"net.layers\[2\] draws random numbers, and no flag"):
        trained(net_of(Noise()), client=client)


@pytest.mark.long
def test_a_resumed_training_has_the_same_bits_with_other_workers(client, tmp_path):
    pytest.importorskip("safetensors")
    whole, one = trained(net_of(Dropout(0.4)), client=client)
    trained(net_of(Dropout(0.4)), client=client, epochs=1, checkpoint=tmp_path)

    class One:
        """The same workers, of which only one is seen at the start."""

        submit = client.submit

        def nthreads(self):
            return dict([*client.nthreads().items()][:1])

    again, other = trained(net_of(Dropout(0.4)), client=One(), checkpoint=tmp_path, resume=True)
    assert again["loss"] == whole["loss"]
    assert all(np.array_equal(a, b) for a, b in zip(weights(one), weights(other), strict=True))


def test_a_training_of_one_process_goes_on_with_all_workers(client, tmp_path):
    pytest.importorskip("safetensors")
    trained(epochs=1, checkpoint=tmp_path)
    parts = []

    class Counting:
        """A client that counts the parts of all steps."""

        nthreads = client.nthreads

        def submit(self, function, *given, **how):
            parts.extend([1] * (function.__name__ == "computed_part"))
            return client.submit(function, *given, **how)

    trained(client=Counting(), checkpoint=tmp_path, resume=True)
    assert len(parts) == 2 * 6


def test_an_error_on_a_worker_is_told_as_one_here(client):
    told = []
    for how in ({}, {"client": client}):
        t = T.copy()
        t[150] = 7
        with pytest.raises(TrainingError) as caught:
            trained(t=t, shuffle=False, **how)
        told.append(str(caught.value))
    assert told[0] == told[1]
    assert "there are 3 scores a sample" in told[0]


def test_a_label_of_no_class_is_found_in_a_part(client):
    t = T.copy()
    t[150] = -1
    with pytest.raises(TrainingError, match=r"epoch 1, batch 4: t\[150\] is -1; there are 3 scores a sample"):
        trained(loss=Mean(), t=t, shuffle=False, client=client)


class Reading:
    """Raises an error for large numbers; on workers alone, if it is told so."""

    def __init__(self, error, only_there=False):
        self.error, self.only_there = error, only_there

    def forward(self, x):
        here = threading.current_thread() is threading.main_thread()
        if np.max(x) > 500 and not (self.only_there and here):
            raise self.error
        return x * 1

    def backward(self, dout):
        return dout


def test_an_error_of_a_layer_is_not_one_of_the_network(client):
    x = X.copy()
    x[150] = 1000
    with pytest.raises(
        TrainingError, match=r"batch 4: Reading \(net.layers\[0\]\).*TimeoutError: the sensor is silent"
    ):
        trained([Reading(TimeoutError("the sensor is silent")), *net_of().layers], x=x, shuffle=False, client=client)
    missing = FileNotFoundError(2, "No such file or directory", "/table.txt")
    with pytest.raises(TrainingError, match=r"batch 4: worker \S+: Reading \(net.layers\[0\]\).*'/table.txt'"):
        trained([Reading(missing, only_there=True), *net_of().layers], x=x, shuffle=False, client=client)


def test_nan_in_one_of_several_inputs_is_told_with_the_input():
    x = X.copy()
    x[33, 1] = np.nan

    class Two:
        """Adds up its inputs."""

        def __init__(self):
            self.inner = net_of()

        def forward(self, one, other):
            return self.inner.forward(one + other)

        def backward(self, dout):
            dout = self.inner.backward(dout)
            return dout, dout

    with pytest.raises(TrainingError, match=r"in 1 of 40 samples, the first is x\[1\]\[33\]"):
        trained(Two(), x=(X, x), shuffle=False)


def test_nan_is_told_with_its_layer(client):
    x = X.copy()
    x[100, 2] = np.nan
    with pytest.raises(TrainingError, match="x has NaN or infinity in 1 of 40 samples"):
        trained(x=x, client=client)


def test_what_is_no_client_is_refused_before_anything_runs():
    with pytest.raises(TrainingError, match=r"give a Client of dask\.distributed"):
        trained(client="tcp://10.0.0.1:8786")


def test_a_sample_alone_is_one_part(client):
    plain, spread = trained(x=X[:5], t=T[:5], batch=2)[0], trained(x=X[:5], t=T[:5], batch=2, client=client)[0]
    np.testing.assert_allclose(spread["loss"], plain["loss"], rtol=0, atol=1e-12)
