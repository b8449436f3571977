"""Where neither an edit nor a line mends a backward, as forward keeps too little, all of it stands there as a diff."""

import importlib.util
import re
import sys

import numpy as np
import pytest
from check_commands import dout as dout_check

import dout

WRONG = '''import numpy as np


class Softmax:
    """Its backward is that of independent elements, and nothing is kept for it."""

    def forward(self, x):
        x = x - x.max(axis=1, keepdims=True)
        return np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)

    def backward(self, dout):
        return dout * np.cos(dout)


class Silu:
    def forward(self, x):
        return x / (1 + np.exp(-x))

    def backward(self, dout):
        return dout * np.cos(dout)


class Affine:
    """One sign is wrong: a small repair is known."""

    def __init__(self, W):
        self.W = W

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout):
        self.dW = self.x.T @ dout
        return -dout @ self.W.T
'''


def module(path, text):
    path.write_text(text)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    made = sys.modules[path.stem] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def patched(text, diff):
    """The text after a unified diff without context."""
    lines, moved = text.splitlines(keepends=True), 0
    for hunk in re.split(r"(?m)^(?=@@ )", diff)[1:]:
        head, *body = hunk.splitlines(keepends=True)
        start, count = re.match(r"@@ -(\d+)(?:,(\d+))? ", head).groups()
        count = int(count or 1)
        first = int(start) - (1 if count else 0) + moved
        assert lines[first : first + count] == [line[1:] for line in body if line[0] == "-"]
        new = [line[1:] for line in body if line[0] == "+"]
        lines[first : first + count] = new
        moved += len(new) - count
    return "".join(lines)


@pytest.mark.one_in(2)
@pytest.mark.parametrize("name", ["Softmax", "Silu"])
def test_the_patched_file_is_exact_and_the_rest_of_it_is_as_it_was(tmp_path, name):
    x = np.random.default_rng(0).normal(size=(3, 4))
    (finding,) = (f for f in dout.check(getattr(module(tmp_path / "wrong_backwards.py", WRONG), name)(), x).findings
                  if f.severity == "error")  # fmt: skip
    assert finding.cause == "derived"
    mended = patched(WRONG, str(finding.fix))
    report = dout.check(getattr(module(tmp_path / "derived_backwards.py", mended), name)(), x)
    assert [v.word for v in report.verdicts] == ["exact"]
    other = {"Softmax": "class Silu", "Silu": "class Softmax"}[name]
    assert mended[mended.index(other) :][:60] == WRONG[WRONG.index(other) :][:60]


def test_a_small_repair_comes_first(tmp_path):
    made = module(tmp_path / "wrong_backwards.py", WRONG)
    rng = np.random.default_rng(0)
    findings = dout.check(made.Affine(rng.normal(size=(4, 5))), rng.normal(size=(3, 4))).findings
    (finding,) = (f for f in findings if f.severity == "error")
    assert finding.cause == "sign"
    assert "+        return dout @ self.W.T" in str(finding.fix)


RENAMED = '''import numpy as np


class Shares:
    def forward_pass(self, z):
        z = np.exp(z - z.max(axis=1, keepdims=True))
        return z / z.sum(axis=1, keepdims=True)

    def backward_pass(self, grad):
        """The gradient of the scores."""
        return grad * np.cos(grad)


class Grown:
    def __init__(self, times=2):
        self.times = times

    def forward(self, x):
        self.was = x.shape
        return x.repeat(self.times, axis=1)

    def backward(self, dout):
        return np.cos(dout[:, :: self.times])
'''


@pytest.mark.long
def test_a_whole_backward_keeps_its_docstring_its_argument_and_what_forward_keeps(tmp_path):
    (tmp_path / "layers.py").write_text(RENAMED)
    run = dout_check(".", "--fix", "--unsafe-fixes", "--timeout", "60", cwd=tmp_path, timeout=300)
    assert run.returncode == 0, run.stdout
    text = (tmp_path / "layers.py").read_text()
    head = '    def backward_pass(self, grad):\n        """The gradient of the scores."""\n'
    assert head in text
    assert "dout" not in text[text.index(head) : text.index("class Grown")]
    grown = text[text.index("class Grown") :]
    assert RENAMED[RENAMED.index("class Grown") : RENAMED.rindex("    def backward")] in grown
    assert "self.was[1]" in grown


@pytest.mark.long
def test_a_whole_backward_is_indented_as_its_file_is(tmp_path):
    text = RENAMED[: RENAMED.index("class Grown")].rstrip() + "\n"
    (tmp_path / "layers.py").write_text(text.replace("    ", "\t"))
    dout_check(".", "--fix", "--unsafe-fixes", "--timeout", "60", cwd=tmp_path, timeout=300)
    lines = (tmp_path / "layers.py").read_text().splitlines()
    assert "\t\tz = np.exp(z - z.max(axis=1, keepdims=True))" in lines
    assert "\t\tdz = " in "\n".join(lines)
    assert not any(line.startswith(("    ", "\t ")) for line in lines)


@pytest.mark.one_in(4)
@pytest.mark.parametrize("imported", ["import numpy", "import numpy as nx", "from numpy import *"])
def test_a_whole_backward_calls_numpy_as_its_file_does(tmp_path, imported):
    call = {"import numpy": "numpy.", "import numpy as nx": "nx."}.get(imported, "")
    text = RENAMED[: RENAMED.index("class Grown")].replace("import numpy as np", imported).replace("np.", call)
    (tmp_path / "layers.py").write_text(text)
    run = dout_check(".", "--fix", "--unsafe-fixes", "--timeout", "60", cwd=tmp_path, timeout=300)
    after = (tmp_path / "layers.py").read_text()
    assert (run.returncode, after == text, "np." in after) == (0, False, False)
