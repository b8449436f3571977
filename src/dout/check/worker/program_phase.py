"""The first phase of a check: programs run, and the layers that they use are judged on what they are given there."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dout.check.program.program_choice import ProjectProgram, is_program, next_program, programs
from dout.check.project.discover import Job, may_define_layers
from dout.check.report.report import Report, some
from dout.check.report.verdicts import Refuted
from dout.check.report.wrong_parts import of_parts_once
from dout.check.rules.choices.d106_constant_factor import among_all
from dout.check.rules.choices.d107_passes_dout_on import left_to_nobody
from dout.check.rules.unjudged.d003_stopped import RULE as STOPPED
from dout.check.verb.grounds import rests_on_a_guess, runs_elsewhere
from dout.check.worker.jobs import Checked, GivenArguments, JobOutcome
from dout.check.worker.kept_answers import Question
from dout.check.worker.post_run import told_once
from dout.check.worker.runner import Interruption, run
from dout.files import near, shown_place
from dout.judge.outcomes import Word
from dout.trace.program import notebooks

MOST_SECONDS = 30.0  # of work, for all programs of a check
MOST_PROGRAMS = 8
_DOUT = f"{Path(__file__).parents[2]}{os.sep}"
PATIENCE = 8.0  # seconds for the work of one program that nobody has named


@dataclass
class UsedLayers:
    """The layers that programs used, judged: by file, without links, and by name; and what became of each program.

    `data` are the data that were stood for while the layers of a file were used. `late` are the programs for which
    there was not time enough.
    """

    layers: dict[str, dict[str, Checked]] = field(default_factory=dict)
    data: dict[str, list[str]] = field(default_factory=dict)
    programs: list[JobOutcome] = field(default_factory=list)
    late: list[str] = field(default_factory=list)

    def is_all_of(self, job: Job) -> bool:
        """Whether nothing else is to do for a job: its layers are judged, or it is a program that defines none."""
        if job.names is not None:
            return set(job.names) <= self._of(job).keys()
        defines = job.where.endswith(notebooks.SUFFIX) or may_define_layers(Path(job.where))
        return not defines and any(_is_same(one.job, job) for one in self.programs)

    def _of(self, job: Job) -> dict[str, Checked]:
        return self.layers.get(job.file, {})

    def _known(self, job: Job) -> JobOutcome:
        return JobOutcome(job, [self._of(job)[name] for name in job.names or ()])

    def with_programs(
        self, jobs: Sequence[Job], outcomes: Sequence[JobOutcome], asked: Container[str]
    ) -> list[JobOutcome]:
        """The outcomes of all jobs: those of programs that were named with the layers that they use of other files."""
        known = {outcome.job: outcome for outcome in outcomes}
        found = [known.get(job) or self._known(job) for job in jobs]
        every = [replace(one, data=self.data.get(one.job.file, [])) for one in found]
        told = {(one.job.file, c.report.layer) for one in every for c in one.layers}
        every = [
            self._of_program(one, told) if one.job.where in asked and one.job.names is None else one
            for one in every  # of `file.py:Name` that layer alone is told
        ]
        if self.late and every and not Interruption.signal:
            every[0] = replace(every[0], remarks=[*every[0].remarks, self._said_of_time()])
        every = told_once(every)
        layers = _beside_each_other([checked for one in every for checked in one.layers])
        reports = iter(of_parts_once(among_all([checked.report for checked in layers])))
        return [replace(one, layers=[replace(c, report=next(reports)) for c in one.layers]) for one in every]

    def _said_of_time(self) -> str:
        names = some([near(path) for path in self.late], 3)
        return f"the time for programs ({MOST_SECONDS:g} s of work) was over before the end of {names}"

    def _of_program(self, outcome: JobOutcome, told: Container[tuple[str, str]]) -> JobOutcome:
        run = next((one for one in self.programs if _is_same(one.job, outcome.job)), None)
        if run is None:
            return outcome
        ours = [c for c in run.layers if c.used and (_file_of(c), c.report.layer) not in told]
        layers = [*outcome.layers, *ours]
        first = _first_wrong(run.layers)
        outcome = replace(outcome, problem=run.problem, traceback=run.traceback)  # it ran as it is meant to run
        outcome.network = f"{near(run.job.where)}: {first}" if first else ""
        remarks = list(dict.fromkeys([*run.remarks, *outcome.remarks]))
        refused = list(dict.fromkeys([*run.refused, *outcome.refused]))
        return replace(outcome, layers=layers, data=run.data, remarks=remarks, refused=refused)

    def known(self) -> dict[str, Checked]:
        """The layers of which no other program tells more, by `file:name`: those that were given several samples."""
        every = ((file, name, one) for file, layers in self.layers.items() for name, one in layers.items())
        return {f"{file}:{name}": one for file, name, one in every if not one.of_one_sample}

    def add(self, outcome: JobOutcome) -> None:
        """Take in what one program used; a layer that ended its process there is tried again by itself."""
        self.programs.append(outcome)
        for checked in outcome.layers:
            if checked.used and not any(item.code == STOPPED.code for item in checked.report.findings):
                file = _file_of(checked)
                if f"{file}:{checked.report.layer}" not in self.known():
                    self.layers.setdefault(file, {})[checked.report.layer] = checked
                    self.data.setdefault(file, []).extend(outcome.data)


def recorded_layers(
    used: UsedLayers, outcomes: Sequence[JobOutcome], given: GivenArguments, *, processes: int, timeout: float,
    isolated: bool = False, waiting: Callable[[], None] = lambda: None,
) -> None:  # fmt: skip
    """Put into the outcomes what recorded rounds of programs say of layers whose reports rest on a guess.

    So where nothing else says anything. A round speaks against an error only where it has nothing wrong.
    """
    silent = {
        f"{outcome.job.file}:{c.report.layer}": (outcome, place)
        for outcome in outcomes for place, c in enumerate(outcome.layers) if rests_on_a_guess(c.report)
    }  # fmt: skip
    jobs = []
    for program in used.programs:
        keys = tuple(key for key in program.went_back if key in silent)
        jobs += [Job(program.job.where, "recording", keys)] if keys else []
        for outcome, place in map(silent.__getitem__, keys):
            told = runs_elsewhere(outcome.layers[place].report, near(program.job.where))
            outcome.layers[place] = replace(outcome.layers[place], report=told)
    limit = min(timeout, PATIENCE) if timeout else PATIENCE
    how: Any = {"processes": processes, "timeout": limit, "isolated": isolated, "waiting": waiting}
    for recorded in run(jobs, given, seconds=MOST_SECONDS, **how) if jobs else ():
        for checked in (one for one in recorded.layers if one.used and one.report.verdicts):
            outcome, place = silent[f"{_file_of(checked)}:{checked.report.layer}"]
            known = outcome.layers[place].report
            if not known.verdicts or (not known.ok and not checked.report.findings):
                outcome.layers[place] = replace(checked, report=_with_the_rest(checked.report, known))
                for one in used.programs:  # it is not the first wrong one there
                    one.layers = [c for c in one.layers if (_file_of(c), c.report.layer) != (checked.file, known.layer)]


def _with_the_rest(recorded: Report, known: Report) -> Report:
    """The report of a recorded round, with the verdicts that are known on arguments of which the round says nothing.

    The round contradicts the interface that these were judged under: what is refuted there is a warning.
    """
    inputs = [verdict.argument for verdict in known.verdicts if verdict.role == "input"]
    if len(inputs) == 1:  # the program may call it something else
        named = [replace(v, argument=inputs[0]) if v.role == "input" else v for v in recorded.verdicts]
        recorded = replace(recorded, verdicts=tuple(named))
    judged = {verdict.argument for verdict in recorded.verdicts}
    rest = [verdict for verdict in known.verdicts if verdict.argument not in judged]
    names = {verdict.argument for verdict in rest}
    doubt = f"; the recorded round says nothing of {some(sorted(names), 3)}" if names else ""
    told = [item.doubted(doubt) if item.severity == "error" else item for item in known.findings
            if item.argument in names]  # fmt: skip
    missing = tuple(name for name in known.missing if name not in judged)
    return replace(
        recorded, verdicts=(*rest, *recorded.verdicts), findings=(*told, *recorded.findings), missing=missing
    )


def used_layers(
    jobs: Sequence[Job], given: GivenArguments, *, asked: Container[str] = (), processes: int, timeout: float,
    isolated: bool = False, waiting: Callable[[], None] = lambda: None,
) -> UsedLayers:  # fmt: skip
    """Run the programs that use the layers of these files, and judge what they use.

    Those that are `asked` for come first, then those that use most.
    """
    found = UsedLayers()
    wanted = tuple(name for job in jobs if job.file for name in _wanted(job))
    mine = [job.where for job in jobs if job.kind == "file" and job.where in asked]
    named = [Job(file, "program") for file in mine if is_program(Path(file))]
    known = {job.file for job in named}
    left = _that_reach(jobs, [one for one in programs([job.file for job in jobs if job.file]) if one.path not in known])
    choice = Question("programs", *((one.path, sorted(one.names)) for one in left))
    chosen: list[str] = []
    reached: set[tuple[str, str]] = set()  # by the programs of the waves before
    before = (choice.kept() or ({}, None))[1]  # the same again: fewer are kept where the time was over
    if before is not None:
        left = [one for path in before for one in left if one.path == path]
    wave = [job.where for job in named]  # programs that run side by side
    planned: list[Job] = []
    ended: dict[str, JobOutcome] = {}
    judged: dict[str, dict[str, Checked]] = {}  # by program, the layers that are not judged once more for it

    def settle() -> None:
        """Take in what the programs of a wave used in the order of the wave: which ends first is chance."""
        for path in wave:
            if path in ended:
                found.add(ended.pop(path))
        wave.clear()

    def plan() -> None:
        """Choose the programs that reach what is still unused, if each uses what it reaches."""
        known = found.known()
        seen = {(file, name) for file, _, name in (key.rpartition(":") for key in known)}
        while len(found.programs) + len(wave) < MOST_PROGRAMS:
            one = next_program(left, seen, reached) if before is None else next(iter(left), None)
            if one is None:
                break
            left.remove(one)
            seen |= one.names
            chosen.append(one.path)
            wave.append(one.path)
            planned.append(Job(one.path, "program", wanted))
            judged[planned[-1].file] = known
        reached.update(seen)

    def next_job() -> Job | None:
        if not planned and len(ended) == len(wave):
            settle()
            plan()
        return planned.pop(0) if planned else None

    patience = MOST_SECONDS if named else PATIENCE
    limit = min(timeout, patience) if timeout else patience
    run(
        named, given, processes=processes, timeout=limit, isolated=isolated, seconds=MOST_SECONDS, more=next_job,
        used=judged, done=lambda outcome: ended.update({outcome.job.where: outcome}), waiting=waiting,
    )  # fmt: skip
    found.late = [path for path in wave if path not in ended or ended[path].cut_short]
    settle()
    if not Interruption.signal:
        choice.keep(chosen, ())
    return found


def _first_wrong(layers: Sequence[Checked]) -> str:
    """Where the gradients of a program are wrong first, on their way back; nothing where they are right.

    A layer that holds a wrong one is not meant, nor is one of dout's own.
    """
    layers = _beside_each_other(layers)
    told = of_parts_once([checked.report for checked in layers])
    own = [c for c, report in zip(layers, told, strict=True) if c.report.ok or not report.ok]
    for checked in sorted(
        (c for c in own if c.turn >= 0 and not (c.report.file or "").startswith(_DOUT)), key=lambda c: c.turn
    ):
        found = [(item, item.reason) for item in checked.report.findings if isinstance(item.reason, Refuted)]
        sure = {item.argument for item, reason in found if item.severity == "error" and not reason.elsewhere}
        doubted = {item.argument for item, _ in found} - sure  # the program itself may give nothing that shows it
        judged = (v for v in checked.report.verdicts if v.argument not in doubted)
        wrong = [str(v.argument) for v in judged if v.word == Word.REFUTED]
        if wrong:
            place = shown_place(checked.report.file, checked.report.line)
            return f"the first wrong gradient on the way back is that of {wrong[0]} in {checked.report.layer} ({place})"
    return ""


def _beside_each_other(layers: Sequence[Checked]) -> list[Checked]:
    """The layers, with an error for each that leaves its derivative to a layer that does not give it."""
    names = Counter(checked.report.layer for checked in layers)
    givers = {checked.report.layer: checked.report for checked in layers if names[checked.report.layer] == 1}
    return [replace(c, report=left_to_nobody(c.report, givers.get(c.dout_of))) for c in layers]


def _file_of(checked: Checked) -> str:
    """The file in which a layer is written, without links; of a cell, the notebook."""
    return os.path.realpath(re.sub(rf"({re.escape(notebooks.SUFFIX)}), cell \d+$", r"\1", checked.file))


def _that_reach(jobs: Sequence[Job], found: Sequence[ProjectProgram]) -> list[ProjectProgram]:
    """The programs that reach what is asked for, with nothing else of what they reach; all, where none is said to."""
    whole = {job.file for job in jobs if job.names is None}
    asked = {(job.file, name) for job in jobs for name in job.names or ()}
    those = [replace(p, names=frozenset(n for n in p.names if n[0] in whole or n in asked)) for p in found]
    return [one for one in those if one.names] or list(found)


def _wanted(job: Job) -> list[str]:
    return [job.file] if job.names is None else [f"{job.file}:{name}" for name in job.names]


def _is_same(one: Job, other: Job) -> bool:
    return one.file == other.file
