"""What the checker finds, beside the checkers of other libraries, on the same corpus in the same run.

    python -m benchmarks.checker.run [--every N] [--processes N]

Goals: detection of formula and axis ≥ 99 %, of each other class ≥ 95 %; of layers that are wrong on one side of a
condition alone 100 % refuted or the side listed; no finding of severity error on a right layer
or control; the right argument and index ≥ 95 %, the right cause ≥ 80 %; a median of at most 60 ms a layer.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import multiprocessing
import statistics
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.checker import corpus, one_sided
from benchmarks.checker.case import Case, Mutant
from benchmarks.checker.judging import judged, start

FORMULA = ("D101", "D102", "D103", "D501")
AXIS = ("axis", "transpose", "broadcast")
# One edit, described two ways; the last is a dropped factor dout.
SAME_CAUSE = [{"missing term", "factor"}, {"formula", "factor", "swapped"}, {"factor", "ignores dout"}]


@dataclass(frozen=True)
class Result:
    """What was said about one case; `branches` are not covered, `peers` holds the checkers that complained."""

    case: Case
    codes: Counter[str] = field(default_factory=Counter)
    findings: tuple[Any, ...] = ()
    branches: tuple[str, ...] = ()
    seconds: float = 0.0
    peers: frozenset[str] = frozenset()
    broke: str = ""


def wilson(hits: int, total: int) -> str:
    """A share with its 95 % interval. Source: Wilson, JASA 22 (1927)."""
    if not total:
        return "—"
    z, p = 1.96, hits / total
    middle = (p + z * z / (2 * total)) / (1 + z * z / total)
    half = z * math.sqrt(p * (1 - p) / total + z * z / (4 * total * total)) / (1 + z * z / total)
    return f"{100 * p:5.1f} % [{100 * max(0.0, middle - half):.1f}, {100 * min(1.0, middle + half):.1f}]"


def is_found(result: Result, right: Result) -> bool:
    """Whether something is said of the mutant that is not said of the layer it was made from."""
    return bool(result.codes - right.codes)


def table(results: list[Result], rights: dict[str, Result]) -> None:
    """Print detection by class of bug."""
    mutants = [r for r in results if isinstance(r.case, Mutant)]
    names = sorted({peer for r in results for peer in r.peers})
    print(f"{'bug':14}{'mutants':>8}  {'dout':26}" + "".join(f"{name:>22}" for name in names))
    groups: dict[str, list[Result]] = {}
    for r in mutants:
        groups.setdefault(r.case.bug, []).append(r)
        if r.case.cause in AXIS:
            groups.setdefault("(axis)", []).append(r)
    sound = [r for r in results if not isinstance(r.case, Mutant)]
    for what, group in (("right", sound[: len(corpus.right())]), ("controls", sound[len(corpus.right()) :])):
        alarms = sum(any(f[1] == "error" for f in r.findings) for r in group)
        shares = "".join(f"{100 * sum(n in r.peers for r in group) / len(group):20.1f} %" for n in names)
        print(f"{what:14}{len(group):8}  {wilson(alarms, len(group)):26}{shares}   (complaints are false alarms)")
    for bug, group in sorted(groups.items()):
        hits = sum(is_found(r, rights[r.case.right]) for r in group)
        shares = "".join(f"{100 * sum(n in r.peers for r in group) / len(group):20.1f} %" for n in names)
        print(f"{bug:14}{len(group):8}  {wilson(hits, len(group)):26}{shares}")


def explanations(results: list[Result]) -> None:
    """Print how often a formula mutant's argument, index and cause are right."""
    refuted = [r for r in results if isinstance(r.case, Mutant) and r.case.bug == "formula" and _wrong(r)]
    argument = [any(f[2] in _names(r.case) for f in _wrong(r)) for r in refuted]
    indexed = [r for r in refuted if r.case.index]
    index = [any(f[3] in r.case.index for f in _wrong(r) if f[2] in _paths(r.case, r.case.argument)) for r in indexed]
    cause = [any(same_cause(f[4], r.case.cause) for f in _wrong(r)) for r in refuted]
    for what, hits in (("argument", argument), ("index", index), ("cause", cause)):
        print(f"right {what:9} {wilson(sum(hits), len(hits))} of {len(hits)}")


