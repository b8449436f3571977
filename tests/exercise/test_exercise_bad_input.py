"""Bad answers and bad sheets: graded as wrong with what happened, or told in one line; never a traceback."""

import json
import os
import time
from dataclasses import replace

import pytest
from dout_commands import run_dout
from exercise_answers import answered, lost_by

from dout.errors import SheetError
from dout.exercise.blanks import blanked
from dout.exercise.exercise_set import exercise_named
from dout.exercise.grade import graded
from dout.exercise.sheet import Sheet

RIGHT = "return dout * self.out * (1 - self.out)"
SHEET = exercise_named("Sigmoid").sheet
TEXT = answered(7, RIGHT).text
BEGIN, END = "        # >>> your lines: backward\n", "        # <<< your lines: backward\n"

REFUSED = {
    "exits": "exit()",
    "evaluates": f"eval('1')\n{RIGHT}",
    "opens a file": f"open('/etc/passwd').read()\n{RIGHT}",
    "reads a file by numpy": f"np.fromfile('/etc/passwd', dtype=np.uint8)\n{RIGHT}",
    "reads a file by an import": f"from numpy import loadtxt\nloadtxt('/etc/passwd')\n{RIGHT}",
    "writes a file": f"dout.tofile('here')\n{RIGHT}",
    "reads a file by its loader": f"__loader__.get_data('/etc/passwd')\n{RIGHT}",
    "imports": f"import os\nos.fork()\n{RIGHT}",
    "imports dout": f"import dout\n{RIGHT}",
    "imports from its folder": f"from . import x\n{RIGHT}",
    "overwrites numpy": f"np.exp = np.sin\n{RIGHT}",
    "overwrites numpy by setattr": f"setattr(np, 'exp', np.sin)\n{RIGHT}",
    "overwrites numpy by its dict": f"np.__dict__['exp'] = np.sin\n{RIGHT}",
    "overwrites numpy in a loop": f"for np.exp in [np.sin]: pass\n{RIGHT}",
    "overwrites numpy as self": f"self = np\nself.exp = np.sin\n{RIGHT}",
    "overwrites numpy as an argument": f"def f(self): self.exp = np.sin\nf(np)\n{RIGHT}",
    "overwrites numpy as an attribute": f"self.np = np\nself.np.exp = np.sin\n{RIGHT}",
    "replaces a global": f"global np\nnp = None\n{RIGHT}",
    "replaces forward": "self.forward = lambda x: 0 * x\nreturn 0 * dout",
    "replaces forward of the class": "type(self).forward = lambda self, x: 0 * x\nreturn 0 * dout",
    "replaces its class": f"self.__class__ = object\n{RIGHT}",
    "searches frames of a generator": f"g = (g.gi_frame.f_back for g in [1])\n{RIGHT}",
    "searches frames of an exception": "try:\n    1 / 0\nexcept Exception as e:\n    return e.__traceback__.tb_frame",
    "searches frames by sys": f"import sys\nsys._getframe(1)\n{RIGHT}",
    "searches by getattr": f"getattr(self, '__cl' + 'ass__')\n{RIGHT}",
    "runs text by numpy.testing": "import numpy.testing as T\nT.runstring('', {})\nreturn dout",
    "runs text by an attribute": "np.testing.runstring('', {})\nreturn dout",
    "runs text by another name of numpy": "n = np\nn.linalg\nreturn dout",
    "runs text by a module in a module": "np.linalg.linalg\nreturn dout",
    "runs text by a module of scipy": "from scipy import optimize\nreturn dout",
    "runs text by a private module": "import numpy.lib._utils_impl as u\nreturn dout",
    "changes how numpy warns": f"np.seterr(all='ignore')\n{RIGHT}",
    "matches what is inside": "match np.exp:\n    case object(__class__=found): pass\nreturn dout",
    "is no Python": "return dout *",
    "is indented in another way": "  return dout\n return dout",
    "has tabs and spaces": "if True:\n\treturn dout\n        return dout",
    "opens a quote": "'''\nreturn dout",
    "opens a bracket": "return (dout",
    "has NUL bytes": "return dout\0",
    "is nested": f"return {'-' * 100_000}dout",
    "is a chain": f"return dout{'.T' * 5000}",
    "is long": "dx = dout\n" * 100_000,
    "awaits": "return await dout",
    "imports all": f"from numpy import *\n{RIGHT}",
    "has a huge number": f"return {'9' * 10_000} * dout",
}

