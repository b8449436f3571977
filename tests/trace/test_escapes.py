"""`float(...)` of a traced number: noting one costs no gradient, computing with one has the right gradient."""

import functools
import json
import math
import statistics

import numpy as np
import pytest
from recorded_scripts import record_script

import dout

KINDS = {int: "whole", float: "broken"}


class Scale:
    """Multiplies by a number that it computes from its input, and notes what it sees."""

    def __init__(self):
        self.scale = 1.0
        self.noted = []
        self.best = float("inf")

    def scale_of(self, x):
        return np.mean(x * x)

    def forward(self, x):
        self.x = x
        self.scale = float(self.scale_of(x))
        self.noted.append(float(np.max(x)))
        return x * self.scale

    def backward(self, dout):
        return dout * self.scale + np.sum(dout * self.x) * 2 * self.x / self.x.size


def test_a_number_computed_with_has_its_gradient():
    x = np.array([1.0, 2.0, -0.5])
    trace = dout.trace(Scale(), x)
    assert trace.events == ()
    assert trace["x"].gradient.expected is None


def test_a_wrong_gradient_past_a_float_is_seen():
    class Forgets(Scale):
        def backward(self, dout):
            return dout * self.scale

    assert dout.trace(Forgets(), np.array([1.0, 2.0, -0.5]))["x"].gradient.expected is not None


def test_state_holds_plain_floats_after_the_trace():
    layer = Scale()
    dout.trace(layer, np.array([1.0, 2.0]))
    assert layer.scale == 2.5
    assert type(layer.scale) is float
    assert [type(item) for item in layer.noted] == [float]


def test_what_is_only_noted_is_not_in_the_graph():
    trace = dout.trace(Scale(), np.array([1.0, 2.0]))
    assert "max" not in [node.primitive.name for node in trace.graph.nodes]
    assert [node.primitive.name for node in trace.graph.nodes].count("float") == 1


def test_a_condition_on_a_noted_number_is_an_event():
    def stops(x):
        return x if float(np.sum(x)) > 0 else -x

    trace = dout.trace(stops, np.array([1.0, 2.0]))
    assert [event.kind for event in trace.events] == ["branch"]
    assert "greater" in [node.primitive.name for node in trace.graph.nodes]


def test_a_traced_float_is_a_float_in_every_way():
    def looks(x):
        number = float(x[0])
        assert isinstance(number, float)
        assert type(number) is float
        assert type(number) in (int, float)
        assert KINDS[type(number)] == "broken"
        assert {float: 1}[type(number)] == 1
        assert type(2.0 * math.pi) is float
        assert issubclass(float, float)
        assert not isinstance(1, float)
        assert (str(number), repr(number), f"{number:.1f}", f"{number:.2f}") == ("1.5", "1.5", "1.5", "1.50")
        assert json.dumps({"loss": [number, (number,)]}, indent=1) == json.dumps({"loss": [1.5, (1.5,)]}, indent=1)
        assert np.zeros(2, dtype=float).dtype == float
        assert np.dtype(float) == np.float64
        assert x.astype(float).dtype == x.dtype
        assert float.fromhex("0x1p1") == 2.0
        assert float.__name__ == "float"
        return np.sum(x) * number

    assert dout.trace(looks, np.array([1.5, 2.0])).outputs == 5.25
    assert type(math.pi) is float


def test_a_subclass_of_float_works_under_trace():
    def makes(x):
        class Celsius(float):
            pass

        warm = Celsius(21.5)
        assert isinstance(warm, Celsius)
        assert not isinstance(1.5, Celsius)
        return x * float(warm)

    assert dout.trace(makes, 2.0).outputs == 43.0


def test_float_raises_as_python_does():
    for item, error in ((np.ones(2), TypeError), ("text", ValueError), ([], TypeError)):
        with pytest.raises(error):
            dout.trace(lambda x, item=item: x * float(item), 2.0)
    with pytest.raises(TypeError):
        dout.trace(lambda x: float(x), np.ones(2))


def test_gradients_of_gradients_pass_a_float():
    cube = dout.grad(dout.grad(lambda x: float(x * x) * x))
    assert cube(2.0) == pytest.approx(12.0)


def test_gradients_of_gradients_pass_an_array_made_of_elements():
    slope = dout.grad(dout.grad(lambda x: np.sum(np.array([x, x * 2]) ** 2)))
    assert slope(2.0) == pytest.approx(10.0)


def test_a_value_of_an_outer_trace_is_not_silently_a_constant_in_an_inner_one():
    with pytest.raises(dout.DoutError, match="used inside another one"):
        dout.grad(lambda x: dout.grad(lambda y: y * x)(2.0))(3.0)


def test_a_number_taken_by_the_standard_library_forbids_a_gradient():
    def mean(x):
        return x[0] * statistics.mean([float(v) for v in x])

    trace = dout.trace(mean, np.array([1.0, 2.0]))
    assert [event.message for event in trace.events] == ["statistics.mean took a traced value as a plain number"]
    with pytest.raises(dout.DoutError, match=r"no gradient can be given: statistics\.mean.*test_escapes\.py:\d+"):
        dout.grad(mean)(np.array([1.0, 2.0]))


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.asarray, np.array])
def test_numpy_itself_takes_nothing_silently(kind):
    kind = getattr(kind, "__wrapped__", kind)
    real = functools.partial(kind)  # what lies in it cannot be exchanged

    def function(x):
        return np.sum(x) * real(x[0])

    with pytest.raises(dout.DoutError):
        dout.grad(function)(np.array([1.0, 2.0]))


