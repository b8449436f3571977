"""The command `dout show`, run as a person runs it: whole processes on real files."""

import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest
from show_commands import EXAMPLES, HOME, LAYER, dout, refused, script


def document(*arguments, **options):
    run = dout("show", *arguments, "--json", **options)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


# --- the slides' programs ---------------------------------------------------------------------------------------------

SLIDES = {
    "buy_apple": ({"apple": (100, 2.2), "apple_num": (2, 110.00000000000001), "tax": (1.1, 200)}, 220.00000000000003),
    "buy_fruits": (
        {
            "apple": (100, 2.2),
            "apple_num": (2, 110.00000000000001),
            "orange": (150, 3.3000000000000003),
            "orange_num": (3, 165.0),
            "tax": (1.1, 650),
        },
        715.0000000000001,
    ),
}


@pytest.mark.parametrize("name", SLIDES)
def test_every_number_of_the_slides_is_in_the_document(name):
    inputs, price = SLIDES[name]
    shown = document(EXAMPLES / f"{name}.py")
    values = {value["name"]: value for value in shown["values"]}
    for key, (value, gradient) in inputs.items():
        assert (values[key]["value"], values[key]["gradient"]) == (value, gradient)
        assert values[key]["source"] == "user"
        assert "expected" not in values[key]
        assert [use["gradient"] for use in values[key]["uses"] if use["gradient"] is not None] == [gradient]
    assert (values["price"]["value"], values["price"]["gradient"]) == (price, 1)


@pytest.mark.parametrize("name", SLIDES)
def test_every_number_of_the_slides_is_in_the_svg(name, tmp_path):
    inputs, price = SLIDES[name]
    assert dout("show", EXAMPLES / f"{name}.py", "-o", tmp_path / "out.svg").returncode == 0
    text = " ".join(ET.parse(tmp_path / "out.svg").getroot().itertext())
    for number in [price, *(n for pair in inputs.values() for n in pair)]:
        assert re.search(rf"(?<![\d.]){re.escape(repr(number))}(?![\d.])", text), number


@pytest.mark.parametrize("name", SLIDES)
def test_every_number_of_the_slides_is_in_the_terminal(name):
    inputs, _ = SLIDES[name]
    shown = dout("show", EXAMPLES / f"{name}.py").stdout
    for key, (value, gradient) in inputs.items():
        assert key in shown
        assert f"{value:.4g}" in shown
        assert f"◂ {gradient:.4g}" in shown


TRAINED = ("digits", "mnist", "reverse", "zen")  # for long
PLAIN = sorted(path for path in EXAMPLES.glob("*.py") if path.stem not in TRAINED)


@pytest.mark.one_in(6)
@pytest.mark.parametrize("path", PLAIN, ids=lambda path: path.stem)
def test_what_a_script_prints_comes_first_and_unchanged(path):
    plain = subprocess.run([sys.executable, path], capture_output=True, text=True, check=True, cwd=HOME).stdout
    run = dout("show", path, "--run-on")
    if path.stem == "slide_layers":
        refused(run, r"calls none of its layers \(MulLayer, AddLayer, Relu, Sigmoid\); name one: dout show .*:Sigmoid")
    else:
        assert run.returncode == 0
        assert run.stdout.startswith(plain)
        assert len(run.stdout) > len(plain) + 100


def test_the_document_is_all_there_is_on_stdout_and_holds_the_prints(tmp_path):
    path = script(
        tmp_path, LAYER + 'import os\nprint("mine")\nos.system("echo child")\nprint(MulLayer().forward(2, 3))'
    )
    run = dout("show", path, "--json")
    shown = json.loads(run.stdout)
    assert sorted(shown["printed"].split()) == ["6", "child", "mine"]
    assert shown["dout"] == 1


def test_layers_nodes_values_and_events_of_the_document_refer_to_each_other():
    shown = document(EXAMPLES / "residual.py")
    values, nodes = ({entry["id"]: entry for entry in shown[key]} for key in ("values", "nodes"))
    layers = {entry["id"]: entry for entry in shown["layers"]}
    for node in nodes.values():
        assert values[node["output"]]["from"] == node["id"]
        assert node["layer"] is None or node["layer"] in layers
        assert node["phase"] in ("forward", "backward")
        for argument, value in enumerate(node["inputs"]):
            assert [u for u in values[value]["uses"] if (u["node"], u["argument"]) == (node["id"], argument)]
    assert [layer["class"] for layer in layers.values()] == ["MulLayer", "Relu"]
    assert shown["events"] == [
        {
            "kind": "write",
            "message": "Relu.backward writes into its argument dout",
            "file": str(EXAMPLES / "residual.py"),
            "line": 35,
        }
    ]
    (h,) = [v for v in values.values() if v["name"] == "h"]
    assert (h["gradient"], h["expected"]) == ([2.0, 0.0], [2.0, 1.0])


