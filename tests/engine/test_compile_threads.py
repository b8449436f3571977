"""Compiled functions and layers in many threads: what each gives is what it gives plainly, and none waits forever."""

import queue
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import dout

THREADS, CALLS = 8, 1000
LIMIT = 120  # seconds; what takes longer waits for what never comes


def in_threads(work, count=THREADS):
    """Run `work(number)` in all threads at once; what one raises is raised here."""
    failures, ready = [], threading.Barrier(count)

    def run(number):
        try:
            ready.wait()
            work(number)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT)
    if failures:
        raise failures[0]
    assert not any(thread.is_alive() for thread in threads)


def test_one_compiled_function_is_right_in_many_threads():
    def smooth(x, a):
        e = np.exp(-np.abs(x * a))
        return e / (1 + e), e.sum(axis=0)

    fast = dout.compile(smooth)
    shapes = [(5, 3), (4,), (2, 2, 2), (50, 40)]

    def work(number):
        rng = np.random.default_rng(number)
        for i in range(CALLS):
            x = rng.normal(size=shapes[(number + i // 100) % len(shapes)]).astype([np.float32, float][number % 2])
            for ours, theirs in zip(fast(x, 0.5 + number), smooth(x, 0.5 + number), strict=True):
                assert ours.dtype == theirs.dtype
                np.testing.assert_allclose(ours, theirs, rtol=1e-5)

    in_threads(work)


class Affine:
    def __init__(self, rng):
        self.params = {"W": rng.normal(size=(3, 2)), "b": np.zeros(2)}
        self.grads = {}
        self.count = 0

    def forward(self, x):
        self.x = x
        self.count += 1
        return x @ self.params["W"] + self.params["b"]

    def backward(self, dout):
        self.grads["W"] = self.x.T @ dout
        self.grads["b"] = dout.sum(axis=0)
        for key in self.params:
            self.params[key] -= 0.01 * self.grads[key]
        return dout @ self.params["W"].T


@pytest.mark.long
def test_a_compiled_layer_in_each_thread_is_right():
    def work(number):
        plain, layer = (Affine(np.random.default_rng(number)) for _ in range(2))
        fast = dout.compile(layer)
        rng = np.random.default_rng(100 + number)
        for _ in range(CALLS):
            x, dy = rng.normal(size=(4, 3)), rng.normal(size=(4, 2))
            np.testing.assert_allclose(fast.forward(x), plain.forward(x), rtol=1e-9, atol=1e-12)
            np.testing.assert_allclose(fast.backward(dy), plain.backward(dy), rtol=1e-9, atol=1e-12)
        assert layer.count == plain.count
        for key, value in plain.params.items():
            np.testing.assert_allclose(layer.params[key], value, rtol=1e-9, atol=1e-12)

    in_threads(work)


# --- recordings -------------------------------------------------------------------------------------------------------


class Shifted:
    def __init__(self):
        self.b = np.linspace(0.0, 1.0, 3)
        self.scale = 2.0

    def forward(self, x):
        return np.tanh(x * self.scale) + self.b

    def backward(self, dout):
        return dout * self.scale


def while_others_are_recorded(fast, call, threads):
    """Call again and again in all threads but one, which has `fast.forward` recorded for other sizes."""
    recorded = threading.Event()

    def work(number):
        if number:
            while not recorded.is_set():
                call()
        else:
            try:
                for rows in range(3, 15):
                    fast.forward(np.ones((rows, 3)))
            finally:
                recorded.set()

    in_threads(work, threads)


def test_calls_are_right_while_another_thread_is_recorded():
    fast, x = dout.compile(Shifted()), np.arange(6.0).reshape(2, 3)
    fast.forward(x)
    expected = Shifted().forward(x)

    def call():
        y = fast.forward(x)
        assert type(y) is np.ndarray
        np.testing.assert_allclose(y, expected, rtol=1e-12)

    while_others_are_recorded(fast, call, 4)
    assert len(fast.plan().programs) == 13


def test_plain_calls_get_nothing_of_a_recording_in_another_thread():
    class Told(Shifted):
        def backward(self, dout):
            str(dout.sum())
            print(end="")  # noqa: T201 - so that it is not compiled
            return dout * self.b

    fast = dout.compile(Told())

    def call():
        assert type(fast.backward(np.ones(3))) is np.ndarray

    for _ in range(3):
        call()
    while_others_are_recorded(fast, call, 2)


def test_compiled_calls_inside_compiled_calls_wait_for_no_other_thread_forever():
    class Net:
        def __init__(self):
            self.inner = dout.compile(Shifted())

        def predict(self, x):
            return self.inner.forward(x) * 2

    for start in range(5):
        net = Net()
        predict = dout.compile(net.predict)

        def work(number, net=net, predict=predict, start=start):
            for rows in range(start + 1, start + 4):
                x = np.ones((rows, 3))
                y = predict(x) if number % 2 else net.inner.forward(x) * 2
                np.testing.assert_allclose(y, Shifted().forward(x) * 2, rtol=1e-12)

        in_threads(work, 2)


def test_a_plain_run_may_wait_for_a_thread_that_is_to_be_compiled():
    inner = dout.compile(Shifted())

    def outer(x):
        results = []
        thread = threading.Thread(target=lambda: results.append(inner.forward(x)), daemon=True)
        thread.start()
        thread.join(LIMIT)
        return results[0]

    fast = dout.compile(outer)
    fast.compiled.given_up = True  # what starts threads is known not to be for a program
    np.testing.assert_allclose(fast(np.ones((2, 3))), Shifted().forward(np.ones((2, 3))))


def by_join(work):
    results = []
    thread = threading.Thread(target=lambda: results.append(work()), daemon=True)
    thread.start()
    thread.join(LIMIT)
    return results[0]


def by_queue(work):
    results = queue.SimpleQueue()
    threading.Thread(target=lambda: results.put(work()), daemon=True).start()
    return results.get(timeout=LIMIT)


def by_pool(work):
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result(LIMIT)


@pytest.mark.parametrize("wait", [by_join, by_queue, by_pool])
def test_what_is_recorded_may_wait_for_a_thread_that_is_to_be_compiled(wait):
    layer = Shifted()
    inner = dout.compile(layer)

    def outer(x):
        return wait(lambda: inner.forward(x)) * layer.b

    fast = dout.compile(outer)
    for rows in (2, 3, 4):  # so that the inner call is another one each time
        x = np.ones((rows, 3))
        y = fast(x)
        assert type(y) is type(layer.b) is np.ndarray
        np.testing.assert_allclose(y, Shifted().forward(x) * layer.b)
    assert f"it waits for another thread, at {__file__}" in fast.plan().functions[0].plainly[0]


# --- compiled calls inside compiled ones, in one thread ---------------------------------------------------------------


class Counted(Shifted):
    calls = 0

    def forward(self, x):
        self.calls += 1
        return x * self.scale


def test_what_a_compiled_function_calls_may_be_compiled_and_keeps_its_effects():
    layer = Counted()
    for inner in (dout.compile(layer).forward, dout.compile(layer.forward)):
        layer.calls = 0
        inner(np.ones(3))
        outer = dout.compile(lambda x, inner=inner: inner(x) + 1)
        for _ in range(3):
            np.testing.assert_array_equal(outer(np.ones(3)), [3, 3, 3])
        assert layer.calls == 4


class Clipping:
    def forward(self, x):
        self.mask = x > 0
        return x * self.mask

    def backward(self, dout):
        return dout * self.mask


class Net:
    def __init__(self, layer):
        self.layers = [layer]

    def forwards(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def setting(self, x):
        self.layers[0].mask = x > 0
        return x * 2

    def deleting(self, x):
        self.layers[0].mask = x > 0
        del self.layers[0].mask
        return x * 2


@pytest.mark.parametrize("name", ["forwards", "setting", "deleting"])
def test_a_compiled_layer_inside_a_compiled_call_has_the_attributes_of_that_call(name):
    layer, twin = Clipping(), Clipping()
    fast, plain = dout.compile(getattr(Net(dout.compile(layer)), name)), getattr(Net(twin), name)
    for x in (np.array([1.0, -1.0]), np.array([-1.0, 1.0]), np.array([1.0, 1.0]), np.array([-1.0, -1.0])):
        np.testing.assert_array_equal(fast(x), plain(x))
        assert vars(layer).keys() == vars(twin).keys()
        for mask in vars(layer).values():
            assert type(mask) is np.ndarray
            np.testing.assert_array_equal(mask, twin.mask)