LOOP = """
import json
import numpy as np

class Affine:
    def __init__(self, W):
        self.W = W

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout):
        self.dW = self.x.T @ dout
        return dout @ self.W.T

class Loss:
    def forward(self, y, t):
        self.d = y - t
        return np.mean(self.d**2)

    def backward(self, dout=1):
        return dout * 2 * self.d / self.d.size

affine, loss_of = Affine(np.array([[1.0], [2.0]])), Loss()
x, t = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0], [0.0]])
losses, total, history = [], 0.0, np.zeros(3)
for i in range(3):
    y = affine.forward(x)
    loss = loss_of.forward(y, t)
    losses.append(float(loss))
    total += float(loss)
    history[i] = float(np.mean(y))
    affine.backward(loss_of.backward())
    affine.W -= 0.01 * affine.dW
    print(i, "%.3f" % losses[-1], f"{total / (i + 1):.3f}")
print(json.dumps({"losses": losses, "total": total}, indent=1), sum(losses) / len(losses), max(losses))
"""


def test_a_loop_that_logs_its_loss_has_every_gradient(tmp_path, capsys):
    path = tmp_path / "loop.py"
    path.write_text(LOOP)
    exec(compile(LOOP, "plain", "exec"), {"__name__": "__main__"})
    plain = capsys.readouterr().out
    trace = record_script(path, run_on=True)
    assert capsys.readouterr().out == plain
    assert {event.kind for event in trace.events} == {"round"}
    for name in ("x", "W", "y", "loss"):
        assert trace[name].gradient is not None, name
        assert trace[name].gradient.expected is None, name


# --- several outputs on other inputs, any number of inputs ------------------------------------------------------------


class Pair:
    """Two outputs; with `steered`, one of them depends on a condition."""

    def __init__(self, steered):
        self.steered = steered

    def forward(self, x):
        self.factor = 3.0 if self.steered and np.all(x > 0) else 2.0
        self.x = x
        return x * self.factor, x * x

    def backward(self, douts):
        first, second = douts
        return first * self.factor + 2 * self.x * second


@pytest.mark.parametrize("steered", [False, True])
def test_a_layer_with_several_outputs_is_run_on_other_inputs_too(steered):
    trace = dout.trace(Pair(steered), np.array([1.0, 2.0, 3.0]))
    assert ("specialised" in [event.kind for event in trace.events]) == steered


def test_a_layer_whose_backward_takes_each_gradient_is_run_on_other_inputs_too():
    class Each(Pair):
        def backward(self, first, second):
            return super().backward((first, second))

    for steered in (False, True):
        trace = dout.trace(Each(steered), np.array([1.0, 2.0, 3.0]))
        assert ("specialised" in [event.kind for event in trace.events]) == steered


def test_a_layer_of_a_list_is_run_on_other_inputs_too():
    class Added:
        def forward(self, items):
            self.n = len(items)
            return items[0] * (2.0 if np.all(items[0] > 0) else 1.0) + items[1]

        def backward(self, dout):
            return [dout * 2.0, dout]

    trace = dout.trace(Added(), [np.array([1.0, 2.0, 3.0]), np.ones(3)])
    assert "specialised" in [event.kind for event in trace.events]


def test_any_number_of_inputs_are_two_where_a_layer_takes_two():
    from dout.adapt import record_example

    class AddAll:
        def forward(self, *xs):
            self.n = len(xs)
            return sum(xs[1:], start=xs[0])

        def backward(self, dout):
            return (dout,) * self.n

    class One(AddAll):
        def forward(self, *xs):
            (x,) = xs
            self.n = 1
            return 2 * x

        def backward(self, dout):
            return 2 * dout

    trace, found = record_example(AddAll, {}, {})
    assert list(found.inputs) == ["xs[0]", "xs[1]", "dout"]
    assert [node.primitive.name for node in trace.graph.nodes].count("add") == 1
    assert list(record_example(One, {}, {})[1].inputs) == ["xs[0]", "dout"]


def test_the_gradient_of_a_singular_determinant_is_unknown_not_an_error():
    with np.errstate(all="ignore"):
        gradient = dout.grad(lambda x: np.linalg.det(x))(np.ones((2, 2)))
    assert np.isnan(gradient).all()
    assert math.isnan(gradient[0, 0])


def test_a_function_of_numpy_is_a_target_too():
    np.testing.assert_array_equal(dout.grad(np.mean)(np.ones(4)), [0.25] * 4)
    assert "exp" in [node.primitive.name for node in dout.trace(np.exp, np.ones(2)).graph.nodes]


@pytest.mark.parametrize(
    ("other", "said"),
    [("np.ones(2)", "(x, np.ones(2), mode='same')"), ("np.array([0.25, 0.5, 0.25, 0.125, 0.0625, 0.5])", "(…)")],
)
def test_a_value_that_leaves_through_a_library_names_the_call(tmp_path, other, said):
    pytest.importorskip("scipy")
    script = tmp_path / "program.py"
    script.write_text(
        "import numpy as np\nimport scipy.signal\nclass Half:\n"
        "    def forward(self, x): return x * scipy.signal.correlate(x, OTHER, mode='same')\n"
        "    def backward(self, dout): return dout * 0.5\n"
        "layer = Half()\ny = layer.forward(np.arange(3.0))\nlayer.backward(y)\n".replace("OTHER", other)
    )
    told = [event.message for event in record_script(script).events if event.kind == "escape"]
    what = f"scipy.signal.correlate{said}"
    assert told == [f"a traced value left the trace through {what}: write it with NumPy's own functions"]
