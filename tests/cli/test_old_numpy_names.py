"""Commands on code that was written for an older NumPy."""

import numpy as np
import pytest
from click.testing import CliRunner
from recorded_scripts import record_script

from dout.cli import commands

SOURCE = """
import numpy as np


class Relu:
    def forward(self, x):
        self.mask = (x > 0).astype(np.float)
        return x * self.mask

    def backward(self, dout):
        return dout * self.mask
"""


@pytest.mark.parametrize("command", ["explain", "derive", "show", "bench --sizes 1k"])
def test_a_removed_name_is_answered_and_told_with_its_line(command, tmp_path, monkeypatch):
    (tmp_path / "old.py").write_text(SOURCE, "utf-8")
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(commands, [*command.split(), "old.py:Relu"])
    assert result.exit_code == 0, result.output
    assert "old.py:7 uses np.float, which NumPy has removed: write float" in result.stderr
    assert not hasattr(np, "float")


RESHAPED = """
import numpy as np


class Flatten:
    def forward(self, x):
        self.shape = x.shape
        return np.reshape(x, newshape=(len(x), -1))

    def backward(self, dout):
        return FACTOR * np.reshape(dout, newshape=self.shape)
"""


@pytest.mark.skipif(np.lib.NumpyVersion(np.__version__) < "2.4.0", reason="np.reshape takes newshape")
@pytest.mark.parametrize(("factor", "code"), [("1", 0), ("2", 1)])
def test_a_removed_name_of_an_argument_is_answered_and_told_with_its_line(factor, code, tmp_path, monkeypatch):
    (tmp_path / "older.py").write_text(RESHAPED.replace("FACTOR", factor), "utf-8")
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(commands, ["check", "older.py:Flatten", "--input", "x=array(3,2,4)"])
    assert result.exit_code == code, result.output
    assert "np.reshape(x, shape=…)" in result.output.replace("\n", " ")
    assert ("D101" in result.output) is bool(code)
    with pytest.raises(TypeError):
        np.reshape(np.ones(2), newshape=(2, 1))
    assert np.reshape(np.ones(2), shape=(2, 1)).shape == (2, 1)


USES = """
layer = Flatten()
y = layer.forward(np.arange(24.0).reshape(3, 2, 4))
layer.backward(np.cos(y) + np.reshape(y, (3, 8)))
"""


@pytest.mark.skipif(np.lib.NumpyVersion(np.__version__) < "2.4.0", reason="np.reshape takes newshape")
@pytest.mark.parametrize("time", ["first", "again"])  # in one process
@pytest.mark.parametrize("name", ["", "newshape="])
@pytest.mark.parametrize(("factor", "is_right"), [("1", True), ("2", False)])
def test_a_program_is_recorded_through_the_old_name_and_beside_it(factor, is_right, name, time, tmp_path):
    script = tmp_path / "older.py"
    script.write_text((RESHAPED + USES).replace("FACTOR", factor).replace("newshape=", name), "utf-8")
    trace = record_script(script)
    assert bool(trace.wrong) is not is_right
    assert not [event for event in trace.events if event.kind in ("escape", "orphan")]
    assert any("np.reshape(x, shape=…)" in event.message for event in trace.events) is bool(name)
