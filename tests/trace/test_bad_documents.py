"""A saved trace may say anything: it is drawn, or refused in a line, and then nothing is written."""

import copy
import functools
import json
import sys
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from layers_in_a_row import InARow
from traced_layers import Affine, MulLayer, Relu

import dout
from dout.cli import main
from dout.trace.model.trace_writer import to_document
from dout.trace.record.trace_reader import from_document


class Dropout:
    def forward(self, x):
        self.mask = np.random.rand(*x.shape) > 0.5  # noqa: NPY002 - as users write it
        return x * self.mask * np.random.default_rng(1).normal(0.0, 1.0, size=x.shape)

    def backward(self, dout):
        return dout * self.mask


def moved(x):
    sides = np.tile(np.pad(np.unique(x)[1:], 1), 2)
    pair = np.concatenate([x, x])[np.array([0, 1])].reshape(1, 2)
    return np.sum(sides[::2]) * len(x[x > 0]) + np.sum(pair)


@functools.cache
def documents():
    """Documents as they are written: numbers, layers in layers, draws, conditions, places and shapes."""
    traces = [
        dout.trace(lambda apple, count: apple * count + 2, 100, 3),
        dout.trace(MulLayer(), np.float32([1, np.nan]), np.float32([2.0, 3.0])),
        dout.trace(moved, np.array([1.0, -2.0, 3.0])),
        dout.trace(InARow(Affine(np.arange(6.0).reshape(3, 2), np.zeros(2)), Relu(), Dropout()), np.ones((2, 3))),
    ]
    return [json.loads(json.dumps(to_document(trace, None))) for trace in traces]


NUMBERS = [0, -1, 1, 2, 10**12, 10**30, -(10**30), 1.5, float("nan"), float("inf"), True, False]
NAMES = [
    *(
        "",
        "x",
        "\ud800",
        "\x00\x1b[31m",
        "a" * 5000,
        "v0",
        "v1",
        "n0",
        "n1",
        "l0",
        "float64",
        "S3",
        "O",
        "M8[s]",
        "f8,f8",
    ),
    *("load", "__class__", "seed", "bytes", "add", "getitem", "places", "0x" + "f" * 50, "1+2j"),
]
HOSTILE = [
    *(*NUMBERS, *NAMES, None, [], {}, [[]], [0], [10**12], [10**12] * 3, [None], ["v0"], [["a"], [1, 2]]),
    *({"a": 1, "b": 2}, {"slice": [0, 1, 0]}, {"tuple": [10**12]}, {"dtype": "S3"}, {"slot": -1}, {"summarised": True}),
    functools.reduce(lambda inside, _: {"tuple": [inside]}, range(300), 1),
    functools.reduce(lambda inside, _: [inside], range(300), 1),
]


def places(item, way=()):
    """The way to every part of a document."""
    if way:
        yield way
    for key in item if isinstance(item, dict) else range(len(item)) if isinstance(item, list) else ():
        yield from places(item[key], (*way, key))


def part(document, way):
    """The part of a document at the end of a way."""
    return functools.reduce(lambda item, key: item[key], way, document)


@st.composite
def broken(draw):
    """A valid document with up to three parts replaced, left out, doubled, or taken from elsewhere in it."""
    document = copy.deepcopy(draw(st.sampled_from(documents())))
    for _ in range(draw(st.sampled_from([1, 1, 1, 2, 3]))):
        kinds = {}
        for way in places(document):
            kinds.setdefault(tuple(key if isinstance(key, str) else "" for key in way), []).append(way)
        ways = [draw(st.sampled_from(draw(st.sampled_from(list(kinds.values()))))) for _ in range(2)]
        *way, key = ways[0]
        inside = part(document, way)
        match draw(st.sampled_from(["replaced", "replaced", "replaced", "left out", "doubled", "from elsewhere"])):
            case "left out":
                del inside[key]
            case "doubled" if isinstance(inside, list):
                inside.insert(0, copy.deepcopy(inside[key]))
            case "from elsewhere":
                inside[key] = copy.deepcopy(part(document, ways[1]))
            case _:
                inside[key] = copy.deepcopy(draw(st.sampled_from(HOSTILE)))
    return document


