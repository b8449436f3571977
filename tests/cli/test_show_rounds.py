"""`dout show train.py --rounds 1,10`: rounds side by side, and in words what goes wrong, in which layer and round."""

import os
import re
import xml.etree.ElementTree as ET
from itertools import combinations

import numpy as np
import pytest
from show_commands import dout, refused, script

from dout.draw.paint.training_chart import TrainingChart
from dout.draw.view_options import Look
from dout.trace.record.training import TrainingRound

SVG = "{http://www.w3.org/2000/svg}"
TRAIN = """
import numpy as np


class Affine:
    def __init__(self, W):
        self.W = W

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout):
        self.dW = self.x.T @ dout
        return dout @ self.W.T


class Sigmoid:
    def forward(self, x):
        self.out = 1 / (1 + np.exp(-x))
        return self.out * 1

    def backward(self, dout):
        return dout * self.out * (1 - self.out)


class Relu:
    def forward(self, x):
        self.mask = x > 0
        return np.where(self.mask, x, 0)

    def backward(self, dout):
        return np.where(self.mask, dout, 0)


class Loss:
    def forward(self, x, t):
        self.d = x - t
        return np.sum(self.d**2) / len(x)

    def backward(self, dout=1):
        return dout * 2 * self.d / len(self.d)


rng = np.random.default_rng(0)
x, t = rng.normal(size=(8, 5)), rng.normal(size=(8, 5))
layers = [{layers}]
loss = Loss()
seen = []
for step in range({steps}):
    y = x
    for layer in layers:
        y = layer.forward(y)
    error = loss.forward(y, t)
    d = loss.backward()
    for layer in layers[::-1]:
        d = layer.backward(d)
    own = [layer for layer in layers if isinstance(layer, Affine)]
    seen.append((float(error), *(float(np.linalg.norm(a)) for layer in own for a in (layer.W, layer.dW))))
    for layer in own:
        layer.W -= {rate} * layer.dW
"""
AFFINE = "Affine(rng.normal(size=(5, 5)) * {size})"


def program(folder, layers, steps=12, rate=0.01):
    return script(folder, TRAIN.format(layers=", ".join(layers), steps=steps, rate=rate))


def test_the_numbers_are_those_of_the_program_itself(tmp_path):
    path = program(tmp_path, [AFFINE.format(size=0.4), "Relu()", AFFINE.format(size=0.4)])
    run = dout("show", path, "--rounds", "1,5,12")
    namespace = {}
    exec(path.read_text(), namespace)
    rows = [line.split()[-3:] for line in run.stdout.splitlines() if re.match(r"loss  |  ‖", line)]
    assert len(rows) == 5
    for column, step in enumerate((0, 4, 11)):
        found = [float(row[column]) for row in rows]
        assert found == pytest.approx(namespace["seen"][step], rel=1e-3)


def test_the_last_round_of_a_program_counts_and_one_too_many_is_said(tmp_path):
    path = program(tmp_path, [AFFINE.format(size=0.4)], steps=3)
    run = dout("show", path, "--rounds", "1,3,4")
    assert re.search(r"^round +1 +3$", run.stdout, re.MULTILINE)
    assert "! the program has 3 rounds: there is no round 4" in run.stdout


def test_a_gradient_that_vanishes_is_said_with_its_layer_and_round(tmp_path):
    deep = [part for _ in range(12) for part in (AFFINE.format(size=0.1), "Sigmoid()")]
    run = dout("show", program(tmp_path, deep), "--rounds", "1")
    assert re.search(r"✗ the gradient vanishes in round 1, from layers\[\d+\] \(Affine\) towards the input", run.stdout)
    assert "explodes" not in run.stdout


def test_a_gradient_that_explodes_is_said(tmp_path):
    run = dout("show", program(tmp_path, [AFFINE.format(size=5.0)] * 9, rate=1e-30), "--rounds", "2")
    assert re.search(r"✗ the gradient explodes in round 1, from layers\[\d+\] \(Affine\) towards the input", run.stdout)


def test_nan_is_said_with_the_layer_and_the_round_where_it_begins(tmp_path):
    path = program(tmp_path, [AFFINE.format(size=1.0), "Relu()", AFFINE.format(size=1.0)], steps=40, rate=1e30)
    run = dout("show", path, "--rounds", "1,40")
    namespace = {}
    with np.errstate(all="ignore"):
        exec(path.read_text(), namespace)
    first = next(i for i, (error, *_) in enumerate(namespace["seen"], 1) if not np.isfinite(error))
    (told,) = re.findall(r"✗ NaN or infinity begins in round (\d+): \w+ of (?:layers|loss)", run.stdout)
    assert first - 1 <= int(told) <= first  # a gradient may be the first


