"""The text of an exercise: a class in which some lines, between two marks, are the learner's to write."""

from __future__ import annotations

import ast
import re
import textwrap
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path

from dout.errors import SheetError, visible
from dout.files import Kind, lines_of, text_of

SHEET = Kind("an exercise", (".py", ".ipynb"), rb"# dout exercise, version 1: ")
_ANEW = "dout exercise make writes a new one"
UNWRITTEN = "NotImplementedError"
_BEGIN, _END = "# >>> your lines", "# <<< your lines"
_MARK = re.compile(rf"^[ \t]*({_BEGIN}|{_END}): (.+?)[ \t]*$")
_FOOT = re.compile(r"^# dout exercise, version (\d+): (.+)$")
_FOOT_PARTS = re.compile(r"(\S+); your lines: (.+); ([0-9a-f]{16})[ \t]*$")
UNREADABLE = (SyntaxError, ValueError, RecursionError, MemoryError)  # what a text that is no Python raises


@dataclass(frozen=True)
class Answer:
    """The lines that a learner wrote between two marks: `label` says where (backward), `line` is the first of them.

    `given` is what the sheet had there.
    """

    label: str
    text: str
    line: int

    @property
    def is_blank(self) -> bool:
        """Whether nothing was written yet: no statement, or the one that the sheet came with."""
        try:
            body = syntax(textwrap.dedent(self.text)).body
        except UNREADABLE:
            return False
        return all(_says_nothing(statement) for statement in body)


