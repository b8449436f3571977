"""Scripts under trace: rounds of a training loop, names, and what they print."""

import subprocess
import sys

import numpy as np
import pytest
from recorded_scripts import record_script
from traced_layers import LOOP, kinds, messages

import dout
from dout.errors import UserCodeError
from dout.trace.record.script import load_file


def test_of_a_training_loop_the_first_round_is_kept(tmp_path, capsys):
    (tmp_path / "loop.py").write_text(LOOP)
    trace = record_script(tmp_path / "loop.py", run_on=True)
    assert capsys.readouterr().out.startswith("[-1.  0.]")
    assert len(trace.calls) == 1
    np.testing.assert_array_equal(trace["y"].data, [1.0, 2.0])
    assert "round" in kinds(trace)
    assert "replay" not in kinds(trace)


def test_of_a_training_loop_the_round_asked_for_is_kept(tmp_path, capsys):
    (tmp_path / "loop.py").write_text(LOOP)
    trace = record_script(tmp_path / "loop.py", rounds=3)
    capsys.readouterr()
    np.testing.assert_array_equal(trace["y"].data, [0.0, 1.0])
    np.testing.assert_array_equal(trace["W"].gradient.value, [1.0, 1.0])
    assert trace["W"].gradient.expected is None


def test_a_round_that_does_not_come_is_an_error(tmp_path, capsys):
    (tmp_path / "loop.py").write_text(LOOP)
    with pytest.raises(dout.DoutError, match="has 4 forward–backward rounds, not 9"):
        record_script(tmp_path / "loop.py", rounds=9)


def test_the_script_prints_what_it_prints_without_dout(tmp_path, capsys):
    path = tmp_path / "loop.py"
    path.write_text(
        LOOP + "print(type(y), type(layer), type(1.5), isinstance(Scale, type), type('A', (), {}).__name__)\n"
    )
    plain = subprocess.run([sys.executable, path], capture_output=True, text=True, check=True).stdout
    record_script(path, run_on=True)
    assert capsys.readouterr().out == plain


def test_the_type_of_a_traced_value_is_that_of_the_value():
    types = []

    class Asks:
        def forward(self, x):
            types.append((type(x), type(x) is np.ndarray, type(x.shape), type(self).__name__))
            return x * 2.0

        def backward(self, dout):
            return dout * 2.0

    dout.trace(Asks(), np.ones(2))
    assert types[0] == (np.ndarray, True, tuple, "Asks")
    assert "type" not in globals()


def test_names_come_from_the_calls_of_the_script(tmp_path):
    trace = record_script("examples/buy_fruits.py")
    assert [call.name for call in trace.calls] == [
        "mul_apple_layer",
        "mul_orange_layer",
        "add_apple_orange_layer",
        "mul_tax_layer",
    ]
    assert set(trace.gradients) == {"apple", "apple_num", "orange", "orange_num", "tax", "dprice"} - {"dprice"}


def test_the_residual_net_with_the_slides_relu_shows_the_wrong_gradient():
    trace = record_script("examples/residual.py")
    h = trace["h"].gradient
    np.testing.assert_array_equal(h.value, [2.0, 0.0])
    np.testing.assert_array_equal(h.expected, [2.0, 1.0])
    assert messages(trace) == ["Relu.backward writes into its argument dout, at examples/residual.py:35"]


def test_a_later_round_is_recorded_as_well_where_parameters_change_in_place(tmp_path, capsys):
    text = LOOP.replace("x * self.W", "np.matmul(x, self.W.T)").replace("dout * self.W", "np.matmul(dout, self.W)")
    text = text.replace("self.dW = dout * self.x", "self.dW = np.matmul(dout.T, self.x)")
    text = text.replace("np.array([1.0, 2.0])", "np.eye(2)").replace("np.array([1.0, 1.0])", "np.ones((3, 2))")
    (tmp_path / "loop.py").write_text(text.replace("np.ones(2)", "np.ones((3, 2))"))
    trace = record_script(tmp_path / "loop.py", rounds=3)
    assert "replay" not in kinds(trace)
    assert trace["W"].gradient.expected is None


def test_names_imported_by_a_star_are_traced(tmp_path):
    path = tmp_path / "star.py"
    path.write_text("from numpy import *\nfrom math import *\nx = array([1.0, 2.0])\ny = sqrt(x[0]) * cos(pi) + x[1]\n")
    trace = record_script(path, run_on=True)
    assert trace["y"].data == 1.0
    assert {"math_sqrt", "multiply", "add"} <= {node.primitive.name for node in trace.graph.nodes}


def test_a_file_whose_package_cannot_be_imported_finds_its_neighbours(tmp_path):
    folder = tmp_path / "half_a_package"
    folder.mkdir()
    (folder / "__init__.py").write_text("import a_library_that_nobody_has\n")
    (folder / "base.py").write_text("scale = 3\n")
    (folder / "layers.py").write_text("from .base import scale\n")
    assert load_file(folder / "layers.py").scale == 3


FAILING = """
from __future__ import annotations
import a_library_that_nobody_has as lib
data = a_name_that_nobody_made
class Double:
    def forward(self, x: lib.Array):
        return 2 * x
class Base(data):
    pass
raise ValueError("in the middle")
"""


def test_a_file_is_loaded_for_a_name_that_it_makes_although_other_statements_raise(tmp_path):
    path = tmp_path / "failing.py"
    path.write_text(FAILING)
    assert load_file(path, "Double").Double().forward(2) == 4


@pytest.mark.parametrize("name", ["Base", ""])
def test_what_a_statement_raised_is_raised_where_the_name_is_not_made_or_none_is_given(tmp_path, name):
    path = tmp_path / "failing.py"
    path.write_text(FAILING)
    with pytest.raises(UserCodeError, match=r"raised NameError, at .*failing\.py:4"):
        load_file(path, name)


def test_what_comes_after_all_that_a_name_needs_is_not_run(tmp_path):
    path = tmp_path / "training.py"
    path.write_text(
        "scale = 1\nclass Scaled:\n    def forward(self, x):\n        return factor * x\n"
        "scale = 2\ndef double(n):\n    return scale * n\nfactor = double(1.5)\nscale = 3\n"
        "while True:\n    pass\n"
        "def scaled_backward(dout):\n    return factor * dout\n"
    )
    module = load_file(path, "Scaled")
    assert module.Scaled().forward(2) == 6
    assert module.scale == 3
    assert module.scaled_backward(2) == 6


def test_a_package_that_uses_what_is_missing_while_it_is_imported_is_left_aside(tmp_path):
    folder = tmp_path / "progress"
    folder.mkdir()
    (folder / "__init__.py").write_text("import a_library_that_nobody_has\nbar = a_library_that_nobody_has.Bar()\n")
    (folder / "base.py").write_text("scale = 3\n")
    (folder / "layers.py").write_text("from .base import scale\nclass Scaled:\n    scale = scale\n")
    assert load_file(folder / "layers.py", "Scaled").Scaled.scale == 3
