"""The answers in `tests/exercise/answers`, a file an exercise, with what each is expected to lose and why.

    right: NAME
        the lines of an answer that has all points
    wrong: NAME; CREDIT = KIND or KIND; CREDIT = KIND
        the lines of an answer that loses these credits
    other: NAME; …
        the same, where the grade says another reason today

A credit is a gradient by its name (`x`), its shape (`x shape`), a habit (`memory`, `again`, `rows`) or `all`: there is
nothing to judge. A kind is a key of `grading_words`. A shape needs no kind.
"""

import ast
import re
import tempfile
import textwrap
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import dout
from dout.exercise.exercise_set import exercise_named
from dout.exercise.grading_words import CONTRACT
from dout.trace.record.script import load_file

FOLDER = Path(__file__).parents[1] / "exercise" / "answers"
_HABITS = dict(zip((what for what, *_ in CONTRACT), ("memory", "again", "rows"), strict=True))


@dataclass(frozen=True)
class LabelledAnswer:
    """An answer to an exercise; `lost` are the credits that it loses, each with the kinds of reason that are right.

    `is_met` says whether the grade gives one of these kinds.
    """

    exercise: int
    name: str
    body: str
    lost: dict[str, frozenset[str]] = field(compare=False)
    is_met: bool = True

    @property
    def sheet(self):
        """The sheet of the exercise with the answer in it."""
        return answered(self.exercise, self.body)

    def __str__(self):
        return f"{self.exercise}-{self.name}"


def answered(exercise, body):
    """The sheet of an exercise with lines in the place of the answer, which are indented as the marks are."""
    sheet = exercise_named(str(exercise)).sheet
    lines = textwrap.indent(f"{body}\n", " " * 8)
    return replace(sheet, answers=(replace(sheet.answers[0], text=lines),))


@cache
def answers():
    """All answers, in the order of the exercises."""
    return tuple(answer for file in sorted(FOLDER.glob("*.txt")) for answer in _read(file))


def _read(file):
    number = int(file.name.partition("_")[0])
    heads, bodies = [], []
    for line in file.read_text(encoding="utf-8").splitlines():
        if line.startswith(("right: ", "wrong: ", "other: ")):
            heads.append(line)
            bodies.append([])
        elif line.strip():
            bodies[-1].append(line)
    for head, body in zip(heads, bodies, strict=True):
        kind, _, rest = head.partition(": ")
        name, *lost = rest.split("; ")
        assert bool(lost) == (kind != "right"), head
        lines = textwrap.dedent("\n".join(body))
        yield LabelledAnswer(number, name, lines, dict(map(_labelled, lost)), kind != "other")


def _labelled(text):
    credit, _, kinds = text.partition(" = ")
    return credit, frozenset(kinds.split(" or ")) if kinds else {"shape"}


def lost_by(grade):
    """The credits that a grade does not give in full, by their short names, each with the kind of its reason.

    Habits that were not looked at are left out.
    """
    lost = {}
    for credit in grade.credits:
        if not credit.is_full and credit.kind != "not earned":
            name = credit.what.removeprefix("the gradient of ").replace(": its shape", " shape")
            name = "all" if name.endswith("gives gradients") else _HABITS.get(name, name)
            lost[name] = credit.kind
    return lost


@cache
def derived_source(exercise):
    """The class of an exercise with the backward that dout derives."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "exercise.py")
        file.write_text(exercise_named(str(exercise)).text, encoding="utf-8")
        found = getattr(load_file(str(file), "exercise"), exercise_named(str(exercise)).name)
        return dout.derive(found).source


def given_away(text, answer):
    """What of the solution stands in a text, and not in the answer or its sheet: right-hand sides of the backward."""
    known, text = _bare(answer.sheet.text), _bare(text)
    return [side for side in solution(answer.exercise) if side in text and side not in known]


@cache
def solution(exercise):
    """The right-hand sides of the derived backward that are more than a name, without spaces."""
    backward = next(
        node
        for node in ast.walk(ast.parse(derived_source(exercise)))
        if isinstance(node, ast.FunctionDef) and node.name == "backward"
    )
    values = [node.value for node in ast.walk(backward) if isinstance(node, ast.Assign | ast.AugAssign | ast.Return)]
    plain = (ast.Name, ast.Attribute, ast.Constant)
    return [_bare(ast.unparse(value)) for value in values if value is not None and not _is_of(value, plain)]


def _is_of(value, plain):
    """Whether a value is a name, or several of them."""
    return all(isinstance(item, plain) for item in getattr(value, "elts", [value]))


def _bare(text):
    """A text without spaces and brackets, which derived code and text place in other ways."""
    return re.sub(r"[\s()]", "", text)
