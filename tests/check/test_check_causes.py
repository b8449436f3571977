"""Why a gradient is wrong: layers with one wrong expression, each with the word and the line that explain it."""

import inspect
import linecache
import subprocess

import numpy as np
import pytest

pytest.importorskip("flint")

from one_edit_layers import ALSO, INPUTS, LAYERS, WRONG, rows

from dout.check.exact.judge import judge
from dout.check.exact.subject import Subject
from dout.check.repair import causes, smallest_failing
from dout.check.verb.check_layer import check
from dout.trace.record.record import record


def built(name, text, file):
    """The layer, from a source that the line cache knows."""
    source = "import numpy as np\n" + text
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    names = {"__name__": "wrong"}
    exec(compile(source, file, "exec"), names)
    return names[name](), source


def judged(name, text, file):
    layer, source = built(name, text, file)
    inputs = INPUTS.get(name, (rows(3, 4),))
    subject = Subject.of(layer, inputs, ("x", "y", "z")[: len(inputs)])
    first = subject.run()
    found = judge(record(subject.make(), *subject.fresh_inputs(), dout=first.douts[0]))
    return subject, found, source


def explained(name, right, wrong, file):
    text = LAYERS[name]
    back = text.index("def backward")
    place = text.index(right, back)
    changed = text[:place] + wrong + text[place + len(right) :]
    subject, found, source = judged(name, changed, file)
    line = source.count("\n", 0, place + len("import numpy as np\n") + _differs_at(right, wrong)) + 1
    return subject, found, source, line


def _differs_at(right, wrong):
    return next((i for i, (a, b) in enumerate(zip(right, wrong, strict=False)) if a != b), min(len(right), len(wrong)))


@pytest.mark.parametrize("name", LAYERS)
def test_the_layers_are_right_as_they_stand(name):
    _, found, _ = judged(name, LAYERS[name], f"<right {name}>")
    assert not found.refuted


@pytest.mark.one_in(12)
@pytest.mark.parametrize(("name", "right", "wrong", "words"), WRONG)
def test_one_wrong_expression_is_explained(name, right, wrong, words, tmp_path):
    file = str(tmp_path / "layer.py")
    subject, found, source, line = explained(name, right, wrong, file)
    assert found.refuted
    given = causes(subject, found.examination, found.refuted)
    assert set(given) == set(found.refuted)
    for cause in given.values():
        assert cause.word in words, cause
        also = ALSO.get(wrong)
        lines = source.splitlines()
        assert cause.where.line == line or (also and also in lines[cause.where.line - 1]), cause
        assert cause.fix, cause
        (tmp_path / "layer.py").write_text(source)
        subprocess.run(["patch", "-p1", "-s"], input=str(cause.fix), cwd=tmp_path, text=True, check=True)
        mended = (tmp_path / "layer.py").read_text()
        assert sum(a != b for a, b in zip(lines, mended.splitlines(), strict=True)) == 1
        _, after, _ = judged(name, mended.removeprefix("import numpy as np\n"), f"{file}.mended")
        assert not after.refuted


def test_the_user_s_class_is_as_before():
    subject, found, _, _ = explained("Tanh", "1 - self.out**2", "1 + self.out**2", "<tanh>")
    layer = subject.make()
    before = dict(vars(type(layer)))
    causes(subject, found.examination, found.refuted)
    assert dict(vars(type(layer))) == before
    assert type(subject.make()) is type(layer)


def test_a_repair_says_what_should_stand_there():
    subject, found, _, _ = explained("Div", "-dout * self.x", "dout * self.x", "<div>")
    (cause,) = causes(subject, found.examination, found.refuted).values()
    assert cause.sentence == ("the sign is wrong: `dout * self.x / self.y**2` should be `-dout * self.x / self.y**2`")


def test_the_first_wrong_gradient_in_between_is_named():
    subject, found, _, line = explained("BatchNorm", "dstd = -np.sum", "dstd = np.sum", "<norm>")
    (cause,) = causes(subject, found.examination, found.refuted).values()
    assert cause.first_wrong == f"dstd, at <norm>:{line}"


CHAIN = """
class Chain:
    def forward(self, x):
        self.a = np.sin(x)
        self.b = np.exp(self.a)
        return self.b * self.b

    def backward(self, dout):
        db = 2 * self.b * dout
        da = db * np.sin(self.a * self.b)
        return da * np.cos(self.a)  # x is not kept
"""


def test_the_first_wrong_gradient_in_between_is_named_without_a_repair_too():
    subject, found, _ = judged("Chain", CHAIN, "<chain>")
    (cause,) = causes(subject, found.examination, found.refuted).values()
    assert (cause.fix, cause.first_wrong, cause.where.line) == (None, "da, at <chain>:11", 11)


def test_two_mistakes_are_explained_each_for_itself():
    text = LAYERS["Mul"].replace("dx = dout * self.y", "dx = -dout * self.y").replace("dy = dout *", "dy = 2 * dout *")
    subject, found, source = judged("Mul", text, "<two>")
    words = {c.word: c.where.line for c in causes(subject, found.examination, found.refuted).values()}
    lines = source.splitlines()
    assert {word: lines[line - 1].strip()[:2] for word, line in words.items()} == {"sign": "dx", "factor": "dy"}


