"""The command `dout check`, run as a person runs it: whole processes on real files."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from check_commands import HOME, PLAIN, RIGHT, TRIPLE, WRITES, WRONG, codes, document, dout, layers, write

# --- what is said -----------------------------------------------------------------------------------------------------


def without_time(text):
    return re.sub(r"in \d+\.\d s", "in … s", text)


def test_readme_shows_what_is_printed():
    readme = (HOME / "README.md").read_text(encoding="utf-8")
    shown = dout("examples/slide_layers.py:Relu").stdout.rstrip()
    assert f"```text\n$ dout check examples/slide_layers.py:Relu\n{without_time(shown)}\n```\n" in without_time(readme)


def test_every_layer_of_the_slides_is_judged_and_the_relu_that_writes_into_dout_is_an_error():
    run = dout("examples/slide_layers.py", "--json")
    shown = json.loads(run.stdout)
    words = {name: [verdict["word"] for verdict in layer["verdicts"]] for name, layer in layers(shown).items()}
    assert words == {"MulLayer": ["exact"] * 2, "AddLayer": ["exact"] * 2, "Relu": ["exact"], "Sigmoid": ["exact"]}
    errors = [(f["layer"], f["code"]) for f in _findings(shown) if f["severity"] == "error"]
    assert errors == [("Relu", "D201")]
    assert run.returncode == shown["exit_code"] == 1
    assert run.stderr == ""


def _findings(shown):
    return [finding for layer in layers(shown).values() for finding in layer["findings"]]


def test_exact_is_said_of_the_branches_covered():
    text = dout("Relu").stdout
    assert "✓ x  exact, on the branches covered" in text
    assert "proved" not in text


@pytest.mark.long
def test_without_a_branch_exact_is_all_that_is_said():
    text = dout("examples/slide_layers.py:MulLayer").stdout
    assert "✓ x  exact\n" in text
    assert "branches" not in text


@pytest.mark.long
def test_a_pipe_gets_no_colours_and_ascii_where_nothing_else_is_read():
    assert "\x1b" not in dout("examples/slide_layers.py").stdout
    assert dout("examples/slide_layers.py", env={**PLAIN, "PYTHONIOENCODING": "ascii"}).stdout.isascii()


@pytest.mark.long
@pytest.mark.skipif(sys.platform == "win32", reason="a terminal of our own is a pseudo terminal")
def test_a_terminal_gets_colours_unless_it_wants_none():
    import pty

    def in_a_terminal(**extra):
        mine, theirs = pty.openpty()
        command = [sys.executable, "-m", "dout", "check", "Sigmoid"]
        with subprocess.Popen(command, cwd=HOME, env={**PLAIN, "TERM": "xterm", **extra}, stdout=theirs) as process:
            os.close(theirs)
            said = b""
            while True:
                try:
                    part = os.read(mine, 10_000)
                except OSError:  # Linux says so where the other side has closed
                    break
                if not part:
                    break
                said += part
            process.wait(60)
        return said.decode()

    assert "\x1b[" in in_a_terminal()
    assert "\x1b[" not in in_a_terminal(NO_COLOR="1")


# --- what is checked --------------------------------------------------------------------------------------------------


def test_only_layers_that_the_file_defines_and_that_do_something(tmp_path):
    write(tmp_path, RIGHT, "other.py")
    write(
        tmp_path,
        "from other import Square\n"
        "class Base:\n    def forward(self, x):\n        '''Not here.'''\n        raise NotImplementedError('later')\n"
        "    def backward(self, dout):\n        raise NotImplementedError\n"
        "class Passes:\n    def forward(self, x):\n        pass\n    def backward(self, dout):\n        pass\n"
        "class Sub(Square):\n    pass\n"
        "Other = Sub\nclass NoLayer:\n    pass\n",
    )
    assert list(layers(document("mine.py", cwd=tmp_path))) == ["Sub"]


def test_a_folder_without_what_is_hidden_built_or_installed(tmp_path):
    for name in ("a/one.py", "b.py", ".hidden/x.py", "build/x.py", "node_modules/x.py", "venv/x.py", "mine/x.py"):
        write(tmp_path, RIGHT, name)
    (tmp_path / "mine" / "pyvenv.cfg").write_text("")
    files = [file["file"] for file in document(".", cwd=tmp_path)["files"]]
    assert files == ["b.py", str(Path("a/one.py"))]


def test_a_file_of_a_folder_in_which_no_class_could_be_a_layer_is_not_run(tmp_path):
    write(tmp_path, "open('ran', 'w')\nclass Point:\n    x = 0\n", "script.py")
    write(tmp_path, RIGHT)
    assert dout(".", cwd=tmp_path).returncode == 0
    assert not (tmp_path / "ran").exists()


def test_a_folder_without_a_layer_is_fine_and_says_that_there_is_none(tmp_path):
    write(tmp_path, "x = 1\n")
    run = dout(".", cwd=tmp_path)
    assert run.returncode == 0
    assert re.fullmatch(r"there is no layer here: [^\n]*\n0 layers: [^\n]*in \d+\.\d s\n", run.stdout)


def test_one_layer_of_a_file_of_a_module_and_of_ours(tmp_path):
    write(tmp_path, RIGHT + TRIPLE)
    assert list(layers(document("mine.py:Triple", cwd=tmp_path))) == ["Triple"]
    assert list(layers(document("mine:Square", cwd=tmp_path))) == ["Square"]
    assert list(layers(document("mine", cwd=tmp_path))) == ["Square", "Triple"]
    assert list(layers(document("Sigmoid", "Relu", cwd=tmp_path))) == ["Sigmoid", "Relu"]


def test_a_file_of_a_package_finds_its_neighbours(tmp_path):
    write(tmp_path, "", "net/__init__.py")
    write(tmp_path, "def three():\n    return 3\n", "net/numbers_.py")
    write(tmp_path, "from .numbers_ import three\n" + WRONG.replace("* 3 *", "* three() *"), "net/layers.py")
    assert "D101" in codes(document("net/layers.py", cwd=tmp_path))


AFFINE = """
import numpy as np
class Affine:
    def __init__(self, W, b):
        self.W, self.b = W, b
    def forward(self, x):
        self.x = x
        return np.dot(x, self.W) + self.b
    def backward(self, dout):
        self.dW = np.dot(self.x.T, dout)
        self.db = np.sum(dout, axis=0)
        return np.dot(dout, self.W.T)
