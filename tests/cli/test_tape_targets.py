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


def test_derive_says_that_an_operation_goes_back_on_a_tape(tmp_path):
    file = tmp_path / "value.py"
    file.write_text(TEXT)
    run = run_dout("derive", f"{file}:Value.tanh")
    assert run.returncode == 2
    assert "tanh goes back by a function that its result holds" in run.stderr
    assert "TypeError" not in run.stderr
