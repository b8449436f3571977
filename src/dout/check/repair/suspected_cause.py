"""The suspected cause of a wrong gradient: the likeliest repair that was proven, or what the whole gradient tells."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace

import numpy as np

from dout.check.exact.exact_route import Examination
from dout.check.exact.subject import Subject
from dout.check.repair.derived_backward import derived_lines
from dout.check.repair.edits.other_users import users_beside
from dout.check.repair.edits.repair_table import sentence_of
from dout.check.repair.edits.source_edit import Edit
from dout.check.repair.first_wrong import NamedGradient, first_unknown, named_gradients
from dout.check.repair.repair_proof import Elsewhere, ProvenRepair, Repair, elsewhere, proven, stays_right
from dout.check.repair.repair_search import RepairSearch
from dout.check.repair.scratch_functions import OF_TRIED_CODE
from dout.check.repair.test_stand import KIND_ALONE, stands
from dout.check.repair.whole_gradients import how_many, is_left_out, is_scaled, word_of
from dout.check.report.verdicts import Cause
from dout.clock import WorkBudget
from dout.graph import Node, Where, topological
from dout.judge.judging_points import further
from dout.judge.outcomes import Outcome

MOST_SECONDS = 1.5  # for a layer, all its gradients together
_SECONDS_FOR_KIND = 0.4  # where no repair is shown
_SECONDS_ALONE, _MOST_ALONE = 0.25, 3  # at least, for each of the first gradients that no common repair mends
_MOST_SEARCHES = 3  # where repairs are right by chance
_KNOWN = (Elsewhere.HOLDS, Elsewhere.UNTRIED)
_UNRUNNABLE = 1000  # wrong gradients in between, of a repair that cannot be recorded


class CauseSearch:
    """Looks for the causes of one layer's wrong gradients: first one for all of them, then one for each."""

    def __init__(
        self, subject: Subject, examination: Examination, refuted: Mapping[Node, Outcome], given: Subject | None = None
    ) -> None:
        self.examination, self.given = examination, given
        self.refuted = refuted
        points = list({id(outcome.point): outcome.point for outcome in refuted.values()}.values())[:2]
        if points and any(points[0][node] is not examination.base[node] for node in examination.varying):
            points.append(further(examination, points[0]))  # to move a limit is no repair
        found = stands(subject, examination, points)
        self.stands = sorted(found, key=lambda stand: (stand.shortened, -len(stand.wrong(stand.got))))
        wrong: frozenset[str] = frozenset().union(*(stand.wrong(stand.got) for stand in self.stands))
        for stand in self.stands:
            stand.negated = frozenset(name for name in wrong if is_scaled(name, self.stands, -1))
        for stand in self.stands:
            stand.expected |= {name: np.negative(stand.got[name]) for name in stand.negated}
        self.recorded = self.stands[0].examination if self.stands else None
        self.named = named_gradients(self.recorded) if self.recorded else []
        self.budget = WorkBudget(_SECONDS_FOR_KIND if KIND_ALONE.get() else MOST_SECONDS)

    def found(self) -> dict[Node, Cause]:
        """The cause of each wrong gradient, by the node of the value it is for."""
        if KIND_ALONE.get() and self.stands and len(told := self._told_by_numbers()) == len(self.refuted):
            return told
        wrong = [stand.wrong(stand.got) for stand in self.stands]
        names: frozenset[str] = frozenset().union(*wrong)
        several = len(names) > 1
        parts = frozenset(n for n in names if "." in n and all(stand.got.get(n) is None for stand in self.stands))
        apart = parts | self._of_their_own(names)
        apart = apart if wrong[0] - apart else parts
        common = self._proven(wrong[0] - apart, apart) if names - parts else None  # a part keeps them: the proof sees
        self.budget.leave(MOST_SECONDS / 2)
        found: dict[Node, Cause] = {}
        mending = dict.fromkeys((names - apart) | (common.mends & names), common) if common else {}
        for i, (node, outcome) in enumerate(sorted(self.refuted.items(), key=self._way)) if self.stands else ():
            name = outcome.judged.name
            self.budget.leave(_SECONDS_ALONE if i < _MOST_ALONE else 0.0)
            if name in names - parts and name not in mending and several and not self.budget.is_over():
                mine = self._proven(frozenset({name}), names - {name})  # several mistakes, each for itself
                mending |= dict.fromkeys((name, *(mine.mends & names)), mine) if mine else {}
            mine = mending.get(name)
            if mine is not None and mine.another_forward and is_left_out(name, self.stands[0]):
                mine = None  # another forward would do, but hardly is what was meant
            found[node] = self._of_repair(mine, outcome) if mine is not None else self._of_numbers(outcome)
        return {node: found[node] for node in self.refuted if node in found}

    def _of_their_own(self, names: Iterable[str]) -> frozenset[str]:
        """The gradients that need no repair, by a convention, or that none in backward can make 0."""
        refuted = {outcome.judged.name for outcome in self.refuted.values()}
        used = {name for name in names if any(np.any(stand.expected[name]) for stand in self.stands)}
        return frozenset(name for name in names if name not in refuted or name not in used)

    def _told_by_numbers(self) -> dict[Node, Cause]:
        """The causes that whole gradients tell without a repair."""
        words = {node: word_of(outcome.judged.name, self.stands, sure=True) for node, outcome in self.refuted.items()}
        return {
            node: Cause(*said, where=self.refuted[node].judged.gradient.where)
            for node, said in words.items()
            if said is not None
        }

    @staticmethod
    def _way(item: tuple[Node, Outcome]) -> int:
        """How many steps lead to a gradient: the first mistake is the only one in the shortest."""
        return len(topological([item[1].judged.gradient]))

    def _proven(self, wrong: frozenset[str], others: frozenset[str]) -> ProvenRepair | None:
        """The likeliest repair of these gradients that the exact check passes: on a second example, too, if one does.

        What mends backward alone is likelier than another forward.
        """
        by_chance: set[tuple[tuple[int, int], str]] = set()
        here = list[ProvenRepair]()  # that are wrong on a second example: it may be none for this layer
        other: ProvenRepair | None = None
        for _ in range(_MOST_SEARCHES):
            search = RepairSearch(self.stands, wrong, others, self.examination, self.named, self.budget, by_chance)
            hits = sorted(search.repairs(), key=lambda r: (r.cost, r.longer))
            if self.named and len(hits) > 1:
                hits.sort(key=self._wrong_in_between)
            known = len(by_chance)
            other = self._first_proven(hits, search, others, here)
            if other is not None or len(by_chance) == known:
                break
            self.budget.leave(MOST_SECONDS / 2)
        if other is not None and not other.another_forward:
            return other
        if (mine := next((found for found in here if not found.another_forward), None)) is not None:
            return mine
        written = None if KIND_ALONE.get() else self._first_proven(derived_lines(search), search, others, here)
        return written or other

    def _first_proven(
        self, hits: Iterable[Repair], search: RepairSearch, others: frozenset[str], here: list[ProvenRepair]
    ) -> ProvenRepair | None:
        """The first that holds on a second example, too, and keeps the forward, if one does.

        `here` gets those of backward that are proven, and do not hold there, or make a gradient in between wrong.
        """
        other: ProvenRepair | None = None
        for repair in hits:
            try:
                found = proven(repair, self.stands, search.functions, others)
            except OF_TRIED_CODE:  # what cannot be recorded is not proven
                continue
            if found is None:
                search.by_chance.add(repair.edit.key)  # at the points that were tried
                continue
            if self.given is not None and not stays_right(repair, self.given):
                continue
            is_factor = repair.edit.word == "factor"
            if KIND_ALONE.get() and not is_factor:
                return found
            there = elsewhere(repair, self.stands[0].subject, search.wrong, others, search.functions)
            found, is_known = replace(found, elsewhere=there), there in _KNOWN
            if is_known and not found.another_forward and not self._breaks(found):
                return found
            if is_known and found.another_forward:
                other = other or found
                continue
            search.by_chance.add(repair.edit.key)
            in_forward = repair.edit.place.function in search.ahead  # on these inputs alone it changes no output
            here += [] if is_factor or in_forward else [found]
        return other

    def _breaks(self, found: ProvenRepair) -> bool:
        """Whether a gradient in between that was right is another after a repair: two mistakes may cancel each other.

        On the line of the repair it has no name in the patched source.
        """
        wrong = {outcome.judged.gradient.where for outcome in self.refuted.values()}  # one may be divided later
        right = {named.name for named in self.named if named.right and named.where not in wrong}
        statement = found.repair.edit.place.statement
        targets = statement.targets if isinstance(statement, ast.Assign) else []
        if any(ast.unparse(target) in right for target in targets):
            return True
        return bool(right) and any(n.name in right and not n.right for n in named_gradients(found.examination))

    def _wrong_in_between(self, repair: Repair) -> tuple[bool, int]:
        """How many gradients in between are wrong after a repair: the likeliest mends them as well.

        Behind all others comes a factor that leaves another one, of samples.
        """
        leaves_another = bool(repair.scaled) and repair.edit.said == "factor"
        try:
            after = named_gradients(Examination(self.stands[0].recorded(repair.prepare)))
        except OF_TRIED_CODE:
            return leaves_another, _UNRUNNABLE
        return leaves_another, sum(not named.right and not named.negated for named in after)

    def _of_repair(self, proof: ProvenRepair, outcome: Outcome) -> Cause:
        edit = proof.repair.edit
        function, line = edit.place.function, edit.place.node.lineno
        mended = {named.name for named in named_gradients(proof.examination) if named.right}
        wrong = (n for n in self.named if not n.right)  # on the line of the repair the patched source has no names
        first = next((n for n in wrong if n.name in mended or (n.where and n.where.line == line)), None)
        where = Where(function.source.file, line)
        is_constant = _is_number(edit.written) or edit.written.startswith("np.sign(")
        if proof.another_forward and is_constant and not _is_number(edit.old):
            sentence = f"backward takes `{edit.shown}` (line {line}) for a constant: the gradient through it is missing"
            return Cause("missing term", sentence, where=self._start(outcome), first_wrong=_said(first))
        if proof.another_forward and edit.drops_a_step and not _is_number(edit.old):
            word = "missing term" if edit.drops_a_term else "factor"
            lost = "gradient through a term" if edit.drops_a_term else "local derivative"
            sentence = f"the {lost} of `{edit.shown}` ({function.name}, line {line}) is missing"
            return Cause(word, sentence, where=self._start(outcome), first_wrong=_said(first))
        if proof.another_forward:
            sentence = (
                f"backward belongs to another forward. Every gradient is right with `{edit.written}` instead of "
                f"`{edit.shown}` in {function.name} (line {line}), but forward then returns other numbers"
                f"{proof.remarks}"
            )
            return Cause(edit.said, sentence, None, where, _said(first))
        alone = "; on another example it is wrong with that, too" if self._fails(proof) else ""
        after = [j.gradient for j in proof.examination.judged if j.name == outcome.judged.name]
        is_dout = _uses_dout(proof.examination, after) and not _uses_dout(self.examination, [outcome.judged.gradient])
        word = "formula" if edit.drops_a_step and edit.said == "ignores dout" and not is_dout else edit.said
        sentence = f"{said_of(edit, word)}{alone}{proof.remarks}"
        fix = function.source.fix(proof.repair.text, self._unsafe(proof))
        return Cause(word, sentence, fix, where, _said(first))

    def _fails(self, proof: ProvenRepair) -> bool:
        """Whether a repair is wrong on a second example; by a constant, a factor: that of others is a convention's."""
        is_factor = proof.repair.edit.said == "factor"
        return proof.elsewhere is Elsewhere.FAILS or (proof.elsewhere is Elsewhere.CONSTANT and is_factor)

    def _unsafe(self, proof: ProvenRepair) -> str:
        """Why a person has to look at a proven repair, or nothing."""
        if not proof.keeps_forward:
            return "it changes what forward returns"
        if self._fails(proof):
            return "it is wrong on another example"
        if proof.elsewhere is Elsewhere.UNTRIED:
            return "it was tried on these lengths alone, and may fit them by chance"
        if others := users_beside(proof.repair.edit.place.function, type(self.stands[0].make())):
            return f"it changes {' and '.join(others)}, too"
        if proof.turns:
            return "it turns a condition that the examples met on one side only"
        wrong = self.stands[0].wrong(self.stands[0].got)
        if any(is_scaled(name, self.stands, samples=True) for name in wrong):
            return "it changes the gradient by the number of samples, which may be a convention"
        return ""

    def _of_numbers(self, outcome: Outcome) -> Cause:
        """What the wrong gradient tells without a repair: how it differs from the right one, and where that begins."""
        name = outcome.judged.name
        words = word_of(name, self.stands)
        there = [j.gradient for j in self.recorded.judged if j.name == name] if self.recorded else []
        needed = set(topological(there)) if self.named else set()
        first = next((n for n in self.named if not n.right and not n.negated and n.node in needed), None)
        where = first.where if first else self._start(outcome)
        is_loss = self.stands[0].subject.ends or all(np.size(output) == 1 for output in self.stands[0].outputs)
        if words is None and not (first or is_loss or _uses_dout(self.examination, [outcome.judged.gradient])):
            words = "ignores dout", ""  # the finding says so
        elif words is None:
            words = "formula", f"{first.name} is already wrong" if first else how_many(name, self.stands[0])
        return Cause(*words, where=where, first_wrong=_said(first))

    def _start(self, outcome: Outcome) -> Where | None:
        """The first line of backward whose result is none that is known to be right."""
        name = outcome.judged.name
        there = [j.gradient for j in self.recorded.judged if j.name == name] if self.recorded else []
        found = None
        with suppress(*OF_TRIED_CODE):  # a step without a value, say
            found = first_unknown(self.recorded, there[0]) if self.recorded and there else None
        return found or outcome.judged.gradient.where


def _uses_dout(examination: Examination, gradients: Iterable[Node]) -> bool:
    """Whether gradients are computed of an upstream one."""
    return not {*examination.seeds.values()}.isdisjoint(topological(gradients))


def said_of(edit: Edit, word: str) -> str:
    """What is wrong, by a word, and what should stand there."""
    side = f" in {edit.place.function.name}" if edit.place.function.name != "backward" else ""
    lines = edit.written.count("\n") + 1
    is_longer = lines > edit.old.count("\n") + 1
    meant = f"the {lines} lines below" if edit.run and is_longer else f"`{' '.join(edit.written.split())}`"
    return f"{sentence_of(word, edit.old, edit.written)}{side}: `{edit.shown}` should be {meant}"


def _said(first: NamedGradient | None) -> str | None:
    return f"{first.name}, at {first.where}" if first else None


def _is_number(text: str) -> bool:
    return text.removeprefix("-").replace(".", "", 1).isdigit()