def test_dead_units_are_counted(tmp_path):
    path = program(tmp_path, ["Affine(np.diag([1.0, 1, 1, 0, 0]) * [1, 1, 1, 1, 1])", "Relu()"], rate=0.0)
    path.write_text(
        path.read_text().replace(
            "x, t = rng.normal(size=(8, 5))", "x, t = abs(rng.normal(size=(8, 5))) * [1, 1, -1, 1, 1]"
        )
    )
    printed = dout("show", path, "--rounds", "1").stdout
    assert re.search(r"^layers\[1\] \(Relu\)\n(  .*\n)*  dead units +60%$", printed, re.MULTILINE)


@pytest.mark.parametrize("weight", ["self.W", "self.W.T"])
def test_dead_units_are_rows_where_samples_are_columns(tmp_path, weight):
    across = program(tmp_path, ["Affine(np.diag([1.0, 1, 1, 0, 0]))", "Relu()"], rate=0.0).read_text()
    turned = {
        "x @ self.W": f"{weight} @ x",
        "self.x.T @ dout": "dout @ self.x.T",
        "dout @ self.W.T": "self.W.T @ dout",
        "x, t = rng.normal(size=(8, 5)), rng.normal(size=(8, 5))": "t = rng.normal(size=(5, 8))\n"
        "x = abs(rng.normal(size=(5, 8))) * [[1], [1], [-1], [1], [1]]",
    }
    for one, other in turned.items():
        assert one in across
        across = across.replace(one, other)
    path = script(tmp_path, across)
    assert re.search(r"^  dead units +60%$", dout("show", path, "--rounds", "1").stdout, re.MULTILINE)


@pytest.mark.long
def test_the_table_is_no_wider_than_the_terminal(tmp_path):
    path = program(tmp_path, [AFFINE.format(size=0.4), "Relu()", AFFINE.format(size=0.4)])
    for width in (60, 80):
        run = dout("show", path, "--rounds", "1,2,3,4,5,6,7,8", env={**os.environ, "COLUMNS": str(width)})
        lines = run.stdout.splitlines()
        assert max(map(len, lines)) <= width
        numbers = [number for line in lines if line.startswith("round ") for number in line.split()[1:]]
        assert numbers == [*"12345678"]


@pytest.mark.long
def test_a_layer_is_no_training_and_a_graph_no_chart(tmp_path):
    refused(dout("show", "Sigmoid", "--rounds", "1"), "is no script; --rounds is for a program that trains")
    path = program(tmp_path, [AFFINE.format(size=0.4)])
    for options, said in (
        (["--rounds", "1", "--json"], "--rounds prints a table, or draws one with -o: leave out --json"),
        (["--rounds", "1", "-o", tmp_path / "a.txt"], "a picture of rounds ends in .svg, .html"),
        (["--rounds", "0"], "is no list of numbers such as 1,10,100"),
        (["--rounds", "one"], "is no list of numbers such as 1,10,100"),
    ):
        run = dout("show", path, *options)
        assert run.returncode == 2
        assert said in run.stderr


def counts(numbers):
    """The bars of ten bins over the range of the numbers, the largest as 1: counted one by one."""
    low, high = min(numbers), max(numbers)
    found = [0] * 10
    for number in numbers:
        found[min(int((number - low) / (high - low) * 10), 9)] += 1
    return [count / max(found) for count in found]


def spread(tmp_path):
    """A program of one round, and the outputs of its Sigmoid when it runs without dout."""
    path, namespace = program(tmp_path, ["Sigmoid()", "Relu()"], steps=1, rate=0.0), {}
    exec(path.read_text(), namespace)
    return path, namespace["layers"][0].out.ravel().tolist()


def test_outputs_are_spread_as_the_numbers_of_the_program(tmp_path):
    path, numbers = spread(tmp_path)
    printed = dout("show", path, "--rounds", "1").stdout
    row = re.search(r"layers\[0\] \(Sigmoid\)\n  outputs (\S+) … (\S+)  (.{10})$", printed, re.MULTILINE)
    assert [float(row[1]), float(row[2])] == pytest.approx([min(numbers), max(numbers)], rel=1e-2)
    assert row[3] == "".join("▁▂▃▄▅▆▇█"[round(share * 7)] if share else " " for share in counts(numbers))