class SoftmaxWithLoss:
    def forward(self, x, t):
        self.t = t
        powers = np.exp(x - np.max(x, axis=1, keepdims=True))
        self.y = powers / np.sum(powers, axis=1, keepdims=True)
        return -np.mean(np.log(self.y[np.arange(len(t)), t]))
    def backward(self, dout=1):
        dx = self.y.copy()
        dx[np.arange(len(self.t)), self.t] -= 1
        return dout * dx / len(self.t)
class Wrapper:
    def __init__(self, net):
        self.net = net
    def forward(self, x):
        return self.net.forward(x)
    def backward(self, dout):
        return self.net.backward(dout)
"""


@pytest.mark.long
def test_weights_and_labels_are_chosen_to_fit_and_said(tmp_path):
    write(tmp_path, AFFINE)
    shown = layers(document("mine.py", cwd=tmp_path))
    words = {v["argument"]: v["word"] for v in shown["Affine"]["verdicts"]}
    assert words == {"x": "exact", "W": "exact", "b": "exact"}
    assert set(shown["Affine"]["chosen"]["init"]) == {"W", "b"}
    assert shown["SoftmaxWithLoss"]["verdicts"][0]["word"] == "exact"
    assert shown["SoftmaxWithLoss"]["chosen"]["inputs"]["t"] == [3, 1, 3]  # the last class is among them
    assert "built with W (5, 4), b (4,), on x (3, 5)" in dout("mine.py:Affine", cwd=tmp_path).stdout


def test_functions_and_objects_that_were_chosen_are_said_by_their_names(tmp_path):
    write(tmp_path, """
import numpy as np
class Activation:
    def __init__(self, activation, dactivation):
        self.activation, self.dactivation = activation, dactivation

    def forward(self, x):
        self.x = x
        return self.activation(x)

    def backward(self, dout):
        return dout * self.dactivation(self.x)
""")  # fmt: skip
    said = dout("mine.py:Activation", cwd=tmp_path).stdout
    assert "built with activation = tanh, dactivation = tanh_slope, on" in said
    assert "✓ x  exact" in said


def test_lines_of_neighbours_are_told_from_the_folder_where_the_command_runs(tmp_path):
    write(tmp_path, "def pick(table, key):\n    return table[key]\n", "parts.py")
    write(tmp_path, """
from parts import pick
class Lacking:
    def __init__(self, table):
        self.w = pick(table, "w")

    def forward(self, x):
        return x * self.w

    def backward(self, dout):
        return dout * self.w
""")  # fmt: skip
    said = " ".join(dout("mine.py:Lacking", cwd=tmp_path).stdout.split())
    assert "at parts.py:2)" in said
    assert str(tmp_path) not in said


def test_user_code_runs_with_the_garbage_collector_on(tmp_path):
    write(tmp_path, f"import gc\nassert gc.isenabled()\n{TRIPLE}")
    found = document("mine.py", cwd=tmp_path)
    assert found["problems"] == []
    assert layers(found)["Triple"]["verdicts"][0]["word"] == "exact"


def test_messages_that_hold_two_slashes_are_whole_where_the_command_runs_in_the_root(tmp_path):
    path = write(tmp_path, """
class Refusing:
    def forward(self, x):
        raise ValueError("x // 2 is no size")

    def backward(self, dout):
        return dout