def test_a_wrong_gradient_is_said_with_the_right_one():
    shown = dout("show", "examples/residual.py").stdout
    assert "✗ gradient of h is [2 0], right: [2 1], the first wrong edge" in shown
    assert "! Relu.backward writes into its argument dout, at examples/residual.py:35" in shown


@pytest.mark.long
def test_a_saved_trace_is_drawn_again_without_running_anything(tmp_path):
    path = script(
        tmp_path, LAYER + "mul = MulLayer()\nprice = mul.forward(100, 2)\nmul.backward(1)\nopen('ran', 'a').write('x')"
    )
    first = dout("show", path, cwd=tmp_path)
    assert dout("show", path, "-o", "trace.json", cwd=tmp_path).returncode == 0
    again = dout("show", "trace.json", cwd=tmp_path)
    assert again.stdout == first.stdout
    assert (tmp_path / "ran").read_text() == "xx"


def test_readme_shows_what_is_printed():
    readme = (HOME / "README.md").read_text(encoding="utf-8")
    shown = dout("show", "examples/buy_fruits.py").stdout.rstrip()
    assert f"```text\n$ dout show examples/buy_fruits.py\n{shown}\n```\n" in readme


# --- classes ----------------------------------------------------------------------------------------------------------


@pytest.mark.one_in(2)
@pytest.mark.parametrize("name", ["MulLayer", "AddLayer", "Relu", "Sigmoid"])
def test_a_class_of_the_slides_is_traced_on_an_input_that_is_chosen_and_said(name):
    run = dout("show", f"examples/slide_layers.py:{name}")
    assert run.returncode == 0
    assert "dout chose --input 'x=[[1.0, -0.5, 0.75], [-2.0, 3.0, -1.5]]'" in run.stdout


def test_a_class_on_a_given_input():
    shown = document("examples/slide_layers.py:Relu", "--input", "x=[[1.0,-0.5],[-2.0,3.0]]", "--input", "dout=1")
    (x,) = [v for v in shown["values"] if v["name"] == "x"]
    assert x["value"] == [[1.0, -0.5], [-2.0, 3.0]]
    assert x["gradient"] == [[1.0, 0.0], [0.0, 1.0]]
    forward = [n["primitive"] for n in shown["nodes"] if n["phase"] == "forward"]
    assert forward == ["less_equal", "copy", "setitem"]
    assert all(n["file"].endswith("slide_layers.py") for n in shown["nodes"])


def test_numbers_and_positions_as_inputs():
    shown = document("examples/slide_layers.py:MulLayer", "--input", "100", "--input", "y=2")
    assert {v["name"]: v["gradient"] for v in shown["values"] if v["name"] in ("x", "y")} == {"x": 3, "y": 150}


def test_a_ready_made_layer_by_its_name():
    shown = document("Sigmoid", "--input", "0.0", "--input", "dout=1")
    (x,) = [v for v in shown["values"] if v["name"] == "x"]
    assert x["gradient"] == 0.25


def test_a_layer_that_must_be_built(tmp_path):
    path = script(
        tmp_path,
        "class Scale:\n"
        "    def __init__(self, factor):\n        self.factor = factor\n"
        "    def forward(self, x):\n        self.x = x\n        return x * self.factor\n"
        "    def backward(self, dout):\n        return dout * self.factor\n",
    )
    chosen = dout("show", f"{path}:Scale").stdout
    assert re.search(r"dout chose --init 'factor=[\d.]+' --input 'x=", chosen)
    shown = document(f"{path}:Scale", "--init", "factor=3.0", "--input", "x=2.0", "--input", "dout=1")
    assert {v["name"]: v["gradient"] for v in shown["values"] if v["name"] in ("x", "factor")} == {
        "x": 3.0,
        "factor": 2.0,
    }


def test_what_a_traced_layer_prints_appears_once(tmp_path):
    path = script(tmp_path, LAYER.replace("        return x * y", "        print('once')\n        return x * y"))
    assert dout("show", f"{path}:MulLayer").stdout.count("once") == 1


# --- scripts that are more than one file ------------------------------------------------------------------------------