def run(*arguments):
    """What the command exits with."""
    kept, sys.argv = sys.argv, ["dout", *map(str, arguments)]
    try:
        main()
    except SystemExit as ended:
        return ended.code or 0
    finally:
        sys.argv = kept
    return 0


QUIET = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]


@pytest.mark.long
@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=QUIET)
@given(broken(), st.sampled_from(["svg", "html", "tex", "json", "txt", "png", "pdf", "pptx", None, "printed"]))
def test_a_broken_document_is_drawn_or_refused_in_a_line_and_nothing_is_written(tmp_path, capsys, document, suffix):
    path, made = tmp_path / "t.json", tmp_path / f"made.{suffix}"
    path.write_text(json.dumps(document))
    made.unlink(missing_ok=True)
    code = run("show", path, *(["--json"] if suffix == "printed" else [] if suffix is None else ["-o", made]))
    printed, said = capsys.readouterr()
    if code == 0:
        assert made.exists() == (suffix not in (None, "printed"))
    else:
        assert code == 2
        assert printed == ""
        assert said.startswith(f"dout: {path} ")
        assert said.count("\n") == 1
        assert not made.exists()


@settings(max_examples=200, deadline=None, derandomize=True)
@given(broken(), st.integers(0, 3))
def test_a_broken_document_that_loads_can_be_saved_and_drawn_anew_or_says_why_not(document, seed):
    with suppress(dout.DoutError):
        trace = from_document(document)
        assert from_document(json.loads(json.dumps(to_document(trace, None)))).target == trace.target
        trace.redrawn(seed)


def with_part(number, *way, value):
    document = copy.deepcopy(documents()[number])
    *way, key = way
    part(document, way)[key] = value
    return document


def drawn(**entry):
    """The document of the network, whose first draw says something else."""
    document = copy.deepcopy(documents()[3])
    value = next(value for value in document["values"] if "draw" in value)
    value["draw"].update(entry)
    return document