def test_without_its_source_a_layer_has_a_word_and_no_repair():
    text = LAYERS["Mul"].replace("dx = dout * self.y", "dx = 2 * dout * self.y")
    subject, found, _ = judged("Mul", text, "<gone>")
    del linecache.cache["<gone>"]
    (cause,) = causes(subject, found.examination, found.refuted).values()
    assert (cause.word, cause.fix) == ("factor", None)
    assert "twice" in cause.sentence


def test_the_smallest_failing_input_can_be_typed():
    subject, found, _, _ = explained("Affine", "self.W.T", "self.W.T * 2", "<affine>")
    (outcome,) = found.refuted.values()
    failing = smallest_failing(subject, found.examination, outcome)
    assert np.shape(failing.inputs["x"]) == (1, 4)
    layer = subject.make()
    layer.forward(np.array(failing.inputs["x"]))
    got = layer.backward(np.array(failing.inputs["dout"]))
    assert got[failing.index] == pytest.approx(failing.got)
    assert failing.got == pytest.approx(2 * failing.expected)


class StepsFirst:
    """Makes its step, and computes the input's gradient with what it has made of its weights."""

    def __init__(self):
        self.W = np.random.default_rng(0).normal(size=(3, 4))

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout, learning_rate):
        self.W -= learning_rate * (self.x.T @ dout)
        return dout @ self.W.T


class StepsAtItsOwnRate(StepsFirst):
    def __init__(self):
        super().__init__()
        self.lr = 0.125

    def backward(self, dout):
        self.W -= self.lr * (self.x.T @ dout)
        return dout @ self.W.T


class StepsFirstAndIsWrong(StepsFirst):
    def backward(self, dout, learning_rate):
        return super().backward(dout, learning_rate) / 2


@pytest.mark.parametrize("cls", [StepsFirst, StepsAtItsOwnRate])
def test_a_step_before_the_last_gradient_is_the_cause(cls):
    (found,) = [f for f in check(cls).findings if f.code == "D101"]
    assert (found.argument, found.severity, found.cause) == ("x", "error", "order")
    assert "computes with W as changed" in found.message


def test_a_step_is_no_cause_of_what_is_wrong_without_it():
    assert "order" not in [f.cause for f in check(StepsFirstAndIsWrong).findings]


class NegatesWhatItFilled:
    def forward(self, x):
        self.mask = x > 0
        return np.where(self.mask, x, 0)

    def backward(self, dout):
        dx = np.zeros_like(dout)
        dx[self.mask] = dout[self.mask]
        return -dx


def test_a_sign_before_what_was_filled_is_a_sign_and_no_order_of_lines():
    (found,) = [f for f in check(NegatesWhatItFilled()).findings if f.code == "D101"]
    assert (found.cause, found.line) == ("sign", inspect.getsourcelines(NegatesWhatItFilled.backward)[1] + 3)


class PoolsByLoops:
    def forward(self, x):
        self.x = x
        return np.array([[x[2 * i : 2 * i + 2, 2 * j : 2 * j + 2].max() for j in range(6)] for i in range(5)])

    def backward(self, dout):
        dx = np.zeros_like(self.x)
        for i in range(5):
            for j in range(6):
                patch = self.x[2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
                dx[2 * i : 2 * i + 2, 2 * j : 2 * j + 2] += (patch == np.min(patch)) * dout[i, j]
        return dx


def test_the_cause_in_loops_that_add_to_one_array_is_found_in_the_time_of_their_steps():
    x = np.random.default_rng(0).normal(size=(10, 12)).round(3)
    (found,) = [f for f in check(PoolsByLoops(), x).findings if f.code == "D101"]
    assert (found.cause, "`np.min(patch)` should be `np.max(patch)`" in found.message) == ("formula", True)


class GateOfNames:
    """Its upstream gradient has a name of its own, and nothing uses it."""

    def forward(self, x):
        self.mask = x > 0
        return np.maximum(x, 0)

    def backward(self, grad):
        return self.mask


class NamedGate(GateOfNames):
    def backward(self, grad):
        dx = self.mask > 0
        return dx


class SlopeOfNames(GateOfNames):
    def forward(self, x):
        self.x = x
        return x**3

    def backward(self, grad):
        return 3 * self.x**2


@pytest.mark.parametrize(
    ("layer", "line"),
    [
        (GateOfNames, "return grad * self.mask"),
        (NamedGate, "return grad * dx"),
        (SlopeOfNames, "return 3 * self.x**2 * grad"),
    ],
)
def test_a_local_derivative_lacks_the_upstream_gradient_whatever_its_name(layer, line):
    (finding,) = [one for one in check(layer, np.array([0.5, -1.25, 2.0])).findings if one.severity == "error"]
    assert finding.cause == "ignores dout"
    assert "the factor dout is missing" in finding.message
    assert f"+        {line}" in str(finding.fix)
