"""One edit at one stand: whether every gradient is right with it, in a run or by the right value of its line."""

from __future__ import annotations

import ast
import copy
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from types import CodeType, FrameType
from typing import Any

import numpy as np

from dout.check.exact.exact_route import Examination
from dout.check.exact.ratio import ratio_of_floats
from dout.check.repair.edits.expression_places import ExpressionPlace
from dout.check.repair.edits.seen_values import Seen
from dout.check.repair.edits.source_edit import Edit
from dout.check.repair.first_wrong import NamedGradient
from dout.check.repair.scratch_functions import OF_TRIED_CODE, Scratch
from dout.check.repair.test_stand import BackwardRuns, Stand, near, values_of
from dout.clock import WorkBudget, count
from dout.grad import backpropagate
from dout.graph import INPUT, Node, evaluate
from dout.run import deep_copy, objects_in

_AN_EDIT = 0.1e-3  # seconds to compute its line
_EXACTLY = 1e-9
RETURNED = "return"


class EditTest:
    """One stand at which edits are tried."""

    def __init__(self, stand: Stand, scratch: Scratch, in_forward: bool, others: frozenset[str]) -> None:
        self.stand = stand
        self.scratch = scratch
        self.in_forward = in_forward
        self.others = others
        self.runner: BackwardRuns | None = None if in_forward else stand.after_forward(self._prepare)
        self.last: BackwardRuns | None = None
        self.got: dict[str, Any] = {}
        self.outputs = stand.outputs
        self.wrong = stand.wrong(stand.got) - others
        self.scaled = up_to_constants(stand, self.wrong)
        self.unused = in_forward and any(not np.any(stand.expected[name]) for name in self.wrong)  # forward ignores it

    @property
    def examination(self) -> Examination:
        """The stand's own."""
        assert self.stand.examination is not None
        return self.stand.examination

    @property
    def at_one(self) -> bool:
        """Whether backward is not given the upstream gradient: it is 1, or the caller multiplies by it."""
        interface = self.stand.subject.interface
        return self.examination.ignores_dout or (interface is not None and interface.local)

    def twin(self, node: Node, of: EditTest) -> Node:
        """The node of this stand's recording in the place of one of another's."""
        return self.examination.trace.graph.nodes[of.examination.trace.graph.nodes.index(node)]

    def seen_at(self, place: ExpressionPlace) -> Seen:
        """What an expression is here, and the names in scope there; ValueError where it is evaluated more than once."""
        found = list[Seen]()

        def look(i: int, value: Any, frame: FrameType) -> Any:
            if i == place.i:
                found.append(Seen(copy.copy(value), deep_copy(dict(frame.f_locals))))
            return value

        self._told(look)
        (seen,) = found
        return seen

    def gives_right(self, place: ExpressionPlace, value: Any) -> bool:
        """Whether every gradient is right with this value in a place."""
        with suppress(*OF_TRIED_CODE):
            return (
                not self.stand.wrong(self._told(lambda i, item, frame: value if i == place.i else item)) - self.others
            )
        return False

    def _told(self, told: Callable[[int, Any, FrameType], Any]) -> dict[str, Any]:
        self.scratch.told = told
        try:
            return self.gradients()
        finally:
            self.scratch.told = None

    def _prepare(self, layer: Any) -> None:
        self.scratch.install(objects_in(layer))

    def gradients(self) -> dict[str, Any]:
        """What the backward gives, with a forward before it where that is under test."""
        self.last = self.runner or self.stand.after_forward(self._prepare)
        self.outputs = self.last.outputs
        return self.last.gradients()

    def right(self, edit: Edit, code: CodeType, may_change_output: bool, constants: Sequence[float]) -> set[int]:
        """The places of the constants up to which every gradient is right with the code of an edit in its place."""
        self.scratch.use(edit.place.i, code)
        try:
            gradients = self.got = self.gradients()
            if self.moves():
                # within a comparison an edit may make it one that never holds: `x**2 < 0`
                compared = any(isinstance(parent, ast.Compare) for parent in edit.place.parents)
                alike = may_change_output and not (self.others or compared)
                alike = alike and not (self._does_less(gradients, edit.word == "mask") or self._makes_constant())
                return {0} if alike and self.stand.fits(gradients, self._prepare) else set()
            if self.unused:
                return set()
            wrong = (self.stand.wrong(gradients, number, self.scaled) for number in constants)
            return {which for which, names in enumerate(wrong) if not names - self.others}
        except OF_TRIED_CODE:
            return set()
        finally:
            self.scratch.use(-1, None)

    def moves(self) -> bool:
        """Whether forward returned other numbers in the last run."""
        pairs = zip(self.outputs, self.stand.outputs, strict=True)
        return self.in_forward and any(not near(now, before, 1e-12) for now, before in pairs)

    def leaves(self, names: Collection[str]) -> bool:
        """Whether these gradients were in the last run what they are without an edit."""
        return all(near(self.got.get(name), self.stand.got[name], 1e-12) for name in names if name in self.stand.got)

    def only_scales(self) -> bool:
        """Whether each wrong gradient was in the last run so many times what it is without an edit."""
        pairs = ((self.stand.got[name], self.got.get(name)) for name in self.wrong)
        return all((ratio_of_floats(before, now, _EXACTLY) or 0) > 0 for before, now in pairs)

    def overwrote(self) -> bool:
        """Whether backward wrote into the upstream gradient in the last run."""
        return self.last is not None and self.last.overwrote()

    def _makes_constant(self) -> bool:
        """Whether an output has one value everywhere, up to rounding, and had others: no gradient is its derivative."""
        pairs = zip(self.outputs, self.stand.outputs, strict=True)
        return any(np.size(now) > 1 and np.ptp(now) <= _EXACTLY * np.ptp(before) for now, before in pairs)

    def _does_less(self, now: Mapping[str, Any], masks: bool) -> bool:
        """Whether a gradient of another forward is 0 in more places: of one that does nothing 0 is right."""
        wrong = self.stand.wrong(self.stand.got)
        for name, expected in self.stand.expected.items():
            zeros, before = (np.size(g) - np.count_nonzero(g) for g in (now[name], expected))
            is_nothing = zeros == np.size(now[name]) and (name in wrong or zeros > before)
            if is_nothing or (name in wrong and zeros > before and not masks):
                return True
        return False