def test_layers_imported_from_a_package_beside_the_script(tmp_path):
    (tmp_path / "common").mkdir()
    script(
        tmp_path / "common",
        "import numpy as np\nfrom numpy import exp\nfrom common.functions import half\n"
        "class Sigmoid:\n"
        "    def forward(self, x):\n        self.out = 1 / (1 + exp(-x))\n        return half(self.out)\n"
        "    def backward(self, dout):\n        return 0.5 * dout * (1 - self.out) * self.out\n",
        "layers.py",
    )
    script(tmp_path / "common", "import numpy as np\ndef half(x):\n    return np.multiply(x, 0.5)\n", "functions.py")
    path = script(
        tmp_path,
        "from common.layers import *\nlayer = Sigmoid()\ny = layer.forward(np.array([0.0, 1.0]))\n"
        "layer.backward(np.ones(2))\n",
    )
    shown = document(path)
    assert [layer["name"] for layer in shown["layers"]] == ["layer"]
    forward = [n["primitive"] for n in shown["nodes"] if n["phase"] == "forward"]
    assert forward == ["negative", "exp", "add", "divide", "multiply"]
    assert not [v for v in shown["values"] if "expected" in v]


def test_a_main_block_runs_and_input_does_not_wait(tmp_path):
    path = script(
        tmp_path,
        LAYER
        + "if __name__ == '__main__':\n    name = input('who? ')\n    print(repr(name))\n"
        + "    MulLayer().forward(2, 3)\n",
    )
    run = dout("show", path)
    assert run.returncode == 0
    assert run.stdout.startswith("who? \n''\n")


# --- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.one_in(9)
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1\ndef f(:\n", [r"def f\(:", r"SyntaxError", r"mine\.py:2 is not valid Python"]),
        (
            "def f():\n    return missing\nf()\n",
            [r"line 2, in f\n", r"NameError: name 'missing'", r"raised NameError, at .*mine\.py:2"],
        ),
        ("import sys\nsys.exit(3)\n", [r"ended with exit code 3"]),
        (
            "import sys\nif len(sys.argv) < 2:\n    sys.exit(1)\n",
            [r"exit code 1: it was given no arguments; write them"],
        ),
        ("import numpy as np\nnp.load('w.npz')\n", [r"raised FileNotFoundError, at .*mine\.py:2: there is no w\.npz"]),
        ("exec(compile('x = (', 'part.py', 'exec'))\n", [r"mine\.py cannot run: part\.py:1 is not valid Python \d"]),
        ("print('hello')\n", [r"mine\.py has no layer in it"]),
        ("while True:\n    pass\n", [r"did not end within 1 s, at .*mine\.py:[12]; it was stopped"]),
        ("while True:\n    try:\n        pass\n    except:\n        pass\n", [r"did not end within 1 s"]),
        (
            "while True:\n    print('x' * 1000)\n",
            [r"printed more than 1000000 characters, at .*mine\.py:2; it was stopped"],
        ),
        ("\x00", [r"mine\.py.* is not valid Python"]),
    ],
    ids=[
        "syntax",
        "raises",
        "exit",
        "no arguments",
        "no file",
        "a part",
        "no layer",
        "endless",
        "stubborn",
        "loud",
        "null byte",
    ],
)
def test_bad_scripts_get_one_message_with_file_and_line(tmp_path, text, said):
    refused(dout("show", script(tmp_path, text), "--timeout", "1"), *said)


@pytest.mark.one_in(6)
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["missing.py"], r"there is no file missing\.py"),
        (["Nonsense"], r"no file, module or ready-made layer Nonsense; the ready-made layers are AbsLayer, "),
        (["examples/slide_layers.py:Nope"], r"has no Nope; it has the layers MulLayer, AddLayer, Relu, Sigmoid"),
        (["examples/slide_layers.py:Relu", "--input", "x=[1,"], r"not a Python literal"),
        (["examples/slide_layers.py:Relu", "--input", "z=1"], r"Relu\.forward takes x, not z"),
        (["examples/buy_apple.py", "--input", "x=1"], r"is a script; --input and --init are for a layer"),
        (["examples/buy_apple.py", "-o", "out.gif"], r"a picture ends in \.svg"),
        (["examples/buy_apple.py", "-o", "/no/such/folder/out.svg"], r"cannot be written"),
        (["examples"], r"examples is a folder; name a file in it: examples/FILE\.py"),
        (["Sigmoid", "--round", "2"], r"Sigmoid is no script; --round is for a script"),
        (["dout.layers"], r"dout\.layers is a module; name one layer or function in it: dout\.layers:NAME"),
        (["no_such.module:Layer"], r"there is no file or module no_such\.module"),
    ],
)
def test_bad_arguments_get_one_message(arguments, said):
    refused(dout("show", *arguments), said)