REFUSED = {
    "a dtype of text": (with_part(0, "values", 0, "dtype", value="S3"), "no dtype of numbers"),
    "a dtype of objects": (with_part(1, "values", 0, "dtype", value="O"), "no dtype of numbers"),
    "a gradient of text": (
        with_part(1, "values", 0, "gradient_as", value={"dtype": "S3", "shape": [2]}),
        "no dtype of",
    ),
    "a method that draws nothing": (drawn(method="seed"), "seed"),
    "a method of any object": (drawn(method="__class__"), "__class__"),
    "a method that is none": (drawn(method=["rand"]), "unhashable"),
    "a generator that is none": (drawn(generator="os"), "nothing is named os"),
    "a terabyte of numbers": (drawn(arguments=[10**6, 10**6]), "draws no array of shape"),
    "as many by name": (drawn(method="normal", arguments=[], keywords={"size": [10**6, 10**6]}), "draws no array"),
    "as many by parameters": (drawn(method="normal", arguments=[[[0]] * 99, [[0] * 99]]), "draws no array"),
    "rows of any length": (drawn(method="dirichlet", arguments=[[1] * 99, [2, 3]]), "draws no array"),
    "an order of too many": (drawn(method="permutation", arguments=[10**12]), "draws no array"),
    "a choice of too many": (drawn(method="choice", arguments=[10**12, [2, 2], False]), "draws no array"),
    "a function that is none of the places": (with_part(2, "nodes", 0, "static", "function", value="load"), "load"),
    "a node of itself": (with_part(0, "nodes", 0, "inputs", value=["v2", "v2"]), "KeyError 'v2'"),
    "a value made twice": (with_part(0, "values", 0, "from", value="n0"), "names a node that made another"),
    "an id that two have": (with_part(0, "values", 1, "id", value="v0"), "the same id"),
    "a shape that no array has": (with_part(1, "values", 0, "shape", value=[10**30]), "not a valid count"),
    "numbers of another shape": (with_part(1, "values", 0, "shape", value=[10**12]), "cannot reshape"),
    "a reshape to another shape": (
        with_part(2, "nodes", -5, "static", value={"shape": {"tuple": [10**12]}}),
        "gives no",
    ),
    "a use that is none": (with_part(0, "values", 0, "uses", 0, "argument", value=7), "out of range"),
    "a line that is none": (with_part(0, "nodes", 0, "line", value=float("inf")), "not a valid count"),
    "a name that is a list": (with_part(0, "values", 0, "name", value=["x"]), "a list stands where a text should"),
    "another version": (with_part(0, "dout", value="9" * 5000), "has version '99"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_document_that_contradicts_itself_is_refused(what, tmp_path, capsys):
    document, because = REFUSED[what]
    with pytest.raises(dout.DoutError, match=because) as raised:
        assert from_document(document).values
    assert len(str(raised.value)) < 400
    path = tmp_path / "t.json"
    path.write_text(json.dumps(document))
    for suffix in ("svg", "json"):
        assert run("show", path, "-o", tmp_path / f"made.{suffix}") == 2
    assert capsys.readouterr().err.count("\n") == 2
    assert list(tmp_path.iterdir()) == [path]


def test_a_draw_of_which_a_summary_was_kept_loads_and_a_terabyte_is_not_drawn():
    trace = dout.trace(Dropout(), np.ones((200, 100)))
    loaded = from_document(json.loads(json.dumps(to_document(trace))))
    assert loaded.draw().text()
    document = to_document(trace)
    for value in document["values"]:
        value["shape"] = [10**6, 10**6] if value["shape"] else []
    for value in document["values"]:
        if "draw" in value:
            value["draw"].update(method="rand", arguments=[10**6, 10**6], keywords={})
    with pytest.raises(dout.DoutError, match="only a summary was kept"):
        from_document(json.loads(json.dumps(document))).redrawn()


@pytest.mark.parametrize(
    "text",
    [
        *(b"", b"{", b"\xff", b"null", b"[" * 100_000, b'{"dout": ' * 5_000, b'{"dout": 1' + b"0" * 10_000 + b"}"),
        *(b'{"dout": 1}', b'{"dout": 1, "dout": 2}', b'{"dout": NaN}', b'{"dout": 1, "nodes": [], "values": 7}'),
    ],
)
def test_a_file_that_is_no_document_is_refused_in_a_line(text, tmp_path, capsys):
    path = tmp_path / "t.json"
    path.write_bytes(text)
    assert run("show", path, "-o", tmp_path / "made.svg") == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("suffix", ["svg", "html", "tex", "json", "txt", "png", "pdf", "pptx"])
def test_half_a_character_in_a_name_is_left_out_of_pictures_and_kept_in_documents(suffix, tmp_path):
    document = copy.deepcopy(documents()[3])
    document["events"].append({"kind": "write", "message": "written\ud800", "file": "mine\udcff.py", "line": 3})
    for item in [*document["layers"], *document["values"]]:
        item["name"] = item["name"] and f"{item['name']}\ud800"
    document["target"] += "\udcff"
    path, made = tmp_path / "t.json", tmp_path / f"made.{suffix}"
    path.write_text(json.dumps(document))
    assert run("show", path) == 0
    assert run("show", path, "-o", made) == 0
    if suffix == "json":
        assert to_document(dout.load(made)) == to_document(from_document(document))


def test_a_script_whose_name_is_no_text_is_saved_and_drawn(tmp_path):
    script = tmp_path / "mine\udcff.py"
    try:
        script.write_text("import numpy as np\nclass A:\n    def forward(self, x): return np.exp(x)\n"
                          "    def backward(self, d): return d\nA().forward(np.ones(2))\n")  # fmt: skip
    except OSError:
        pytest.skip("files have names of Unicode here")
    made = tmp_path / "t.json"
    assert run("show", script, "-o", made) == 0
    assert run("show", made) == 0
    assert {node.where.file for node in dout.load(made).graph.nodes if node.where} == {str(script)}
