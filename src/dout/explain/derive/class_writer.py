"""A class, an instance or a function with a forward in; the class with its backward, verified, out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from dout.clock import check_time
from dout.errors import DoutError, TargetError
from dout.explain.derive.backward_graph import (
    WAYS,
    DerivedDiffersError,
    Twins,
    backward_graph,
    wanted_inputs,
)
from dout.explain.derive.class_text import ClassText, DerivedClass
from dout.explain.derive.derived_methods import BackwardDraft, Drafting
from dout.explain.derive.example_subjects import (
    axes_of,
    found_subject,
    is_numbers,
    renumbered,
    resized,
    smaller_numbers,
    with_lengths_reversed,
    with_longer,
    with_rows,
    with_several_rows,
)
from dout.explain.derive.forward_runs import ForwardRun, ForwardSubject, recorded, same_structure
from dout.explain.derive.validity import (
    is_left_out,
    notes_on,
    on_images,
    one_side,
    other_shapes,
    refuse_other_interfaces,
    same_lengths,
    why_flat,
    with_small_windows,
    with_unlike_parts,
    without_ones,
)
from dout.explain.derive.verification import Verdicts, elements_of, verified
from dout.explain.model.explanation import Phrase
from dout.explain.model.reasons import REASONS
from dout.explain.parts.called_parts import inner_layer, is_of_a_layer, why_no_call
from dout.explain.parts.part_calls import PART
from dout.explain.spelling.size_words import UnspelledError
from dout.graph import CONSTANT, Graph, topological
from dout.ops import PRIMITIVES


class NotDerivedError(DoutError):
    """No backward can be written; `reasons` say why, each once."""

    def __init__(self, reasons: Sequence[Phrase]) -> None:
        once = {(reason.key, tuple(map(str, reason.fields.values()))): reason for reason in reversed(reasons)}
        self.reasons = tuple(reversed(once.values()))
        super().__init__("; ".join(REASONS[reason.key].format(**reason.fields) for reason in self.reasons))


def subject_of(target: Any, init: Mapping[str, Any] | None = None, inputs: Any = None) -> ForwardSubject:
    """The target with an example: what is given of it, by name or in order, the rest chosen. Raises TargetError."""
    in_order = enumerate(() if inputs is None else inputs)
    given = dict(inputs) if isinstance(inputs, Mapping) else {str(i): item for i, item in in_order}
    subject = found_subject(target, init or {}, given)
    for small in () if init or inputs else smaller_numbers(subject):
        with suppress(TargetError):
            subject = found_subject(target, small, given)
            break
    subject = subject if inputs else without_ones(on_images(with_several_rows(subject)))
    subject = subject if init else with_unlike_parts(subject)
    return subject if init or inputs else with_small_windows(subject)


def derived_for(subject: ForwardSubject) -> DerivedClass:
    """Derive the backward of a target with its example; its loops are written out.

    Raises NotDerivedError where nothing can be written that holds.
    """
    refuse_other_interfaces(subject)
    runs, others = _runs(subject)
    unequal, cut = _unequal_axes(runs, each=bool(others))
    runs += [*unequal, *_reversed(runs)]
    more, fixed = _other_numbers(runs)

    def written(more: Iterable[ForwardRun], notes: Sequence[Phrase] = ()) -> DerivedClass:
        made = _written(subject, [*runs, *more], others, [*notes, *fixed])
        return replace(made, notes=(*made.notes, *same_lengths(cut, made.layer)))

    ways: list[Iterable[ForwardRun]] = [more.values(), *([[*others, *more.values()]] if others else [])]
    for way in ways:
        try:
            return written(way)
        except NotDerivedError as error:
            failed = error
    if not more:
        raise failed
    free = {}
    for name, run in more.items() if len(more) > 1 else ():
        with suppress(NotDerivedError):
            written([run])
            free[name] = run
    return written(free.values(), [one_side(name, subject.settings[name]) for name in more if name not in free])


def _written(
    subject: ForwardSubject,
    runs: Sequence[ForwardRun],
    others: Sequence[ForwardRun],
    notes: Sequence[Phrase],
) -> DerivedClass:
    """The class in the first way of writing that holds in all runs and in `others`. Raises NotDerivedError."""
    failed: list[Phrase] = []
    limited: list[tuple[ClassText, BackwardDraft, Phrase]] = []
    every = list(dict.fromkeys([*runs, *others]))

    def told(text: ClassText) -> list[Phrase]:
        return [*notes, *notes_on(subject, every), *other_shapes(subject, text.make)]

    for way in WAYS:
        check_time()
        try:
            graphs = [backward_graph(run, way) for run in runs]
            if not graphs[0].wanted:
                raise NotDerivedError([why_flat(runs[0])])
            draft = Drafting(Twins.paired(graphs), way).draft()
            text = ClassText(subject, draft)
            verdicts = verified([run.subject for run in every], text.make, draft.names)
        except (DerivedDiffersError, UnspelledError, OSError, SyntaxError) as error:
            failed.append(_why(error))
            continue
        if verdicts.because is None:
            return made_class(text, draft, verdicts, told(text))
        limited += [(text, draft, verdicts.because)] if verdicts.is_limited else []
        if verdicts.because.key == "derive state":  # so does every way: it is what forward does
            raise NotDerivedError([verdicts.because])
        failed.append(_blamed(verdicts.because, runs[0]))
    for text, draft, limit in limited[:1]:
        verdicts = verified([run.subject for run in every], text.make, draft.names, limits=False)
        if verdicts.because is None:
            return made_class(text, draft, verdicts, [limit, *told(text)])
    raise NotDerivedError(failed)


def _blamed(because: Phrase, run: ForwardRun) -> Phrase:
    """The reason, which of a gradient that is wrong may be the backward of a part."""
    if because.key != "derive refuted" or not run.parts:
        return because
    calls = [node.static["call"] for node in run.graph.nodes if node.primitive is PART]
    if (unread := next((call for call in calls if call.ignores), None)) is not None:
        return Phrase("part_unread", {"part": unread.path})
    return Phrase("part_wrong", {**because.fields, "parts": ", ".join(run.parts.values())})


def _why(error: Exception) -> Phrase:
    """The reason that an exception stands for."""
    if isinstance(error, UnspelledError):
        return Phrase(error.key, error.fields)
    if isinstance(error, DerivedDiffersError):
        return Phrase("derive unrolled gradient", {"where": error.where})
    return Phrase("derive no source", {"why": str(error)})


def made_class(text: ClassText, draft: BackwardDraft, verdicts: Verdicts, notes: Sequence[Phrase]) -> DerivedClass:
    """The written class, with the verdicts of the exact judge and notes for the reader."""
    return DerivedClass(
        text.subject.name, text.source, text.module, text.cls, (*notes, *draft.notes), verdicts.words, text.subject
    )


def _runs(subject: ForwardSubject) -> tuple[list[ForwardRun], list[ForwardRun]]:
    """Recordings at several sizes with the same steps: to write by, and to judge by, too.

    Raises NotDerivedError where the steps depend on a size.
    """
    base = recorded(subject)
    wanted = wanted_inputs(base)
    if not wanted:
        raise NotDerivedError([Phrase("no_real_input", {})])
    read = set(topological(base.graph.outputs.values()))  # a table of probabilities to draw from is not
    held = {node: name for name, node in wanted.items() if name.startswith("self.") and node not in base.parts}
    inner = [name for node, name in held.items() if node in read and is_of_a_layer(name, base.layer)]
    if inside := inner_layer(base.layer, base.called) or next(iter(inner), None):
        raise NotDerivedError([why_no_call(inside, base.layer, base.called)])
    found: list[ForwardRun] = []
    longer = _tried_once(with_rows(base.subject)) if len(base.graph.nodes) > _MANY_STEPS else None
    if longer is not None and same_structure(base.graph.nodes, longer.graph.nodes) and not _is_steered(base, longer):
        raise NotDerivedError([_unrolled(base.graph, longer.graph)])
    for i, run in _tried(base):
        if same_structure(base.graph.nodes, run.graph.nodes) is None:
            found.append(run)
        elif i > 3 or not _is_steered(base, run):
            raise NotDerivedError([_unrolled(base.graph, run.graph)])
        if i == 3 and len(alike := _alike([*found, base])) > 2:
            others = [run for run in alike[2:] if elements_of(run.subject) <= _MOST_ELEMENTS]
            return [*alike[:2], *_other_batch(alike[0])], others
    return _alike([base, *found])[:6], []


def _is_steered(one: ForwardRun, other: ForwardRun) -> bool:
    """Whether the values of arrays decide which steps there are."""
    return bool(one.trace.steered_by_arrays or other.trace.steered_by_arrays)


def _unrolled(one: Graph, other: Graph) -> Phrase:
    """The reason why two recordings differ in their steps: the first line that runs more often in one."""
    mine, theirs = (Counter(str(node.where) for node in graph.nodes if node.where) for graph in (one, other))
    often = (line for line, count in {**mine, **theirs}.items() if mine[line] != theirs[line])
    return Phrase("unrolled", {"where": next(often, next(iter(mine), "forward"))})


_MOST_ELEMENTS = 10_000  # a recording of more numbers takes longer to be judged than all others, and tells no more
_MANY_STEPS = 300  # of a loop, most likely: one more row tells at once, and lengths that all grow take minutes


def _alike(runs: Sequence[ForwardRun]) -> list[ForwardRun]:
    """The most recordings that are no accidents of each other."""
    groups = [[other for other in runs if not _is_accident(run.graph, other.graph)] for run in runs]
    return max(groups, key=len)


def _other_numbers(runs: Sequence[ForwardRun]) -> tuple[dict[str, ForwardRun], list[Phrase]]:
    """Recordings with other numbers in the constructor, by name; and on which of these the steps depend."""
    found: dict[str, ForwardRun] = {}
    fixed: list[Phrase] = []
    for name, value in runs[0].subject.settings.items():
        if is_numbers(value):
            pairs = ((run, _tried_once(other)) for run in runs[:2] for other in renumbered(run.subject, name))
            tried = [(run, more) for run, more in pairs if more is not None]
            more = next((more for run, more in tried if not _differ(run, more)), None)
            if more is not None:
                found[name] = more
            elif tried:
                fixed.append(one_side(name, value))
    return found, fixed


def _differ(one: ForwardRun, other: ForwardRun) -> bool:
    """Whether two recordings take other steps, or other axes have the length 1."""
    return same_structure(one.graph.nodes, other.graph.nodes) is not None or _is_accident(one.graph, other.graph)


def _reversed(runs: Sequence[ForwardRun]) -> list[ForwardRun]:
    """The recording with long axes short and short ones long, for a length that is the smaller of two."""
    more = _tried_once(with_lengths_reversed(runs[0].subject))
    return [more] if more is not None and not _differ(runs[0], more) else []


def _other_batch(run: ForwardRun) -> list[ForwardRun]:
    """The recording with more rows, for lengths that were equal by accident."""
    more = _tried_once(with_rows(run.subject))
    return [more] if more is not None and same_structure(run.graph.nodes, more.graph.nodes) is None else []


def _unequal_axes(runs: Sequence[ForwardRun], *, each: bool) -> tuple[list[ForwardRun], list[ForwardRun]]:
    """Recordings in which each axis is longer that always had the length of another one, or the same length.

    With windows it is each axis, for many lengths follow of the same few; and where it is asked for: where all lengths
    grew by one factor, one may be twice another by accident.

    Alone, or together with one other axis. Where none runs, forward itself asks for that length. Those of which forward
    leaves out what is more come second. Raises NotDerivedError where the steps depend on the length of an axis; of two
    arrays of one shape, forward may ask whether they are.
    """
    base, found, cut = runs[0].subject, list[ForwardRun](), list[ForwardRun]()
    lengths = {axis: n for axis, n in axes_of(base).items() if n > 1}
    windowed = any(node.primitive is PRIMITIVES["windows"] for node in runs[0].graph.nodes)
    for axis in lengths:
        every = [axes_of(run.subject) for run in (*runs, *found)]
        always = len({known[axis] for known in every}) == 1
        as_long = [a for a in lengths if a != axis and lengths[a] == lengths[axis]]
        tied = [a for a in as_long if all(known[a] == known[axis] for known in every)]
        alone = always or windowed or any(a[:2] == axis[:2] and a < axis for a in tied)
        if not (alone or tied or each):
            continue
        others = as_long if always else tied if each or (len(tied) > 1 and not alone) else []
        tried = (_tried_once(with_longer(base, way)) for way in ([axis], *([axis, other] for other in others)))
        more = next((run for run in tried if run and not _is_accident(runs[0].graph, run.graph)), None)
        if more is None:
            continue
        if same_structure(runs[0].graph.nodes, more.graph.nodes) is None:
            (cut if tied and not alone and is_left_out(more.subject, axis) else found).append(more)
        elif alone:
            raise NotDerivedError([_unrolled(runs[0].graph, more.graph)])
    return found, cut


def _is_accident(one: Graph, other: Graph) -> bool:
    """Whether two graphs are the same steps, and an axis has the length 1 in one of them alone.

    Lengths that do not go together may run by being repeated: 16 columns in four parts of 5.
    """
    if same_structure(one.nodes, other.nodes) is not None:
        return False
    pairs = zip(one.nodes, other.nodes, strict=True)
    return any((a == 1) != (b == 1) for m, n in pairs for a, b in zip(m.shape, n.shape, strict=True))


def _tried_once(subject: ForwardSubject) -> ForwardRun | None:
    with suppress(Exception):
        return recorded(subject)
    return None


def _tried(base: ForwardRun) -> Iterator[tuple[int, ForwardRun]]:
    numbers = {node.static["value"] for node in base.graph.nodes if node.primitive is CONSTANT}
    for i, other in enumerate(resized(base.subject, numbers)):
        if i < 4:  # a random number that forward keeps as a number is another one then
            other = replace(other, seed=i)
        run = _tried_once(other)
        if run is not None:
            yield i, run
