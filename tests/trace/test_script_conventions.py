"""Scripts whose layers hand gradients over in ways of their own, and what a program is given that it asks for."""

import json

import numpy as np
import pytest
from recorded_scripts import record_script

from dout.errors import LimitError, TargetError, UserCodeError
from dout.layers import Relu
from dout.trace.record.script import run_script
from dout.trace.tracer import script_tracer

LINEAR = """
import numpy as np
class Linear:
    def __init__(self, n, m):
        self.W, self.b = np.random.randn(n, m), np.zeros(m)
    def forward(self, x):
        self.x = x
        return x @ self.W + self.b
"""
TRAINS = """
one, two = Linear(6, 4), Linear(4, 3)
x = np.random.randn(8, 6)
for turn in range(3):
    a = one.forward(x)
    error = two.forward(np.tanh(a)) - 1.0
"""


def script(folder, text):
    file = folder / "train.py"
    file.write_text(text)
    return file


def wrong(trace):
    return [value for value in trace.values if value.gradient and value.gradient.expected is not None]


def test_of_returned_gradients_those_of_parameters_are_told_by_name_and_that_of_the_input_by_its_shape(tmp_path):
    back = "    def backward(self, dout):\n        return self.x.T @ dout, dout.sum(0), dout @ self.W.T\n"
    calls = "    dW2, db2, da = two.backward(error)\n    dW1, db1, dx = one.backward(da * (1 - np.tanh(a) ** 2))\n"
    trace = record_script(script(tmp_path, LINEAR + back + TRAINS + calls))
    assert [sorted(p.name for p in call.parameters) for call in trace.calls] == [["W", "b"], ["W", "b"]]
    assert [trace.by_node[call.inputs[0]].gradient.value.shape for call in trace.calls] == [(8, 6), (8, 4)]
    assert not wrong(trace)
    assert not [event for event in trace.events if event.kind == "count"]


def test_gradients_that_are_returned_together_are_told_by_shapes_that_no_other_has(tmp_path):
    back = "    def backward(self, dout):\n        return self.x.T @ dout, dout.sum(0), dout @ self.W.T\n"
    calls = "    found = two.backward(error)\n    one.backward(found[2] * (1 - np.tanh(a) ** 2))\n"
    trace = record_script(script(tmp_path, LINEAR + back + TRAINS + calls))
    assert [sorted(p.name for p in call.parameters) for call in trace.calls] == [["W", "b"], ["W", "b"]]
    assert not wrong(trace)


def test_a_local_derivative_inside_a_layer_is_no_gradient(tmp_path):
    text = """
import numpy as np
class Sigmoid:
    def forward(self, x):
        return 1 / (1 + np.exp(-x))
    def backward(self, x):
        s = self.forward(x)
        return s * (1 - s)
class Layer:
    def __init__(self, n, m):
        self.W, self.act = np.random.randn(n, m), Sigmoid()
    def forward(self, x):
        self.x, self.z = x, x @ self.W
        return self.act.forward(self.z)
    def backward(self, dout):
        dz = dout * self.act.backward(self.z)
        self.dW = self.x.T @ dz
        return dz @ self.W.T
layer = Layer(3, 2)
for turn in range(3):
    y = layer.forward(np.ones((4, 3)))
    layer.backward(y - 0.5)
"""
    trace = record_script(script(tmp_path, text))
    assert next((call.cls, [p.name for p in call.parameters]) for call in trace.calls) == ("Layer", ["W"])
    assert not wrong(trace)


def test_a_step_size_is_no_upstream_gradient_of_an_array(tmp_path):
    back = "    def backward(self, rate):\n        self.W -= rate * self.x.T @ self.error\n"
    calls = "    one.error, two.error = (error @ two.W.T) * (1 - np.tanh(a) ** 2), error\n"
    calls += "    for layer in (one, two):\n        layer.backward(0.01)\n"
    trace = record_script(script(tmp_path, LINEAR + back + TRAINS + calls))
    assert [call.douts for call in trace.calls] == [None, None]
    assert not wrong(trace)