""")  # fmt: skip
    assert "x // 2 is no size" in " ".join(dout(path, cwd="/").stdout.split())


def test_a_layer_that_nobody_can_build_is_a_note_and_no_error(tmp_path):
    write(tmp_path, AFFINE)
    run = dout("mine.py:Wrapper", "--json", cwd=tmp_path)
    (finding,) = layers(json.loads(run.stdout))["Wrapper"]["findings"]
    assert run.returncode == 0
    assert (finding["code"], finding["severity"]) == ("D002", "note")
    assert "Wrapper needs net to be built: give --init 'net=…'" in finding["message"]


def test_arguments_and_inputs_that_are_given_are_used(tmp_path):
    write(tmp_path, AFFINE)
    given = ["--init", "W=[[1.0],[2.0]]", "--init", "b=[0.5]", "--input", "x=[[1.0,2.0]]"]
    shown = layers(document("mine.py:Affine", *given, cwd=tmp_path))["Affine"]
    assert shown["chosen"] == {"init": {}, "inputs": {}}
    assert [verdict["word"] for verdict in shown["verdicts"]] == ["exact"] * 3


def test_an_argument_that_no_layer_takes_is_said(tmp_path):
    write(tmp_path, RIGHT)
    run = dout("mine.py", "--init", "depth=3", cwd=tmp_path)
    assert run.returncode == 2
    assert "dout: --init depth: no layer that was checked takes it" in run.stderr


# --- exit codes and bad input -----------------------------------------------------------------------------------------


def test_exit_codes(tmp_path):
    write(tmp_path, RIGHT, "right.py")
    write(tmp_path, WRONG, "wrong.py")
    write(tmp_path, WRITES.format("", ""), "writes.py")
    assert dout("right.py", cwd=tmp_path).returncode == 0
    assert dout("wrong.py", cwd=tmp_path).returncode == 1
    assert dout("writes.py", cwd=tmp_path).returncode == 1
    assert dout("Missing", cwd=tmp_path).returncode == 2
    assert dout(cwd=tmp_path).returncode == 1  # of the current folder


@pytest.mark.long
def test_strict_counts_warnings(tmp_path):
    write(tmp_path, "class Add:\n    def forward(self, x, y):\n        return x + y\n    def backward(self, dout):\n"
                    "        return dout, dout\n")  # fmt: skip
    assert "D204" in codes(document("mine.py", cwd=tmp_path), "Add")
    assert dout("mine.py", cwd=tmp_path).returncode == 0
    assert dout("mine.py", "--strict", cwd=tmp_path).returncode == 1


@pytest.mark.one_in(6)
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["missing.py"], r"dout: there is no file missing\.py"),
        (["Nonsense"], r"dout: there is no file, module or ready-made layer Nonsense; .* are AbsLayer, "),
        (["right.py:Nope"], r"dout: .*right\.py has no Nope; it has the layers Square"),
        (["broken.py"], r"dout: broken\.py:2 is not valid Python"),
        (["raises.py"], r"line 1, in <module>\n[\s\S]*\ndout: raises\.py raised ZeroDivisionError, at .*raises\.py:1"),
        (["exits.py"], r"dout: exits\.py ended with exit code 3"),
        (["leaves.py"], r"dout: leaves\.py ended the interpreter, with exit code 7, while it was loaded"),
        (["right.py", "--select", "D9"], r"dout: --select: no code begins with D9; the codes are D001…D"),
        (["right.py", "--explain", "D999"], r"dout: there is no code D999"),
        (["right.py", "--write-baseline"], r"--write-baseline needs a file to write: add --baseline FILE\.json"),
        (["net.layers:Square"], r"dout: there is no file or module net\.layers; relative paths start at "),
        ([".:Square"], r"dout: \. is a folder; write the file that Square is in: FILE\.py:Square"),
        (["right.py", "--baseline", "none.json"], r"dout: there is no baseline none\.json"),
        (["right.py", "--input", "x=[1,"], r"not a Python literal"),
    ],
)
def test_what_cannot_be_run_is_said_in_a_message_and_no_traceback_of_ours(arguments, said, tmp_path):
    write(tmp_path, RIGHT, "right.py")
    write(tmp_path, "x = 1\ndef f(:\n", "broken.py")
    write(tmp_path, "1 / 0\n", "raises.py")
    write(tmp_path, "import sys\nsys.exit(3)\n", "exits.py")
    write(tmp_path, "import os\nos._exit(7)\n", "leaves.py")
    run = dout(*arguments, cwd=tmp_path)
    assert run.returncode == 2
    assert re.search(said, run.stderr), run.stderr
    assert "/dout/" not in run.stderr.replace("\\", "/")


def test_the_other_files_are_judged_beside_one_that_cannot_be_run(tmp_path):
    write(tmp_path, "def f(:\n", "broken.py")
    write(tmp_path, WRONG, "wrong.py")
    run = dout(".", "--json", cwd=tmp_path)
    shown = json.loads(run.stdout)
    assert run.returncode == 2
    assert "broken.py:1 is not valid Python" in run.stderr
    assert shown["problems"]
    assert "D101" in codes(shown)


def test_explain_prints_the_page():
    run = dout("--explain", "d201")
    assert run.returncode == 0
    assert run.stdout == (HOME / "docs" / "findings" / "D201.md").read_text(encoding="utf-8")


def test_help_says_that_files_are_executed():
    assert "EXECUTED" in dout("--help").stdout