def compiled(text: str) -> CodeType | None:
    """The code of an expression."""
    try:
        return compile(f"({text}\n)", "<repair>", "eval")
    except (SyntaxError, ValueError):
        return None


# --- lines whose right value is known ---------------------------------------------------------------------------------


def right_values(stand: Stand, named: Sequence[NamedGradient]) -> dict[str, Any]:
    """What lines of backward should compute at a stand: by the name of a wrong gradient, or of what is returned."""
    examination = stand.examination
    if examination is None:
        return {}
    wrong = {one.name: one.derived for one in named if not (one.right or one.negated)}
    values = values_of(examination, wrong.values())
    returned = {at: stand.expected[name] for name, at in stand.wanted.items() if at is not None}
    return {name: values[node] for name, node in wrong.items()} | {f"{RETURNED} {at}": x for at, x in returned.items()}


def constants(stand: Stand, wrong: Collection[str]) -> tuple[float, ...]:
    """The constants up to which wrong gradients may be right at a stand, 1 first: samples are averaged, or not.

    That is a convention of a loss, also of one that gives a number a sample, and of parameters.
    """
    shape = _longest_shape(stand)
    lengths = (*shape[:1], math.prod(shape[1:]), math.prod(shape)) if shape and up_to_constants(stand, wrong) else ()
    return (1.0, *(1 / n for n in lengths if n), *(float(n) for n in lengths if _is_loss(stand)))


def up_to_constants(stand: Stand, wrong: Collection[str]) -> frozenset[str]:
    """Those of wrong gradients that may be right up to a constant: of a loss all, else those of parameters."""
    return frozenset(name for name in wrong if _is_loss(stand) or stand.wanted.get(name, 0) is None)


def _longest_shape(stand: Stand) -> tuple[int, ...]:
    return max(map(np.shape, stand.inputs), key=len, default=())  # labels may come first


def _is_loss(stand: Stand) -> bool:
    shape = _longest_shape(stand)
    sizes = {1, *shape[:1]} if len(shape) > 1 else {1}
    return all(np.size(output) in sizes for output in stand.outputs)


def computing(
    ordered: Sequence[tuple[float, Edit]],
    seen: Mapping[int, Seen],
    right: Mapping[str, Any],
    effects: LineEffects,
    budget: WorkBudget,
) -> Iterator[tuple[float, Edit]]:
    """The edits with which their line computes what it should, or one of some times that."""
    lines: dict[int, tuple[ast.expr, Callable[[Any], bool]] | None] = {}
    for cost, edit in ordered:
        place = edit.place
        if place.i not in lines:
            lines[place.i] = _line_of(place, right, effects, seen[place.i])
        line = lines[place.i]
        if line is None:
            continue
        if budget.is_over():
            return
        count(_AN_EDIT)
        root, is_right = line
        with suppress(*OF_TRIED_CODE), np.errstate(all="ignore"):
            if is_right(_value_of(root, place, seen[place.i], edit.text)):
                yield cost, edit


