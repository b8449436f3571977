"""What a check gives: a verdict on each gradient, findings, and what a report holds. Frozen data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self

from dout.check.report.fix import Fix
from dout.graph import Where
from dout.judge.outcomes import Word

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")


WORDS = tuple(Word)  # from best to worst


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judgement on one gradient: `argument` is the input or parameter it is for, `route` the method that spoke.

    `points` counts the inputs at which it was judged; `because` says why where the word is inconclusive. `role` says
    what it is the gradient of, "losses" where forward gives one number a sample; `constant` which multiple of the
    derivative it is, in letters: "1", "1/N", "" unknown.
    """

    argument: str
    word: Word
    route: str = "exact arithmetic"
    points: int = 1
    because: str = ""
    role: Literal["input", "parameter", "loss", "losses"] = "input"
    constant: str = ""

    def __str__(self) -> str:
        return f"{self.argument}: {self.word}{f' ({self.because})' if self.because else ''}"


class Reason:
    """Why there is a finding, as a value. Code decides on it, and never on the words of a message."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Raised(Reason):
    """An exception of the user's code.

    `always` says that it comes whatever the layer is given, `after_forward` that forward took what it was given.
    """

    name: str
    text: str
    always: bool = False
    after_forward: bool = False

    @classmethod
    def of(cls, error: BaseException, *, always: bool = False, after_forward: bool = False) -> Raised:
        """Return an exception as plain data."""
        return cls(type(error).__name__, f"{type(error).__name__}: {error}", always, after_forward)


@dataclass(frozen=True, slots=True)
class NothingTaken(Raised):
    """Arguments are missing, or every input that was tried raised an exception; `short` says it without the remedy."""

    short: str = ""


@dataclass(frozen=True, slots=True)
class Refuted(Reason):
    """A gradient is not the derivative of forward, by its numbers or its shape.

    `zero`: the derivative is 0. `elsewhere`: it is wrong at other settings or inputs than the given ones. `part` is the
    class of the part that holds the parameter, where the layer does not hold it itself. `through` are the classes of
    the parts whose backward alone makes it wrong, none if the layer's own does; None if no part is wrong. `guessed`:
    what backward is given was found out by trial.
    """

    zero: bool = False
    elsewhere: bool = False
    part: str = ""
    through: tuple[str, ...] | None = None
    guessed: bool = False


@dataclass(frozen=True, slots=True)
class OtherOrder(Reason):
    """Backward returns the gradients of these inputs in the places of others."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Undivided(Reason):
    """The backward of a loss leaves out a number that its forward divides by."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong or worth knowing.

    `message` says what is wrong in one line; `argument` and `index` say where in the gradient, `expected` and `got` the
    numbers there; `inputs` is the smallest failing input, by name, and `there` what comes out on it; `cause` is the
    suspected cause in a word and `because` in a sentence; `fix` the change that mends it, which reads as a diff; `file`
    and `line` the place in the user's source. `reason` is for code alone: no output shows it.
    """

    code: str
    severity: Severity
    message: str
    layer: str = ""
    argument: str | None = None
    index: tuple[int, ...] | None = None
    expected: Any = None
    got: Any = None
    cause: str | None = None
    because: str = ""
    fix: Fix | None = None
    inputs: Mapping[str, Any] = field(default_factory=dict)
    there: str = ""
    first_wrong: str | None = None
    file: str | None = None
    line: int | None = None
    reason: Reason | None = field(default=None, compare=False, repr=False)

    @property
    def where(self) -> Where | None:
        """The place in the user's source."""
        return Where(self.file, self.line) if self.file and self.line else None

    def doubted(self, why: str) -> Finding:
        """The same as a warning, and why it may be no error."""
        return replace(self, severity="warning", message=f"{self.message}{why}")

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        return f"{place}{self.code} {self.message}"


OUT_OF_TIME = "what was left when the clock ended a search; another run may find more"


@dataclass(frozen=True, slots=True)
class ReportData:
    """Everything that was found out about one layer, as data; `dout.Report` is one that can be shown.

    `missing` names the inputs and parameters on which the output depends, and for which no gradient was found: there is
    nothing to judge.
    `branches` lists conditions of which a side was not seen at any input tried: nothing is known of that side.
    `branching` says whether there are conditions at all, or may be. `timed` says that the clock ended a search, so that
    another run may find something else. `in_doubt` says that at least one error was reported as a warning.
    """

    layer: str
    verdicts: tuple[Verdict, ...] = ()
    findings: tuple[Finding, ...] = ()
    missing: tuple[str, ...] = ()
    branches: tuple[str, ...] = ()
    branching: bool = False
    file: str | None = None
    line: int | None = None
    seconds: float = 0.0
    timed: bool = False
    in_doubt: bool = False

    @property
    def not_covered(self) -> tuple[str, ...]:
        """What nothing is known of: sides of conditions, and what the clock left no time for."""
        return (*self.branches, *([OUT_OF_TIME] if self.timed else []))

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong: no finding of severity error."""
        return not any(finding.severity == "error" for finding in self.findings)

    def with_each(self, change: Callable[[Finding], Finding]) -> Self:
        """The report with each of its findings changed."""
        return replace(self, findings=tuple(map(change, self.findings)))

    def __bool__(self) -> bool:
        return self.ok

    def __repr__(self) -> str:
        words = ", ".join(map(str, self.verdicts)) or "no gradient was judged"
        codes = ", ".join(f"{f.code} {f.severity}" for f in self.findings) or "no findings"
        return f"<report on {self.layer}: {words}; {codes}>"


DERIVED = "derived"  # the word of a cause for which the whole backward is written anew


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a gradient is wrong, as far as a repair that makes it right tells.

    `word` is one word for it (sign, factor, transpose …), `sentence` says it; `fix` is the change that mends it and
    `where` the line that it repairs; `first_wrong` names the first value of the backward that is wrong. `is_sure` says
    that no input can be wrong: what the changed lines compute is exact at two sizes.
    """

    word: str
    sentence: str
    fix: Fix | None = None
    where: Where | None = None
    first_wrong: str | None = None
    is_sure: bool = False