def test_what_was_there_before_a_program_that_is_stopped_is_not_removed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "best").mkdir()
    (tmp_path / "best" / "model.txt").write_text("trained for hours")
    removes = "import os, shutil\nfrom pathlib import Path\nshutil.rmtree('best')\nos.mkdir('best')\n"
    removes += "Path('best/model.txt').write_text('new')\nPath('own.txt').write_text('x')\nos.remove('own.txt')\n"
    back = "    def backward(self, dout):\n        return dout @ self.W.T\n"
    trace = record_script(script(tmp_path, LINEAR + back + removes + TRAINS + "    two.backward(error)\n"))
    assert trace.calls
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")) == [
        "best", "best/model.txt", "train.py",
    ]  # fmt: skip
    assert (tmp_path / "best" / "model.txt").read_text() == "trained for hours"
    assert any("was not removed" in event.message for event in trace.events)


ASKS = """
import argparse, sys
import numpy as np
parser = argparse.ArgumentParser()
parser.add_argument("--data", choices=["digits", "words"])
parser.add_argument("--size", nargs="+", type=int, required=True)
given = parser.parse_args()
"""


def test_an_option_that_is_one_of_some_and_has_no_default_is_the_first_of_them(tmp_path):
    text = ASKS + "x = np.ones(3) * 2.0\nassert given.data == 'digits'\n"
    events = record_script(script(tmp_path, text)).events
    assert any(str(event).startswith("--data was answered with 'digits'") for event in events)


def test_an_error_after_an_argument_was_made_up_says_so(tmp_path):
    error = run_script(script(tmp_path, ASKS + "x = np.ones(3) * 2.0\nassert given.size[-1] == 10\n")).error
    assert "--size was answered with [1]: give arguments after --" in str(error)


def test_a_class_whose_base_is_missing_says_what_it_needs_where_it_gives_the_base_an_argument(tmp_path):
    text = "from module import Layer\nclass Own(Layer):\n    def __init__(self, name):\n"
    text += "        super().__init__({})\nOwn('x')\n"
    error = run_script(script(tmp_path, text.format("name"))).error
    assert "needs module, which cannot be found, at " in str(error)
    assert run_script(script(tmp_path, text.format(""))).error is None


COMMANDS = """
import argparse, pathlib
import numpy as np
parser = argparse.ArgumentParser()
commands = parser.add_subparsers(required=True, dest="mode")
commands.add_parser("train").add_argument("data")
commands.add_parser("use")
given = parser.parse_args()
if not pathlib.Path(given.data).exists():
    raise SystemExit(1)
x = np.ones(len(pathlib.Path(given.data).read_text().split())) * 2.0
assert given.mode == "train" and x.size > 99
"""


def test_a_program_of_several_commands_runs_the_first_with_what_that_needs(tmp_path):
    events = "\n".join(map(str, record_script(script(tmp_path, COMMANDS)).events))
    assert "mode was answered with 'train': give arguments after --" in events
    assert "data was answered with '1'" in events
    assert "stand-in data for the file 1" in events


def test_ready_made_layers_are_layers_of_a_script_also_where_a_command_has_loaded_them(tmp_path):
    text = "import numpy as np\nfrom dout.layers import Relu\nrelu = Relu()\nrelu.forward(np.ones(3))\n"
    trace = record_script(script(tmp_path, text + "relu.backward(np.ones(3))\n"))
    assert [call.cls for call in trace.calls] == [Relu.__name__]


@pytest.mark.parametrize("compared", ["sys.argv[1] == 'train'", "mode == 'train'"])
def test_an_argument_is_what_the_program_compares_it_with_also_under_another_name(tmp_path, compared):
    text = f"import sys\nimport numpy as np\nmode = sys.argv[1].lower()\nif {compared}:\n    y = np.ones(3) * 2.0\n"
    assert record_script(script(tmp_path, text)).graph.nodes


def test_a_program_that_runs_nothing_for_an_argument_that_was_made_up_says_so(tmp_path):
    text = "import sys\nclass A:\n    pass\nif len(sys.argv[1]) > 9:\n    import numpy as np\n    np.ones(3) * 2.0\n"
    with pytest.raises(TargetError, match=r"sys.argv\[1\] was answered with '1': give arguments after --"):
        run_script(script(tmp_path, text)).trace()


def test_a_program_that_ends_for_want_of_arguments_says_where_to_write_them(tmp_path):
    text = "import argparse\nparser = argparse.ArgumentParser()\n"
    text += "group = parser.add_mutually_exclusive_group(required=True)\n"
    text += "group.add_argument('-t', action='store_true')\nparser.parse_args()\n"
    assert "write them after --" in str(run_script(script(tmp_path, text)).error)


