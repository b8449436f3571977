"""What a verdict rests on is weighed in one place: `dout.check` says what the command says."""

import inspect

import numpy as np
import pytest
from check_commands import document, layers, write

import dout
from dout.errors import TargetError


class Penalty:
    """Its backward may be given forward's input, or the upstream gradient: the name says both."""

    def forward(self, w, strength):
        return 0.5 * strength * np.sum(w * w)

    def backward(self, w, strength):
        return 3 * strength * w


class Judge:
    """A network of a loss that is in no code."""

    def __init__(self, wide, inner, narrow):
        self.A = np.random.default_rng(0).normal(size=(wide, inner))
        self.B = np.random.default_rng(1).normal(size=(inner, narrow))

    def forward(self, x):
        self.x = x
        self.hidden = np.tanh(x @ self.A)
        self.out = 1 / (1 + np.exp(-self.hidden @ self.B))
        return self.out

    def backward(self, y):
        first = 3 * (self.out - y) * self.out * (1 - self.out)
        self.dB = self.hidden.T @ first
        self.dA = self.x.T @ (first @ self.B.T * (1 - self.hidden**2))


class OddJudge(Judge):
    def backward(self, y):
        first = 3 * (self.out**3 - y)
        self.dB = self.hidden.T @ first
        self.dA = self.x.T @ (first @ self.B.T * (1 - self.hidden**2))


class Keyword:
    def forward(self, x, *, scale):
        self.scale = scale
        return x * scale

    def backward(self, dout):
        return dout * self.scale


def test_an_error_that_rests_on_a_guess_is_a_warning():
    report = dout.check(Penalty)
    assert report.ok
    assert "warning" in {finding.severity for finding in report.findings}


def triple_forward(x):
    return x**3, x


def triple_backward(dout, cache):
    return dout * 2 * cache**2  # wrong


@pytest.mark.long
def test_the_command_says_the_same(tmp_path):
    written = [*map(inspect.getsource, (Penalty, triple_forward, triple_backward))]
    write(tmp_path, "import numpy as np\n\n\n" + "\n\n".join(written))
    found = layers(document("mine.py", cwd=tmp_path))
    assert {name: layer["ok"] for name, layer in found.items()} == {"Penalty": True, "triple_forward": False}
    for name, target in (("Penalty", Penalty), ("triple_forward", triple_forward)):
        here = [(finding.code, finding.severity) for finding in dout.check(target).findings]
        assert [(finding["code"], finding["severity"]) for finding in found[name]["findings"]] == here


def test_it_is_an_error_on_inputs_that_were_given():
    assert not dout.check(Penalty(), np.array([0.5, -2.0]), 0.25).ok


@pytest.mark.long
def test_a_network_of_an_unknown_loss_is_judged_by_what_its_backward_begins_with():
    report = dout.check(Judge)
    assert {(v.argument, str(v.word)) for v in report.verdicts} == {
        ("A", "agrees within rounding"),
        ("B", "agrees within rounding"),
    }


@pytest.mark.long
def test_a_network_whose_loss_nothing_tells_is_not_judged():
    with pytest.raises(TargetError, match="takes the target itself"):
        dout.check(OddJudge)


def test_an_input_that_is_given_by_name_only_is_refused():
    with pytest.raises(TargetError, match="by name only"):
        dout.check(Keyword, np.ones(3), scale=2.0)