JUDGED = {
    "raises": ("raise ValueError('\\ud800\\x1b[31m')", "raises"),
    "raises with a long text": ("raise ValueError('x' * 10**7)", "raises"),
    "raises what is no Exception": ("class E(BaseException): pass\nraise E", "raises"),
    "calls itself": ("return self.backward(dout)", "raises"),
    "calls without end": ("def f(n): return f(n + 1)\nreturn f(0)", "raises"),
    "yields": ("yield dout", "raises"),
    "returns an object": ("return object()", "raises"),
    "returns None": ("return None", "no gradient"),
    "returns rows of several lengths": ("return [[1], [1, 2]]", "count"),
    "says nothing": ("...", "unwritten"),
    "ends the interpreter": ("raise SystemExit(0)", "died"),
    "interrupts": ("raise KeyboardInterrupt", "died"),
    "needs 10 GB": ("return np.ones(10 * 2**27)", "memory"),
    "hangs": ("while True: pass", "time"),
    "prints without end": ("while True: print('x' * 1000)", "time"),
    "takes all memory": ("a = []\nwhile True: a.append(np.empty(10**8))", "memory"),
}

HARMLESS = {
    "prints": f"print(dout)\n{RIGHT}",
    "asserts": f"assert dout.shape == self.out.shape\n{RIGHT}",
    "imports numpy": f"import numpy.linalg\nfrom math import pi\n{RIGHT}",
    "uses what numpy has in modules": f"np.linalg.norm(dout), np.random.default_rng(0), np.add.at, np.newaxis\n{RIGHT}",
    "uses windows": f"from numpy.lib.stride_tricks import sliding_window_view as w\nw(dout, 1, 0)\n{RIGHT}",
    "uses scipy": "from scipy.special import expit\nimport scipy.special as S\nS.erf(0)\n" + RIGHT,
    "has a function": "def local(y):\n    return y * (1 - y)\nreturn dout * local(self.out)",
    "keeps what is private": "self._dx = dout * self.out * (1 - self.out)\nreturn self._dx.copy()",
    "holds a foot": f"# dout exercise, version 1: Relu; your lines: backward; 0123456789abcdef\n{RIGHT}",
    "warns": f"s = '\\d'\n{RIGHT}",
}


@pytest.mark.parametrize("body", REFUSED.values(), ids=REFUSED)
def test_what_an_answer_may_not_do_is_told_before_it_runs(body):
    grade = graded(answered(7, body))
    assert lost_by(grade) == {"all": "refused"}
    assert grade.points == 0
    (credit,) = grade.credits
    assert credit.why.isprintable()
    assert len(credit.why) < 500


@pytest.mark.one_in(2)
@pytest.mark.parametrize(("body", "kind"), JUDGED.values(), ids=JUDGED)
def test_what_an_answer_does_is_told_within_the_limit(body, kind):
    began = time.monotonic()
    grade = graded(answered(7, body), timeout=1 if kind == "time" else 20)
    assert time.monotonic() - began < 30
    assert lost_by(grade) == {"all": kind}
    (credit,) = grade.credits
    assert credit.why.isprintable()
    assert len(credit.why) < 5000


@pytest.mark.one_in(4)
@pytest.mark.parametrize("body", HARMLESS.values(), ids=HARMLESS)
def test_what_does_no_harm_has_all_points(body):
    assert graded(answered(7, body)).ok


@pytest.mark.parametrize(
    "text",
    [
        TEXT.replace("        return dout", "return dout"),
        TEXT.replace("        return dout", "    return dout"),
        TEXT.replace("        return dout", "        pass\n\n    def other(self):\n        return dout"),
        TEXT.replace("        return dout", "        pass\nx = 1\nif x:\n        return dout"),
    ],
    ids=["to the margin", "to the class", "to another method", "to a block of the file"],
)
def test_lines_that_leave_their_method_are_not_run(text):
    assert lost_by(graded(Sheet.read(text, "it"))) == {"all": "refused"}


BIAS = """import numpy as np


class Bias:
    def __init__(self, b):
        self.b = b

    def forward(self, x):
        return x + self.b

    def backward(self, dout):
        self.db = dout.sum(axis=0)
        return dout
"""


@pytest.mark.parametrize(("db", "ok"), [("dout.sum(axis=0)", True), ("dout", False), ("dout.sum(axis=1)", False)])
def test_an_answer_has_no_say_in_the_numbers_that_it_is_judged_on(db, ok):
    sheet = blanked(BIAS, "Bias")
    lines = f"        self.db = {db}\n        return dout\n"
    assert graded(replace(sheet, answers=(replace(sheet.answers[0], text=lines),))).ok == ok


HOLDER = """import sys
import numpy as np


class Parameter:
    def __init__(self, data):
        self.data, self.grad = data, None


class Matrix:
    most = sys.maxsize

    def __init__(self, n=3, m=2):
        self.W = Parameter(np.arange(6.0).reshape(n, m))

    def forward(self, x):
        self.x = x
        return x @ self.W.data

    def backward(self, dout):
        self.W.grad = self.x.T @ dout
        return dout @ self.W.data.T
"""