def test_not_a_trace_document(tmp_path):
    refused(dout("show", script(tmp_path, '{"a": 1}', "other.json")), "is not a trace document")


def test_the_users_traceback_is_theirs_alone(tmp_path):
    run = dout("show", script(tmp_path, "import numpy as np\ndef f(x):\n    return x + np.ones(3)\nf(np.ones(2))\n"))
    assert re.search(r"line 4, in <module>\n.*\n.*line 3, in f\n", run.stderr)
    assert "operands could not be broadcast together" in run.stderr
    refused(run)


def test_a_warning_of_numpy_points_to_the_users_line(tmp_path):
    path = script(
        tmp_path,
        "import numpy as np\nx = np.array([0.0, 1.0])\ny = np.log(x)\nz = 1 / x\nfor _ in range(3):\n    1 / x\n",
    )
    plain = subprocess.run([sys.executable, path], capture_output=True, text=True, check=True).stderr
    assert plain.count("RuntimeWarning") == 3
    assert dout("show", path).stderr == plain


HOSTILE = LAYER.replace("MulLayer", "Mul日本語") + (
    "Mul日本語.__name__ = '<script>alert(1)</script>\\x1b[31m'\n"
    f"{'long_' * 20000} = 2.0\nπ = 3.0\nmul = Mul日本語()\n"
    f"価格 = mul.forward({'long_' * 20000}, π)\nmul.backward(1)\n"
)


def test_hostile_names_are_safe_in_every_output(tmp_path):
    path = script(tmp_path, HOSTILE)
    shown = dout("show", path)
    assert shown.returncode == 0
    assert "\x1b" not in shown.stdout
    assert max(map(len, shown.stdout.splitlines())) <= 100
    assert "価格" in shown.stdout
    assert dout("show", path, "-o", tmp_path / "out.svg").returncode == 0
    text = (tmp_path / "out.svg").read_text(encoding="utf-8")
    assert "<script" not in text
    assert "\x1b" not in text
    ET.fromstring(text)
    names = {value["name"] for value in document(path)["values"]}
    assert {"価格", "π"} <= names


def test_a_terminal_without_unicode_gets_ascii(tmp_path):
    import os

    run = dout("show", EXAMPLES / "buy_apple.py", env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert run.returncode == 0
    assert run.stdout.isascii()
    assert "220" in run.stdout


def test_version_and_help():
    assert dout("--version").stdout.startswith("dout, version 0.")
    assert "EXECUTED" in dout("show", "--help").stdout


def test_a_function_is_drawn_with_the_backward_beside_it(tmp_path):
    path = script(tmp_path, """
def scale_forward(x, w):
    return x * w, (x, w)

def scale_backward(dout, cache):
    x, w = cache
    return dout * w, dout * x * 2
""")  # fmt: skip
    shown = document(f"{path}:scale_forward", "--input", "x=3.0", "--input", "w=2.0")
    (layer,) = shown["layers"]
    assert len(layer["outputs"]) == 1
    values = {value["name"]: value for value in shown["values"]}
    assert (values["x"]["gradient"], values["w"]["gradient"], values["w"]["expected"]) == (3, 9, 4.5)


def test_the_picture_lands_where_it_was_asked_for_also_when_the_script_changes_the_directory(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    path = script(tmp_path, LAYER + "import os\nprint(__file__)\nos.chdir('elsewhere')\nMulLayer().forward(2, 3)\n")
    run = dout("show", "mine.py", "-o", "out.svg", cwd=tmp_path)
    assert (run.returncode, run.stdout) == (0, f"{path}\n")
    assert (tmp_path / "out.svg").exists()


def test_a_document_with_only_the_promised_keys_is_drawn(tmp_path):
    shown = document(EXAMPLES / "buy_fruits.py")
    promised = {
        "layers": {"id", "name", "class", "inputs", "outputs", "file", "line"},
        "nodes": {"id", "primitive", "symbol", "inputs", "output", "layer", "phase", "file", "line"},
        "values": {"id", "name", "value", "shape", "dtype", "from", "uses", "gradient", "source", "expected"},
    }
    strict = {key: shown[key] for key in ("dout", "target", "printed", "layers", "nodes", "values", "events")}
    for key, names in promised.items():
        strict[key] = [{k: v for k, v in entry.items() if k in names} for entry in shown[key]]
    path = script(tmp_path, json.dumps(strict), "strict.json")
    run = dout("show", path)
    assert run.returncode == 0
    assert "715" in run.stdout