def sided(results: list[Result], rows: list[one_sided.Row]) -> None:
    """Print how many layers that are wrong on one side alone are refuted, or have that side listed as not covered."""
    mutants = [r for r in results if isinstance(r.case, Mutant)]
    told = [one_sided.is_told(_wrong_errors(r), r.branches, row) for r, row in zip(mutants, rows, strict=True)]
    refuted = sum(bool(_wrong_errors(r)) for r in mutants)
    listed = f"(refuted {refuted}, else listed as not covered)"
    print(f"{'one-sided':14}{len(mutants):8}  {wilson(sum(told), len(told)):26}{listed}")
    for r, is_told in zip(mutants, told, strict=True):
        if not is_told:
            print("    neither:", r.case.id, repr(r.case.after), r.branches, r.broke)


def _wrong_errors(result: Result) -> list[str]:
    return [f[0] for f in _wrong(result) if f[1] == "error"]


def _wrong(result: Result) -> list[Any]:
    return [f for f in result.findings if f[0] in FORMULA]


def _names(case: Mutant) -> set[str | None]:
    listed = case.note.partition("wrong:")[2].split(";")[0] if "wrong:" in case.note else ""
    names = {case.argument, *(name.strip() for name in listed.split(","))}
    return {path for name in names for path in _paths(case, name)}


def _paths(case: Mutant, name: str | None) -> set[str | None]:
    """A constructor's argument, and where the instance keeps it: arrays are kept in the order of the arguments."""
    given = [argument for argument, value in case.init.items() if isinstance(value, np.ndarray)]
    return {name, *(path for argument, path in zip(given, case.params, strict=False) if argument == name)}


def same_cause(said: str | None, meant: str) -> bool:
    """Whether two words say the same of one edit."""
    return said == meant or any({said, meant} <= same for same in SAME_CAUSE)


def run(cases: list[Case], processes: int, with_peers: bool) -> Iterator[Result]:
    """Judge the cases, in processes that hold nothing else: a trace looks through all that the user's code holds."""
    plain = (dataclasses.replace(case, draw=None) for case in cases)
    with multiprocessing.get_context("spawn").Pool(processes, start, (with_peers,)) as pool:
        for case, answer in zip(cases, pool.imap(judged, plain, chunksize=8), strict=True):
            yield Result(case, *answer)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--every", type=int, default=1, help="only every Nth mutant")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--misses", action="store_true", help="list the mutants that are not found")
    given = parser.parse_args()
    rights, controls, mutants = corpus.right(), corpus.controls(), corpus.mutants()[:: given.every]
    results = list(run([*rights, *controls, *mutants], given.processes, with_peers=not given.no_peers))
    pairs = list(one_sided.one_sided())
    twins = {right.id: right for _, right, _ in pairs}
    halves = list(run([*twins.values(), *(mutant for mutant, _, _ in pairs)], given.processes, with_peers=False))
    by_id = {r.case.id: r for r in results if not isinstance(r.case, Mutant)}
    table(results, by_id)
    sided(halves, [row for _, _, row in pairs])
    explanations(results)
    sound = results[: len(rights) + len(controls)]
    alarms = [r for r in (*sound, *halves[: len(twins)]) if r.broke or any(f[1] == "error" for f in r.findings)]
    print(f"false alarms: {len(alarms)} of {len(rights) + len(twins)} right layers and {len(controls)} controls")
    for r in alarms:
        print("   ", r.case.id, r.broke, [f[:3] for f in r.findings if f[1] == "error"])
    print(f"median {1e3 * statistics.median(r.seconds for r in sound):.0f} ms a right layer, "
          f"{1e3 * statistics.median(r.seconds for r in results):.0f} ms over all")  # fmt: skip
    if given.misses:
        for r in results:
            if isinstance(r.case, Mutant) and not is_found(r, by_id[r.case.right]):
                edit = f"{r.case.before.strip()!r} → {r.case.after.strip()!r}"
                print(f"{r.case.bug:12} {r.case.id}: {edit} {r.broke} {r.case.note}")


if __name__ == "__main__":
    main()