def drawn(path, *options):
    run = dout("show", path, *options)
    assert run.returncode == 0, run.stderr
    return ET.parse(path.parent / "chart.svg").getroot()


def texts(element):
    return [text.text for text in element.iter(f"{SVG}text")]


def test_a_chart_has_the_bars_of_each_layer_and_the_curve_of_the_loss(tmp_path):
    path, numbers = spread(tmp_path)
    chart = drawn(path, "--rounds", "1", "-o", tmp_path / "chart.svg")
    shares = [share for share in counts(numbers) if share]
    drawn_bars = [float(bar.get("height")) for bar in chart.iter(f"{SVG}rect") if bar.get("class") == "bar"]
    bars = drawn_bars[: len(shares)]  # of the first layer
    assert bars == pytest.approx([max(1, share * max(bars)) for share in shares], abs=0.06)  # a tenth of a pixel
    assert {"round 1", "layers[0] (Sigmoid)"} <= {*texts(chart)}


def test_numbers_of_the_loss_are_not_crossed_by_its_curve_and_never_stand_on_each_other():
    rng = np.random.default_rng(0)
    for seed in range(20):
        rounds = [TrainingRound(i, float(loss), ()) for i, loss in enumerate(rng.random(60), 1)]
        wanted = sorted(rng.choice(60, size=1 + seed % 6, replace=False) + 1)
        shapes = TrainingChart("train.py", rounds, wanted, Look()).drawing.shapes
        labels = [i for i, shape in enumerate(shapes) if shape.style == "value"]
        assert labels
        for i in labels:
            paper, text = shapes[i - 1].box, shapes[i].box
            assert shapes[i - 1].style == "blank"
            assert paper[0] <= text[0] <= text[2] <= paper[2]
        for one, other in combinations([shapes[i].box for i in labels], 2):
            assert one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]


def test_rounds_play_one_after_the_other_and_share_what_stays(tmp_path):
    path = program(tmp_path, [AFFINE.format(size=0.4), "Relu()"])
    chart = drawn(path, "--rounds", "1,5,12", "--steps", "-o", tmp_path / "chart.svg")
    rounds = [group for group in chart.iter(f"{SVG}g") if group.get("class", "").startswith("round")]
    assert [next(text for text in texts(each) if text.startswith("round ")) for each in rounds] == [
        "round 1", "round 5", "round 12",
    ]  # fmt: skip
    assert texts(chart).count("loss") == 1
    assert len([curve for curve in chart.iter(f"{SVG}path") if curve.get("class") == "edge"]) == 1


def test_a_page_plays_the_rounds_and_stands_still_for_who_wants_that(tmp_path, browser):
    path = program(tmp_path, [AFFINE.format(size=0.4), "Relu()"])
    assert dout("show", path, "--rounds", "1,12", "-o", tmp_path / "rounds.html").returncode == 0
    seen = "[...document.querySelectorAll('.round')].map(g => getComputedStyle(g).opacity)"
    for motion, found in (("reduce", [["0", "1"]]), ("no-preference", [["1", "0"], ["0", "1"]])):
        context = browser.new_context(reduced_motion=motion)
        page = context.new_page()
        page.goto((tmp_path / "rounds.html").as_uri())
        assert page.evaluate(seen) in found
        context.close()


@pytest.mark.long
def test_a_chart_of_a_round_that_there_is_not_is_no_file(tmp_path):
    run = dout("show", program(tmp_path, ["Relu()"], steps=3), "--rounds", "7", "-o", tmp_path / "chart.svg")
    assert "there is no such round: the program has 3" in run.stdout
    assert not (tmp_path / "chart.svg").exists()


@pytest.mark.long
def test_a_file_of_somebody_else_is_refused_before_the_program_runs(tmp_path):
    path = program(tmp_path, ["Relu()"], steps=3)
    path.write_text(f"print('it ran')\n{path.read_text()}")
    (tmp_path / "chart.svg").write_text("<svg>mine</svg>")
    run = dout("show", path, "--rounds", "1", "-o", tmp_path / "chart.svg")
    assert run.returncode == 2
    assert "it ran" not in run.stdout
    assert (tmp_path / "chart.svg").read_text() == "<svg>mine</svg>"
