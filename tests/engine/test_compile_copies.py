"""Copies and pickles of what compiles and records, and forks while another thread does so."""

import copy
import os
import pickle
import subprocess
import sys
import textwrap

import numpy as np
import pytest

import dout

WAYS = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    **{
        f"pickle {k}": lambda item, k=k: pickle.loads(pickle.dumps(item, k)) for k in range(pickle.HIGHEST_PROTOCOL + 1)
    },
}
every_way = pytest.mark.parametrize("way", WAYS)


class Affine:
    """y = x W."""

    def __init__(self):
        self.W = np.arange(6.0).reshape(2, 3)

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout):
        self.dW = self.x.T @ dout
        return dout @ self.W.T


@dout.compile
def doubled(x):
    """Compiled under its own name."""
    return 2 * x


def tripled(x):
    """Not compiled under its own name."""
    return 3 * x


@every_way
def test_a_copy_of_a_trace_holds_the_same_values_uses_and_gradients(way, tmp_path):
    recorded = dout.trace(Affine(), np.ones((4, 2)))
    recorded.save(tmp_path / "trace.json")
    for trace in (recorded, dout.load(tmp_path / "trace.json")):
        made = WAYS[way](trace)
        for one, other in zip(trace.values, made.values, strict=True):
            assert (one.name, len(one.uses), one.shape) == (other.name, len(other.uses), other.shape)
            np.testing.assert_array_equal(one.data, other.data)
            assert (one.gradient is None) == (other.gradient is None)
            if one.gradient is not None:
                np.testing.assert_array_equal(one.gradient.value, other.gradient.value)
        trace.save(tmp_path / "one.json")
        made.save(tmp_path / "other.json")
        assert (tmp_path / "one.json").read_text() == (tmp_path / "other.json").read_text()


@pytest.mark.one_in(4)
@every_way
def test_a_long_trace_is_copied(way):
    def power(x):
        for _ in range(3000):
            x = x * 1.0001
        return x

    trace = dout.trace(power, 1.0)
    assert WAYS[way](trace).outputs == trace.outputs


@every_way
@pytest.mark.parametrize("strict", [False, True])
def test_a_copy_of_a_compiled_layer_computes_with_weights_of_its_own(way, strict):
    x = np.ones((4, 2))
    fast = dout.compile(Affine(), strict=strict)
    y = fast.forward(x)
    made = WAYS[way](fast)
    if way != "copy":
        fast.W += 1
    for _ in range(2):
        np.testing.assert_array_equal(made.forward(x), y)
        np.testing.assert_array_equal(made.backward(y), y @ made.W.T)


def test_a_compiled_function_is_itself_in_every_copy():
    for fast in (doubled, dout.compile(tripled), dout.compile(Affine().forward), dout.compile(dout.grad(tripled))):
        assert copy.copy(fast) is fast
        assert copy.deepcopy(fast) is fast


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_compiled_function_is_pickled_where_its_own_name_leads_to_it(protocol):
    assert pickle.loads(pickle.dumps(doubled, protocol)) is doubled
    for fast in (dout.compile(tripled), dout.compile(Affine().forward), dout.compile(dout.grad(tripled))):
        with pytest.raises(pickle.PicklingError):
            pickle.dumps(fast, protocol)


FORKED = """
    import os, threading, time
    import numpy as np
    import dout

    begun = threading.Event()

    class Slow:
        def __init__(self):
            self.W = np.ones(3)

        def forward(self, x):
            begun.set()
            time.sleep({seconds})
            return x * self.W

        def backward(self, dout):
            return dout * self.W

    def squashed(x):
        return np.tanh(x) * 2

    def told(x):
        begun.set()
        print(end="")
        time.sleep({seconds})
        return x

    def long(x):
        begun.set()
        for k in range(200):
            x = np.tanh(x) * (1 + k)
            x = x - x.sum()
        return x

    slow = Slow()
    thread = threading.Thread(target=lambda: {work})
    thread.start()
    begun.wait()
    time.sleep({wait})
    child = os.fork()
    if child == 0:
        fast, x = dout.compile(squashed), np.ones(3)
        assert type(slow.W) is np.ndarray and slow.forward.__func__ is Slow.forward
        for _ in range(3):
            np.testing.assert_allclose(fast(x), np.tanh(x) * 2)
        assert not fast.plan().functions[0].plainly
        assert dout.trace(squashed, x).outputs.tolist() == squashed(x).tolist()
        os._exit(0)
    print("child", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    thread.join()
"""


@pytest.mark.one_in(2)
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.parametrize(
    "work",
    [
        "dout.compile(slow).forward(np.ones(3))",
        "dout.trace(slow, np.ones(3))",
        "dout.compile(told)(np.ones(3))",
        "dout.compile(long)(np.ones(3))",
    ],
)
def test_a_child_forked_while_another_thread_records_or_compiles_does_all_that_its_parent_does(work, tmp_path):
    for wait in (0, 0.5):
        code = textwrap.dedent(FORKED).replace("{seconds}", "1.5").replace("{wait}", str(wait)).replace("{work}", work)
        script = tmp_path / "forked.py"
        script.write_text(code)
        done = subprocess.run([sys.executable, "-W", "ignore", script], capture_output=True, text=True, timeout=300)
        assert done.stdout.split() == ["child", "0"], done.stderr