@dataclass(frozen=True)
class Sheet:
    """An exercise: the class `name`, what stands around the answers, and the answers.

    `around` has one part more than there are `answers`; the marks belong to it. `digest` is that of `around` when the
    sheet was made.
    """

    name: str
    around: tuple[str, ...]
    answers: tuple[Answer, ...]
    digest: str

    @classmethod
    def made(cls, name: str, text: str) -> Sheet:
        """The sheet of a text with marks, which has no last line that names it yet."""
        around, answers = _split(text, "the sheet")
        return cls(name, around, answers, _digest(around))

    @classmethod
    def read(cls, text: str, where: str) -> Sheet:
        """A sheet as a learner hands it in. Raises SheetError, which says which line is missing."""
        lines = lines_of(text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n"))
        foot = next((found for line in reversed(lines) if (found := _FOOT.match(line.rstrip("\n")))), None)
        if foot is None:
            raise SheetError(
                f"{where} is no exercise: its last line, `# dout exercise, version 1: …`, is missing; {_ANEW}"
            )
        version, rest = foot.groups()
        if version != "1":
            raise SheetError(f"{where} is an exercise of version {version}; this dout reads version 1: update dout")
        parts = _FOOT_PARTS.match(rest)
        if parts is None:
            raise SheetError(f"{where}: its last line, `# dout exercise, version 1: …`, was changed: {_ANEW}")
        name, labels, digest = parts.groups()
        around, answers = _split("".join(line for line in lines if not _FOOT.match(line.rstrip("\n"))), where)
        wanted = labels.split(", ")
        if [answer.label for answer in answers] != wanted:
            lost = next((label for label in wanted if label not in {a.label for a in answers}), wanted[0])
            raise SheetError(f"{where}: {_missing(_BEGIN, lost)}")
        return cls(name, around, answers, digest)

    @classmethod
    def of_file(cls, path: Path) -> Sheet:
        """The sheet in a file. Raises SheetError where it cannot be read, or is none."""
        return cls.read(file_text(path), visible(str(path)))

    @property
    def is_changed(self) -> bool:
        """Whether lines outside of the marks are not those of the sheet as it was made."""
        return _digest(self.around) != self.digest

    @property
    def is_blank(self) -> bool:
        """Whether nothing was written yet."""
        return all(answer.is_blank for answer in self.answers)

    @property
    def asks_steps(self) -> bool:
        """Whether it asks for the steps of a derivation, and not for the lines of one class."""
        return len(set(self.owners)) > 1

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax of the text. Raises one of UNREADABLE where it is no Python."""
        return syntax(self.text)

    @cached_property
    def methods(self) -> dict[str, dict[str, ast.FunctionDef]]:
        """The methods of each class, by name; of classes with one name those of the first."""
        classes = [item for item in ast.walk(self.tree) if isinstance(item, ast.ClassDef)]
        return {c.name: {m.name: m for m in c.body if isinstance(m, ast.FunctionDef)} for c in reversed(classes)}

    @cached_property
    def owners(self) -> tuple[str, ...]:
        """The class in which each answer stands; "" where it stands in none."""
        try:
            classes = [item for item in syntax(self.unwritten).body if isinstance(item, ast.ClassDef)]
        except UNREADABLE:
            return ("",) * len(self.answers)
        found, at = [], 0
        for around in self.around[:-1]:
            at += around.count("\n") + 1  # the line that stands for the answer
            found.append(next((c.name for c in classes if c.lineno < at <= (c.end_lineno or 0)), ""))
        return tuple(found)

    @property
    def text(self) -> str:
        """The whole file, with its last line."""
        labels = ", ".join(answer.label for answer in self.answers)
        body = "".join(part for pair in zip(self.around, self._texts, strict=True) for part in pair)
        return f"{body.rstrip()}\n\n\n# dout exercise, version 1: {self.name}; your lines: {labels}; {self.digest}\n"

    @property
    def unwritten(self) -> str:
        """The text with `pass` in the place of every answer."""
        indents = (around.splitlines()[-1].partition("#")[0] for around in self.around[:-1])
        return "".join(
            a + b for a, b in zip(self.around, [*(f"{indent}pass\n" for indent in indents), ""], strict=True)
        )

    @property
    def _texts(self) -> tuple[str, ...]:
        return (*(answer.text for answer in self.answers), "")

    def with_answers_of(self, other: Sheet, where: str) -> Sheet:
        """This sheet with the answers in another copy of it. Raises SheetError where that is another exercise."""
        theirs = {answer.label: answer for answer in other.answers}
        if other.name != self.name or theirs.keys() != {answer.label for answer in self.answers}:
            raise SheetError(f"{where} is another exercise ({visible(other.name)}) than {visible(self.name)}")
        return replace(self, answers=tuple(theirs[answer.label] for answer in self.answers))

    def lines_of_answers(self) -> Iterator[tuple[Answer, int, int]]:
        """Each answer with the first and the last of its lines in `text`."""
        at = 1
        for around, answer in zip(self.around, self.answers, strict=False):
            at += around.count("\n")
            yield answer, at, at + answer.text.count("\n") - 1
            at += answer.text.count("\n")


def file_text(path: Path) -> str:
    """The text of a file. Raises SheetError where it cannot be read."""
    try:
        return text_of(path)
    except (OSError, ValueError, SyntaxError) as error:
        raise SheetError(f"{visible(str(path))} cannot be read: {visible(str(error))}") from None


def marked(label: str, lines: Sequence[str], indent: str) -> list[str]:
    """Lines between their two marks."""
    return [f"{indent}{_BEGIN}: {label}\n", *lines, f"{indent}{_END}: {label}\n"]


def syntax(text: str) -> ast.Module:
    """The syntax of a text. Raises one of UNREADABLE where it is no Python, and warns of nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = ast.parse(text)
        compile(tree, "the file", "exec", dont_inherit=True)  # `return` outside of a function, say
    return tree


def listed(names: Iterable[str]) -> str:
    """Names as a sentence lists them.

    >>> listed(["x", "W", "b"])
    'x, W and b'
    """
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def first_line(item: ast.stmt) -> int:
    """The first line of a statement; that of its decorators, where it has some."""
    decorators: list[ast.expr] = getattr(item, "decorator_list", [])
    return min([item.lineno, *(decorator.lineno for decorator in decorators)])


def _says_nothing(statement: ast.stmt) -> bool:
    """Whether a statement is `pass` or `...`, or raises NotImplementedError."""
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return statement.value.value is ...
    if isinstance(statement, ast.Pass):
        return True
    raised = statement.exc if isinstance(statement, ast.Raise) else None
    raised = raised.func if isinstance(raised, ast.Call) else raised
    return isinstance(raised, ast.Name) and raised.id == UNWRITTEN


def _split(text: str, where: str) -> tuple[tuple[str, ...], tuple[Answer, ...]]:
    around, answers, part = [], [], []
    opened: tuple[str, int] | None = None
    for number, line in enumerate(lines_of(text), 1):
        found = _MARK.match(line.rstrip("\n"))
        if found is None:
            part.append(line)
            continue
        mark, label = found.groups()
        if mark == _BEGIN and opened is None:
            around.append("".join([*part, line]))
            opened, part = (label, number + 1), []
        elif mark == _END and opened is not None and opened[0] == label:
            answers.append(Answer(label, "".join(part), opened[1]))
            opened, part = None, [line]
        else:
            lost = (_END, opened[0]) if opened else (_BEGIN, label)
            raise SheetError(f"{where}:{number}: {_missing(*lost)}")
    if opened is not None:
        raise SheetError(f"{where}: {_missing(_END, opened[0])}")
    if not answers:
        raise SheetError(f"{where}: the two lines that mark yours, `{_BEGIN}: …` and `{_END}: …`, are missing")
    return (*around, "".join(part)), tuple(answers)


def _missing(mark: str, label: str) -> str:
    place = "above the first" if mark == _BEGIN else "below the last"
    return f"the line `{mark}: {visible(label)}` is missing; it stands {place} of your lines: put it back there"


def _digest(around: Sequence[str]) -> str:
    """A digest that spaces at the ends of lines, and empty lines at the end of the file, do not change."""
    lines = [line.rstrip() for part in around for line in part.splitlines()]
    return sha256("\n".join(lines).rstrip().encode()).hexdigest()[:16]