def test_a_cell_that_is_timed_runs(tmp_path):
    cells = ["import numpy as np\n", "%%time\nx = np.ones(3) * 2.0\n", "y = x * 3.0\n"]
    document = {"cells": [{"cell_type": "code", "source": cell} for cell in cells]}
    file = tmp_path / "train.ipynb"
    file.write_text(json.dumps(document))
    trace = record_script(file)
    assert [str(node.primitive) for node in trace.graph.nodes].count("multiply") == 2


def test_theanos_pickle_is_what_it_is_beside_a_reader_of_another_set(tmp_path):
    text = "import gzip, pickle\nimport numpy as np\n"
    text += "def other(file):\n    return pickle.load(open(file, 'rb'))['labels']\n"
    text += "train, valid, test = pickle.load(gzip.open('data/mnist.pkl.gz', 'rb'), encoding='latin1')\n"
    text += "x = np.maximum(train[0][:2], 0.5)\nassert x.shape == (2, 784) and len(test[1]) == len(test[0])\n"
    record_script(script(tmp_path, text))


def test_a_table_is_read_from_a_file_of_bytes(tmp_path):
    text = "import io\nimport numpy as np, pandas as pd\n"
    text += (
        "table = pd.read_csv(io.BytesIO(b'a,b\\n1,2\\n'))\nassert table['b'].tolist() == [2]\nx = np.ones(3) * 2.0\n"
    )
    record_script(script(tmp_path, text))


def test_an_array_of_objects_goes_through_a_layer_as_it_is(tmp_path):
    text = LINEAR.replace("return x @ self.W + self.b", "return x[0] @ self.W, np.array([x[0], None], dtype=object)")
    text += "    def backward(self, dout):\n        return dout @ self.W.T\n"
    text += "x = np.ones((4, 3))\ny, _ = Linear(3, 2).forward(np.array([x, None], dtype=object))\n"
    trace = record_script(script(tmp_path, text))
    assert [call.cls for call in trace.calls] == ["Linear"]
    assert trace.data[trace.calls[0].outputs[0]].shape == (4, 2)


def test_an_array_of_objects_keeps_what_is_put_in_as_a_list_does(tmp_path):
    back = "    def backward(self, dout):\n        kept = np.empty(2, dtype=object)\n"
    back += "        kept[1] = (self.x.T @ dout, dout.sum(0))\n        self.dW, self.db = kept[1]\n"
    back += "        return dout @ self.W.T\n"
    calls = "    one.backward(two.backward(error) * (1 - np.tanh(a) ** 2))\n"
    trace = record_script(script(tmp_path, LINEAR + back + TRAINS + calls))
    assert [sorted(p.name for p in call.parameters) for call in trace.calls] == [["W", "b"], ["W", "b"]]
    assert not wrong(trace)


def test_names_of_columns_and_a_bar_of_a_notebook_stand_in(tmp_path):
    text = "import numpy as np, pandas as pd\nfrom ipywidgets import IntProgress\n"
    text += "bar = IntProgress(min=0, max=3)\nbar.value = 1\n"
    text += "names = pd.DataFrame({'a': [1.0], 'b': [2.0]}).columns.values.tolist()\n"
    text += "assert names == ['a', 'b']\nx = np.ones(3) * 2.0\n"
    try:
        record_script(script(tmp_path, text))
    except UserCodeError as error:
        pytest.fail(str(error))


def test_a_gradient_of_one_number_spreads_over_an_array():
    from dout.grad import backpropagate
    from dout.graph import INPUT, Node
    from dout.ops import PRIMITIVES

    x = Node(INPUT, (), {}, (3, 1), np.dtype(float))
    y = Node(PRIMITIVES["exp"], (x,), {}, (3, 1), np.dtype(float))
    z = Node(PRIMITIVES["negative"], (y,), {}, (3, 1), np.dtype(float))
    gradients = backpropagate({z: Node(INPUT, (), {}, (), np.dtype(float))})
    assert gradients.of[y].shape == (3, 1)


@pytest.mark.parametrize("given", ["", ", 0.02", ", learning_rate=0.5"])
def test_a_learning_rate_is_no_gradient_of_the_second_output(tmp_path, given):
    text = f"""
import numpy as np
class Cell:
    def __init__(self):
        self.V = np.array([[1.0], [-0.5]])
    def forward(self, x):
        self.h = np.tanh(x)
        return self.h @ self.V, self.h
    def backward(self, dy, learning_rate=0.02):
        dx = (dy @ self.V.T) * (1 - self.h ** 2)
        self.V = self.V - learning_rate * (self.h.T @ dy)
        return dx
cell = Cell()
y, h = cell.forward(np.array([[1.0, -2.0]]))
dx = cell.backward(np.array([[0.5]]){given})
"""
    trace = record_script(script(tmp_path, text))
    assert len(trace.calls[0].douts) == 1
    assert not wrong(trace)


