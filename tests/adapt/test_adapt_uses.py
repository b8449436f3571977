"""How a class is called elsewhere in its repository is read without running anything."""

import json

import pytest

from dout.adapt.usage import (
    UNKNOWN,
    Array,
    Method,
    Named,
    Shape,
    calls_in_text,
    calls_of,
    files_below,
    repository_root,
)


def test_arguments_are_numbers_constants_and_arithmetic():
    (call,) = calls_in_text("Affine", "hidden = 2 ** 7\nN, D = 4, 784\nlayer = Affine(D, hidden * 2, scale=-0.5)\n")
    assert (call.args, call.kwargs, call.unknown) == ((784, 256), {"scale": -0.5}, 0)


def test_the_methods_called_on_an_instance_come_along():
    (call,) = calls_in_text(
        "Conv2D",
        "import numpy as np\n"
        "layer = Conv2D(3, 16, 3)\n"
        "layer.build((3, 28, 28))\n"
        "x = np.random.randn(4, 3, 28, 28) * 0.1\n"
        "out = layer.forward(x)\n"
        "layer(x, training=True)\n",
    )
    assert call.methods == (
        Method("build", ((3, 28, 28),), {}),
        Method("forward", (Shape((4, 3, 28, 28)),), {}),
        Method("__call__", (Shape((4, 3, 28, 28)),), {"training": True}),
    )


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("np.zeros((2, 3))", Shape((2, 3))),
        ("np.ones(5)", Shape((5,))),
        ("np.random.normal(0, 1, size=(2, 2))", Shape((2, 2))),
        ("np.random.randint(0, 10, size=(4,))", Shape((4,), whole=True, below=10)),
        ("np.zeros((4,), dtype=int)", Shape((4,), whole=True)),
        ("np.zeros((4,)).astype(np.int64)", Shape((4,), whole=True)),
        ("np.arange(6).reshape(2, -1)", Shape((2, 3), whole=True, below=6)),
        ("np.random.rand(2, 3).T", Shape((3, 2))),
        ("np.zeros((2, 3)).shape", (2, 3)),
        ("np.zeros((2, 3)).shape[1]", 3),
        ("np.array([[1, 2], [3, 4]])", Array([[1, 2], [3, 4]])),
        ("np.zeros((2, 3)) @ np.zeros((3, 5))", Shape((2, 5))),
        ("ReLU", UNKNOWN),
        ("ReLU()", Named("ReLU", called=True)),
        ("nn.ReLU", Named("ReLU")),
        ("Dense(3, 4, act=Tanh())", Named("Dense", (3, 4), {"act": Named("Tanh", called=True)}, called=True)),
        ("load_data()", UNKNOWN),
        ("{'stride': 1, 'pad': 2 * 3}", {"stride": 1, "pad": 6}),
        ("[16, 'M', 32]", [16, "M", 32]),
        ("10 ** 10 ** 10", UNKNOWN),
        ("f'{3}'", UNKNOWN),
        ("1 / 0", UNKNOWN),
    ],
)
def test_what_an_argument_is(argument, value):
    (call,) = calls_in_text("Layer", f"Layer({argument})")
    assert call.args == (value,)


def test_imported_names_and_classes_of_the_file_are_named():
    text = "from activations import relu\nclass Sigmoid: pass\nLayer(relu, Sigmoid, activation=Sigmoid())"
    (call,) = calls_in_text("Layer", text)
    assert call.args == (Named("relu"), Named("Sigmoid"))
    assert call.kwargs == {"activation": Named("Sigmoid", called=True)}


def test_a_name_that_is_changed_in_a_loop_is_unknown():
    text = "n = 3\nn += load()\nLayer(n)\nfor size in (1, 2):\n    Layer(size)\n"
    assert [call.args for call in calls_in_text("Layer", text)] == [(UNKNOWN,)]


def test_a_list_that_is_filled_is_unknown_and_a_dict_that_gets_a_key_has_it():
    text = "a = []\nb = [1]\nb.append(2)\nc = {'stride': 1}\nc['pad'] = 2\nLayer(a, b, c, [])\n"
    (call,) = calls_in_text("Layer", text)
    assert call.args == (UNKNOWN, UNKNOWN, {"stride": 1, "pad": 2}, [])


def test_functions_see_constants_defaults_and_what_init_set():
    text = """
SIZE = 8
class Net:
    def __init__(self, hidden=16):
        self.first = Dense(SIZE, hidden)
    def forward(self, x):
        return self.first.forward(np.zeros((2, SIZE)))
"""
    (call,) = calls_in_text("Dense", text)
    assert (call.args, call.methods) == ((8, 16), (Method("forward", (Shape((2, 8)),), {}),))


def test_a_framework_class_of_the_same_name_does_not_count():
    text = "import torch.nn as nn\nfrom keras.layers import Linear\nLinear(1, 2)\nnn.Linear(3, 4)\nours.Linear(5, 6)\n"
    assert [call.args for call in calls_in_text("Linear", text)] == [(5, 6)]


def test_docstring_examples_count(tmp_path):
    text = '"""Layers."""\nclass Dense:\n    """\n    >>> layer = Dense(3,\n    ...     4)\n    >>> Dense(\n    """\n'
    (tmp_path / "dense.py").write_text(text)
    assert [call.args for call in calls_of("Dense", files_below(tmp_path))] == [(3, 4)]


def test_files_and_notebooks_are_read_and_the_plainest_smallest_call_comes_first(tmp_path):
    (tmp_path / "README.md").write_text("")
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "dense.py").write_text("class Dense: pass\n")
    (tmp_path / "train.py").write_text("Dense(784, 100)\nDense(load(), 3)\n")
    (tmp_path / "broken.py").write_text("print 'Dense(1, 2)'\n")
    (tmp_path / "test_dense.py").write_text("def test_it():\n    Dense(4, 3).forward(np.ones((2, 4)))\n")
    cells = [
        {"cell_type": "code", "source": ["%matplotlib inline\n", "n = 5\n"]},
        {"cell_type": "code", "source": "this is not Python"},
        {"cell_type": "markdown", "source": "Dense(0, 0)"},
        {"cell_type": "code", "source": ["Dense(n, 2)"]},
    ]
    (tmp_path / "try.ipynb").write_text(json.dumps({"cells": cells}))
    root = repository_root(tmp_path / "net" / "dense.py")
    assert root == tmp_path.resolve()
    found = calls_of("Dense", files_below(root))
    assert [call.args for call in found] == [(4, 3), (5, 2), (784, 100), (UNKNOWN, 3)]
    assert found[0].file.endswith("test_dense.py")
    assert found[0].line == 2


def test_reading_is_bounded_and_total(tmp_path):
    (tmp_path / "deep.py").write_text("Dense(" + "(" * 500 + ")" * 500 + ")\n" + "x = " + "1+" * 20_000 + "1\n")
    (tmp_path / "large.py").write_text("Dense(1)\n" * 200_000)
    (tmp_path / "bytes.py").write_bytes(b"\xff\xfe Dense(1)")
    (tmp_path / "bad.ipynb").write_text("[1, 2] Dense(")
    (tmp_path / "list.ipynb").write_text('["Dense("]')
    assert calls_of("Dense", [*files_below(tmp_path), tmp_path / "gone.py", tmp_path]) == []
    assert calls_of("Dense", []) == calls_in_text("Dense", "\0") == []


def test_a_file_outside_any_project_has_its_own_folder_as_root(tmp_path):
    deep = tmp_path / "a" / "b" / "c" / "d" / "e" / "f"
    deep.mkdir(parents=True)
    assert repository_root(deep / "x.py") == deep.resolve()
