"""The answers in `tests/exercise/answers`, a file an exercise, with what each is expected to lose and why.

    right: NAME
        the lines of an answer that has all points
    wrong: NAME; CREDIT = KIND or KIND; CREDIT = KIND
        the lines of an answer that loses these credits

A credit is a gradient by its name (`x`), its shape (`x shape`), a habit (`memory`, `again`, `rows`) or `all`: there is
nothing to judge. A kind is a key of `grading_words`. A shape needs no kind.
"""

import textwrap
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from dout.exercise.exercise_set import exercise_named
from dout.exercise.grading_words import CONTRACT

FOLDER = Path(__file__).parents[1] / "exercise" / "answers"
_HABITS = dict(zip((what for what, *_ in CONTRACT), ("memory", "again", "rows"), strict=True))


@dataclass(frozen=True)
class LabelledAnswer:
    """An answer to an exercise; `lost` are the credits that it loses, each with the kinds of reason that are right."""

    exercise: int
    name: str
    body: str
    lost: dict[str, frozenset[str]]

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
        if line.startswith(("right: ", "wrong: ")):
            heads.append(line)
            bodies.append([])
        elif line.strip():
            bodies[-1].append(line)
    for head, body in zip(heads, bodies, strict=True):
        name, *lost = head.removeprefix("right: ").removeprefix("wrong: ").split("; ")
        assert bool(lost) == head.startswith("wrong"), head
        yield LabelledAnswer(number, name, textwrap.dedent("\n".join(body)), dict(map(_labelled, lost)))


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
