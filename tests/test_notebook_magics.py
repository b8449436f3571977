"""`%load_ext dout`: `%%check` and `%%explain`, in a real kernel."""

import re

import nbformat
import pytest
from nbclient import NotebookClient

RELU = """class Relu:
    def forward(self, x):
        self.mask = x <= 0
        out = x.copy()
        out[self.mask] = 0
        return out

    def backward(self, dout):
        dout[self.mask] = 0
        return dout
"""
CELLS = {
    "check": f"%%check\n{RELU}",
    "explain": "%%explain\nclass Square:\n    def forward(self, x):\n        return x * x\n",
    "named": "%%check Relu\nx = 3\n",
    "no layer": "%%check\nx = 3\n",
    "no such name": "%%check Nothing\nx = 3\n",
    "not taken": "%%check\nclass Open:\n    def forward(self, x):\n        return x * y\n",
    "not by a magic": "import dout\nclass Open:\n    def forward(self, x):\n        return x * y\ndout.explain(Open)",
    "derived of another cell": "print(dout.derive(Relu))",
    "own error": "def broken(x):\n    return x * nowhere\ndout.trace(broken, np.ones(3))",
    "no Python": "%%check\nclass Open(:\n    pass\n",
}


@pytest.fixture(scope="module")
def outputs():
    """What each cell puts out, in one kernel."""
    cells = [nbformat.v4.new_code_cell(text) for text in ("import numpy as np\n%load_ext dout", *CELLS.values())]
    notebook = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(notebook, timeout=120, allow_errors=True).execute()
    return dict(zip(CELLS, (cell.outputs for cell in notebook.cells[1:]), strict=True))


@pytest.mark.parametrize("key", ["check", "named"])
def test_check_shows_the_report_of_each_layer(outputs, key):
    (shown,) = outputs[key]
    assert "D201" in shown.data["text/plain"]
    assert "writes into dout" in shown.data["text/html"]


def test_explain_shows_the_derivation(outputs):
    (shown,) = outputs["explain"]
    assert shown.data["text/plain"] == "<explanation of Square: 1 step>"
    assert "text/html" in shown.data


@pytest.mark.parametrize(("key", "said"), [
    ("no layer", "no class in this cell has a forward"), ("no such name", "there is no Nothing in this notebook"),
    ("not taken", "name 'y' is not defined"),
])  # fmt: skip
def test_what_cannot_be_done_is_one_line_and_no_traceback(outputs, key, said):
    (shown,) = outputs[key]
    assert shown.output_type == "stream"
    assert shown.text.startswith("dout: ")
    assert said in shown.text
    assert "Traceback" not in shown.text


def test_an_error_of_dout_is_shown_with_the_lines_of_cells_and_without_frames_of_ours(outputs):
    (shown,) = outputs["not by a magic"]
    assert shown.ename == "NotTakenError"
    assert shown.traceback[:2] == ["line 5 of a cell: dout.explain(Open)", "line 4 of a cell: return x * y"]
    assert len(shown.traceback) == 3


def test_a_place_in_a_cell_is_its_line(outputs):
    (shown,) = outputs["check"]
    assert "Relu  line 9 of its cell" in re.sub("<[^>]*>", "", shown.data["text/html"])
    assert "/tmp" not in shown.data["text/html"]


@pytest.mark.parametrize("key", ["check", "explain"])
def test_what_is_shown_needs_nothing_of_one_front_end(outputs, key):
    """VS Code and others have no style sheet of JupyterLab, and take the text where they show no HTML."""
    (shown,) = outputs[key]
    assert {"text/html", "text/plain"} <= shown.data.keys()
    assert "jp-" not in shown.data["text/html"]
    assert "://" not in re.sub(r"http://www\.w3\.org\S*", "", shown.data["text/html"])


def test_an_error_of_the_cell_is_shown_by_its_shell_alone(outputs):
    (shown,) = outputs["no Python"]
    assert shown.ename == "SyntaxError"
    assert "notebook_magics" not in "".join(shown.traceback)


def test_the_source_of_a_class_is_found_in_the_cell_where_it_is_written(outputs):
    (shown,) = outputs["derived of another cell"]
    assert "class Relu:" in shown.text
    assert "return" in shown.text.partition("def backward")[2]


def test_an_error_of_code_that_is_recorded_is_shown_without_frames_of_ours(outputs):
    (shown,) = outputs["own error"]
    told = "\n".join(shown.traceback)
    assert (shown.ename, "nowhere" in told) == ("NameError", True)
    assert "trace_verbs" not in told
    assert "record.py" not in told