def _value_of(root: ast.expr, place: ExpressionPlace, seen: Seen, text: str) -> Any:
    """The value of an expression with a text in a place of it."""
    if root is not place.node:
        text = place.function.source.with_parts(root, {place.node: f"({text})"})
    space = {**place.function.function.__globals__, **seen.names}
    return eval(f"({text}\n)", space)  # the user's own names


def _line_of(
    place: ExpressionPlace, right: Mapping[str, Any], effects: LineEffects, seen: Seen
) -> tuple[ast.expr, Callable[[Any], bool]] | None:
    """The whole expression that a place is a part of, with what tells its right value; None where nothing does.

    A call of the user's own functions would do more than to compute.
    """
    statement = place.statement
    way: tuple[ast.AST, ...] = (place.node, *place.parents)
    root, name = way[-2], ""
    if isinstance(statement, ast.Return):
        several: list[ast.AST] = [*root.elts] if isinstance(root, ast.Tuple) and len(way) > 2 else []
        root = way[-3] if several else root
        name = f"{RETURNED} {several.index(root) if several else 0}"
    elif isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        name = ast.unparse(statement.targets[0])
    if not isinstance(root, ast.expr) or not _only_computes(root, place):
        return None
    if name in right:
        value = right[name]
        return root, lambda found: any(near(found, number * value, 1e-7) for number in effects.times)
    with suppress(*OF_TRIED_CODE):
        told = effects.of(statement, place.function.source.file, _value_of(root, place, seen, place.text))
        return (root, told) if told is not None else None
    return None


class LineEffects:
    """How much the wrong gradients change with the value of a line of backward, by a derivative of backward itself.

    Of most lines they are a linear function. What a line has to give is not known; but whether a value of it would make
    all gradients right is, without a run: along random directions, their change has to be what is missing.
    """

    def __init__(self, stand: Stand, wrong: Collection[str], times: Sequence[float]) -> None:
        self.times, self.data = times, {}
        self.nodes: Collection[Node] = ()
        self.missing: tuple[float, ...] = ()
        self.effects: Mapping[Node, Node] = {}
        if stand.examination is None:
            return
        generator, trace = np.random.default_rng(8), stand.examination.trace
        judged = [j for j in stand.examination.judged if j.name in wrong]
        if any(np.shape(stand.got[j.name]) != np.shape(stand.expected[j.name]) for j in judged):
            return
        seeds = {j.gradient: Node(INPUT, (), {}, j.gradient.shape, j.gradient.dtype) for j in judged}
        self.data = {**trace.data, **{seed: generator.normal(size=seed.shape) for seed in seeds.values()}}
        self.nodes, self.effects = trace.backward, backpropagate(seeds).of
        ways, scaled = {j.name: self.data[seeds[j.gradient]] for j in judged}, up_to_constants(stand, wrong)
        self.missing = tuple(
            sum(
                float(np.sum(way * ((number if n in scaled else 1) * stand.expected[n] - stand.got[n])))
                for n, way in ways.items()
            )
            for number in times
        )

    def of(self, statement: ast.stmt, file: str, before: Any) -> Callable[[Any], bool] | None:
        """What tells whether another value than this one of a statement makes all right; None where it is not known."""
        lines = range(statement.lineno, (statement.end_lineno or 0) + 1)
        own = (n for n in self.nodes if n.where and n.where.file == file and n.where.line in lines and n in self.data)
        alike = [n for n in own if n in self.effects and np.shape(before) == n.shape]
        node = next((n for n in reversed(alike) if near(self.data[n], before, 1e-12)), None)
        if node is None:
            return None
        effect = evaluate([self.effects[node]], self.data)[self.effects[node]]

        def is_right(found: Any) -> bool:
            change = effect * (np.broadcast_to(found, np.shape(before)) - before)
            moved, size = float(np.sum(change)), float(np.sum(np.abs(change)))
            return any(abs(moved - missing) <= 1e-7 * size for missing in self.missing)

        return is_right if np.any(effect) else None


def _only_computes(root: ast.expr, place: ExpressionPlace) -> bool:
    """Whether all of its calls are of functions of modules, or of methods that arrays have."""
    calls = [node for node in ast.walk(root) if isinstance(node, ast.Call)]
    return all(
        isinstance(call.func, ast.Attribute)
        and (place.function.is_module(call.func.value) or hasattr(np.ndarray, call.func.attr))
        for call in calls
    )