def holding(*lines):
    """A layer whose parameter is an object, with lines as its backward."""
    sheet = blanked(HOLDER, "Matrix")
    written = "".join(f"        {line}\n" for line in lines)
    return lost_by(graded(replace(sheet, answers=(replace(sheet.answers[0], text=written),))))


def test_an_answer_sets_attributes_of_what_self_holds():
    assert holding("self.W.grad = self.x.T @ dout", "return dout @ self.W.data.T") == {}


def test_an_answer_reaches_no_module_of_python_through_an_import_of_the_sheet():
    assert holding("sys.modules", "return dout @ self.W.data.T") == {"all": "refused"}


def test_an_answer_does_not_swallow_what_stands_below():
    text = TEXT.replace(END, f"{END}\n    def other(self):\n        '''Say nothing.'''\n")
    assert graded(Sheet.read(text, "it")).ok
    swallowing = text.replace(RIGHT, f"{RIGHT}\n        '''")
    assert lost_by(graded(Sheet.read(swallowing, "it"))) == {"all": "refused"}


def test_what_was_changed_around_the_marks_is_told_and_breaks_nothing():
    changed = Sheet.read(TEXT.replace("1 / (1 + np.exp(-x))", "np.exp(-x)", 1), "it")
    assert changed.is_changed
    assert not graded(Sheet.read(TEXT.replace(BEGIN, f"        '''\n{BEGIN}").replace(END, f"{END}'''\n"), "it")).ok


@pytest.mark.parametrize("ends", ["\r\n", "\r"])
def test_the_ends_of_lines_do_not_matter(ends, tmp_path):
    file = tmp_path / "sheet.py"
    file.write_bytes(b"\xef\xbb\xbf" + TEXT.replace("\n", ends).encode())
    sheet = Sheet.of_file(file)
    assert not sheet.is_changed
    assert not Sheet.read(TEXT.replace("\n", ends), "it").is_changed
    assert graded(sheet).ok


FOOT = TEXT.splitlines(keepends=True)[-1]
SHEETS = {
    "an empty file": (b"", "is no exercise"),
    "another file": (b"x = 1\n", "is no exercise"),
    "bytes": (b"\xff\xfe\x00", "cannot be read"),
    "a begin that is lost": (TEXT.replace(BEGIN, "").encode(), "`# >>> your lines: backward` is missing"),
    "an end that is lost": (TEXT.replace(END, "").encode(), "`# <<< your lines: backward` is missing"),
    "both lost": (TEXT.replace(BEGIN, "").replace(END, "").encode(), "are missing"),
    "a begin that is doubled": (TEXT.replace(BEGIN, BEGIN * 2).encode(), "`# <<< your lines: backward` is missing"),
    "an end that is doubled": (TEXT.replace(END, END * 2).encode(), "`# >>> your lines: backward` is missing"),
    "marks that are exchanged": (
        TEXT.replace(BEGIN, "B").replace(END, BEGIN).replace("B", END, 1).encode(), "is missing",
    ),
    "a mark of another name": (TEXT.replace(BEGIN, BEGIN.replace("backward", "back")).encode(), "is missing"),
    "marks of another name": (
        TEXT.replace(BEGIN, BEGIN.replace("backward", "x")).replace(END, END.replace("backward", "x")).encode(),
        "is missing",
    ),
    "a last line that is lost": (TEXT.replace(FOOT, "").encode(), "its last line"),
    "a last line that was changed": (TEXT.replace(FOOT, FOOT[:-8] + "\n").encode(), "was changed"),
    "another version": (TEXT.replace("version 1", "version 2").encode(), "update dout"),
    "another form of another version": (TEXT.replace(FOOT, "# dout exercise, version 3: {}\n").encode(), "update dout"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "says"), SHEETS.values(), ids=SHEETS)
def test_what_is_no_sheet_is_told_in_one_line(content, says, tmp_path):
    file = tmp_path / "sheet.py"
    file.write_bytes(content)
    with pytest.raises(SheetError) as caught:
        Sheet.of_file(file)
    assert says in str(caught.value)
    assert str(caught.value).isprintable()


def tried(*arguments, folder):
    return run_dout("exercise", "try", *arguments, cwd=folder)


@pytest.mark.one_in(3)
@pytest.mark.parametrize("name", [".", "missing.py", "empty.py"])
def test_the_command_says_in_one_line_what_is_no_sheet(name, tmp_path):
    (tmp_path / "empty.py").touch()
    done = tried(name, folder=tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.long
def test_the_command_tells_what_an_answer_did(tmp_path):
    (tmp_path / "sheet.py").write_text(answered(7, "while True: pass").text, encoding="utf-8")
    done = tried("sheet.py", "--json", "--timeout", "1", folder=tmp_path)
    assert (done.returncode, done.stderr) == (1, "")
    assert json.loads(done.stdout)["points"] == 0
    assert os.listdir(tmp_path) == ["sheet.py"]  # noqa: PTH208