RATE = """
import numpy as np
class Net:
    def __init__(self):
        self.W = np.ones((2, 3))
    def forward(self, x, t):
        self.x, y = x, x @ self.W
        self.d = y - t
        return y, 0.5 * np.sum(self.d ** 2)
    def backward(self, GIVEN):
        self.dW = self.x.T @ self.d
        self.W = self.W - 0.01 * self.dW
        return self.d @ self.W.T
net = Net()
y, loss = net.forward(np.array([[1.0, -2.0]]), np.zeros((1, 3)))
net.backward(VALUE)
"""


@pytest.mark.parametrize(
    ("given", "value", "is_dout"), [("rate", "0.01", False), ("dy", "np.full((1, 3), 0.01)", True)]
)
def test_a_step_size_is_no_gradient_of_the_first_of_two_outputs(tmp_path, given, value, is_dout):
    trace = record_script(script(tmp_path, RATE.replace("GIVEN", given).replace("VALUE", value)))
    assert bool(trace.calls[0].douts) == is_dout


ENDLESS = """
import numpy as np
from dout.errors import EndOfRun
class Slow:
    def forward(self, x):
        for turn in range(400):
            x = x * 1.01
        raise EndOfRun("did not end within 1 s")
    def backward(self, dout):
        return dout
Slow().forward(np.ones(3))
"""


def test_a_program_that_is_stopped_in_a_layer_too_long_to_be_recorded_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(script_tracer, "MOST", 100)
    with pytest.raises(LimitError, match="did not end within 1 s: a layer takes too many steps to be recorded"):
        run_script(script(tmp_path, ENDLESS))


TENSORS = """
import numpy as np
class Tensor:
    def __init__(self, data):
        self.data, self.grad = data, np.zeros_like(data)
class Linear:
    def __init__(self, n, m):
        self.W = np.random.randn(n, m)
    def forward(self, x):
        self.x = x
        return Tensor(x.data @ self.W)
    def backward(self, dout):
        self.dW = self.x.data.T @ dout.data
        return Tensor(dout.data @ self.W.T)
one, two = Linear(4, 3), Linear(3, 2)
y = two.forward(one.forward(Tensor(np.random.randn(5, 4))))
one.backward(two.backward(Tensor(np.ones((5, 2)))))
"""


def test_layers_that_hand_objects_on_are_connected_by_the_arrays_in_these(tmp_path):
    trace = record_script(script(tmp_path, TENSORS))
    one, two = trace.calls
    assert one.outputs == two.inputs
    assert [node.shape for node in (*one.gradients, *one.douts)] == [(5, 4), (5, 3)]
    assert not trace.wrong


NORM = """
import numpy as np
class Norm:
    def __init__(self, n):
        self.gamma, self.mean = np.ones(n), np.zeros(n)
    def forward(self, x):
        mean, self.std = x.mean(0), x.std(0)
        self.mean = 0.9 * self.mean + 0.1 * mean
        self.xn = (x - mean) / self.std
        return self.gamma * self.xn
    def backward(self, dout):
        self.dgamma, d = (dout * self.xn).sum(0), dout * self.gamma
        return (d - d.mean(0) - self.xn * (d * self.xn).mean(0)) / self.std
class Skip:
    def __init__(self, n):
        self.norm = Norm(n)
    def forward(self, x):
        return self.norm.forward(x) + x
    def backward(self, dout):
        return self.norm.backward(dout) + dout
one, two = Skip(3), Skip(3)
y = two.forward(one.forward(np.random.randn(5, 3)))
dx = one.backward(two.backward(y - 1))
"""


def test_what_a_layer_keeps_for_itself_takes_nothing_of_the_gradients_of_its_input(tmp_path):
    trace = record_script(script(tmp_path, NORM))
    uses = [use for call in trace.calls for use in trace.arguments[call]]
    assert len(uses) == 4
    assert all(use.gradient.derived is not None and use.gradient.expected is None for use in uses)
    assert not wrong(trace)
