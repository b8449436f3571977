"""Commands on an operation of a class that keeps a tape, as `dout check` names it."""

from dout_commands import run_dout

TEXT = """
import math


class Value:
    def __init__(self, data):
        self.data = data
        self.grad = 0.0
        self.go_back = None

    def tanh(self):
        t = math.tanh(self.data)
        out = Value(t)

        def go_back():
            self.grad += (1 - t * t) * out.grad

        out.go_back = go_back
        return out
"""


def said(command, file):
    run = run_dout(command, f"{file}:Value.tanh")
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_an_operation_is_explained_drawn_and_checked_by_its_name(tmp_path):
    file = tmp_path / "value.py"
    file.write_text(TEXT)
    assert "tanh(x)" in said("explain", file)
    assert "tanh" in said("show", file)
    assert "1 gradient exact" in said("check", file)
