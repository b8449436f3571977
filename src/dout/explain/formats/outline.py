"""An explanation as parts, rows and cells: what every format prints, in its own way, in this order."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any

import numpy as np

from dout.explain.formats.outline_cells import (
    Cell,
    Equation,
    Figure,
    LineJudgement,
    Listing,
    LocalDerivative,
    Outline,
    OutlinePart,
    OutlineRow,
    shape_text,
)  # fmt: skip
from dout.explain.formats.words import Language, Sentence, listed, said, said_reason
from dout.explain.model.explanation import BackwardLine, DerivationStep, Explanation, Phrase, Quantity, StepPart
from dout.explain.terms.notation import numbered
from dout.explain.terms.row_terms import as_number
from dout.explain.terms.terms import ONE, Partial, Symbol, Term
from dout.explain.terms.walk import calls_in, names_in

DOUT = Symbol("dout")


def outline(explanation: Explanation, *, numbers: bool = False, language: Language = "en") -> Outline:
    """Return the parts of an explanation that has something to say. `numbers` shows values, if they are single ones."""
    numbers = numbers and is_scalar(explanation)
    parts = (
        _forward(explanation, numbers, language),
        _backward(explanation, numbers, language),
        _simplified(explanation, language),
        _keeping(explanation, language),
        _beside(explanation, language),
        _not_explained(explanation, language),
    )
    return Outline(
        explanation.name,
        formula_of(explanation),
        tuple((q.name, shape_text(q.axes)) for q in _named(explanation) if q.axes),
        explanation.where,
        tuple(part for part in parts if part.rows),
    )


# --- the parts --------------------------------------------------------------------------------------------------------


def _forward(explanation: Explanation, numbers: bool, language: Language) -> OutlinePart:
    """The steps of forward, where backward speaks of them, or they have numbers to show."""
    made = [q for q in explanation.forward if q.term is not None]
    inner = {q.name for q in made} - set(explanation.outputs)
    spoken = names_in([*_terms_behind(explanation)]).union(*map(_locals, explanation.steps))
    rows = []
    told = {part.of for step in explanation.steps for part in step.parts}
    if numbers or explanation.formula is None or inner & (spoken | told):
        for q in made:
            if q.name in explanation.before:
                rows.append(OutlineRow(_saying(explanation.before[q.name], language)))
            term = q.term and as_number(q.term)
            cells: dict[str, Cell] = {"equation": equation(Symbol(q.name), term, of=q.name)}
            rows.append(OutlineRow(cells | _figure("value", q.value, numbers, False), name=q.name))
        for left, meant in _defined(explanation, [q.term for q in made if q.term]):
            rows.append(OutlineRow({"equation": equation(left, meant)}))
    return OutlinePart("forward", said("title.forward", language), tuple(rows))


def _backward(explanation: Explanation, numbers: bool, language: Language) -> OutlinePart:
    rows = tuple(row for step in explanation.steps for row in _step(explanation, step, numbers, language))
    title = said("title.backward" if speaks_of_dout(explanation) else "title.backward_chain", language)
    outputs = [q for q in explanation.forward if q.name in explanation.outputs]
    output = outputs[0] if len(outputs) == 1 else None
    seed: Cell | None = None
    shape = ""
    if len(outputs) > 1:
        rows = (*(_upstream_row(explanation, q) for q in outputs), *rows)
    elif output is not None and speaks_of_dout(explanation):
        seed, shape = Equation(DOUT, (Partial(output.name),), output.name), shape_text(output.axes)
    elif output is not None and numbers:
        seed = Equation(Partial(output.name), (ONE,), output.name)  # the numbers of an explanation are for ones
    return OutlinePart("backward", title, rows, seed, shape)


def _upstream_row(explanation: Explanation, output: Quantity) -> OutlineRow:
    """The upstream gradient of one of several outputs: the first of several terms if forward uses the output, too."""
    used = any(part.of == output.name for step in explanation.steps for part in step.parts)
    left = gradient_name(explanation, output.name, int(used))
    cells: dict[str, Cell] = {"index": equation(left, Partial(output.name), of=output.name)}
    return OutlineRow(cells | ({"shapes": (shape_text(output.axes),)} if output.axes else {}), name=output.name)


def _step(explanation: Explanation, step: DerivationStep, numbers: bool, language: Language) -> Iterator[OutlineRow]:
    """The rows of a step: sentences before the formulas that they are about; its number and operator on the first."""
    cells: list[tuple[dict[str, Cell], str]] = []
    derived = any(_part_cells(explanation, step, part).keys() - {"shapes"} for part in step.parts)
    if step.says is not None and not (step.says.key == "row" and derived):  # its words say no more than its formulas
        cells.append((_saying(step.says, language), step.name))
    inputs = {q.name for q in explanation.forward if q.term is None}
    told = [part for part in step.parts if not only_passes_on(part) or part.of in inputs] or step.parts
    said_before: dict[str, Cell] | None = None
    for part in told:
        saying = _saying(part.reason, language) if part.reason is not None else None
        if saying is not None and saying != said_before:
            cells.append((saying, part.of))
        said_before = saying
        if part.index is not None and part.local:
            cells.append(({"local": _local(step, part)}, part.of))
        cells.append((_part_cells(explanation, step, part) | _figure("value", part.value, numbers, True), part.of))
    head: dict[str, Cell] = {"number": (str(step.number),), "operator": (step.operator,)}
    for i, (made, name) in enumerate(cells or [({}, step.name)]):
        yield OutlineRow((head if i == 0 else {}) | made, step.number, name)


def only_passes_on(part: StepPart) -> bool:
    """Whether a part of a gradient is one that has a name already, as it is."""
    plain = isinstance(part.gradient, Symbol) and part.gradient.name != f"d{part.of}"
    return plain and not (part.local or part.index or part.code or part.share)


def _local(step: DerivationStep, part: StepPart) -> Equation:
    return equation(LocalDerivative(step.name, numbered(part.of, part.share)), *part.local, of=part.of)


def _part_cells(explanation: Explanation, step: DerivationStep, part: StepPart) -> dict[str, Cell]:
    left = gradient_name(explanation, part.of, part.share)
    if part.index is not None:
        cells: dict[str, Cell] = {"index": equation(*part.index, of=part.of)}
    elif part.local:
        cells = {"local": _local(step, part)}
        cells |= {} if part.gradient == left else {"gradient": equation(left, part.gradient, of=part.of)}
    else:  # a gradient that has no formula stands by its own name
        cells = {} if part.gradient == left else {"index": equation(left, part.gradient, of=part.of)}
    if part.shapes:
        cells["shapes"] = (part.shapes,)
    if part.code:
        cells["code"] = Listing(part.code)
    return cells


def _simplified(explanation: Explanation, language: Language) -> OutlinePart:
    """The forms of each gradient, except a single form that a step has shown already."""
    shown = {part.of: part.gradient for step in explanation.steps for part in step.parts}
    rows = []
    for simplified in explanation.simplified:
        terms = [term for term, _ in simplified.forms]
        if len(terms) == 1 and shown.get(simplified.of) == terms[0]:
            continue
        left: Term | None = gradient_name(explanation, simplified.of)
        for term, reason in simplified.forms:
            cells: dict[str, Cell] = {"form": Equation(left, (term,), simplified.of)}
            cells |= {"since": said_reason(reason, language)} if reason else {}
            rows.append(OutlineRow(cells, name=simplified.of))
            left = None
    told = _defined(explanation, [q.term for q in explanation.forward if q.term])
    for left, meant in (pair for pair in explanation.definitions if pair not in told):
        rows.append(OutlineRow({"form": Equation(left, (meant,)), "since": said("definition", language)}))
    return OutlinePart("simplified", said("title.simplified", language), tuple(rows))


def _defined(explanation: Explanation, terms: Iterable[Term]) -> list[tuple[Term, Term]]:
    """The definitions of the functions that some terms call."""
    used = set().union(*map(calls_in, terms))
    return [pair for pair in explanation.definitions if calls_in(pair[0]) & used - {"getitem"}]


def _keeping(explanation: Explanation, language: Language) -> OutlinePart:
    sentence = keeping_sentence(explanation, language)
    return OutlinePart("keeping", (), (OutlineRow({"sentence": sentence}),) if sentence else ())


def _beside(explanation: Explanation, language: Language) -> OutlinePart:
    rows = []
    forms = [term for simplified in explanation.simplified for term, _ in simplified.forms[-1:]]
    for line in explanation.backward:
        judged = judgement_of(line, language, forms)
        cells: dict[str, Cell] = {"source": Listing(line.source.strip())}
        rows.append(OutlineRow(cells | ({"mark": judged} if judged else {}), line.step))
    where = explanation.backward[0].where if explanation.backward else None
    return OutlinePart("beside", said("title.beside", language), tuple(rows), where=where)


def _not_explained(explanation: Explanation, language: Language) -> OutlinePart:
    rows = tuple(OutlineRow({"sentence": said_reason(reason, language)}) for reason in explanation.not_explained)
    return OutlinePart("not_explained", said("title.not_explained", language), rows)


# --- cells ------------------------------------------------------------------------------------------------------------


def equation(left: Term, *sides: Term | None, of: str = "") -> Equation:
    """An equation from the known sides."""
    return Equation(left, tuple(side for side in sides if side is not None), of)


def _figure(key: str, value: Any, numbers: bool, gradient: bool) -> dict[str, Cell]:
    return {key: Figure(np.asarray(value).item(), gradient)} if numbers and value is not None else {}


def _saying(reason: Phrase, language: Language) -> dict[str, Cell]:
    """A sentence; a formula alone is an equation, which lines up with those below it."""
    sides = {key: reason.fields.get(key) for key in ("left", "right")}
    if reason.key == "formula" and all(isinstance(side, Term) for side in sides.values()):
        return {"index": Equation(sides["left"], (sides["right"],))}  # type: ignore[arg-type]
    return {"says": said_reason(reason, language)}


_CONVENTIONS = {"beside_divided", "beside_not_divided"}


def _is_convention(reason: Phrase | None) -> bool:
    """Whether a line is right but for the number of samples."""
    return reason is not None and reason.key in _CONVENTIONS and str(reason.fields["n"]) == "N"


def _is_conditional(reason: Phrase | None) -> bool:
    """Whether a line is right for some inputs only."""
    return reason is not None and reason.key == "beside_no_repeats"


_SAYS_INSTEAD = {"beside_axis", "beside_axis_here", "beside_not_summed", "beside_overwritten", "beside_layer"}


def judgement_of(line: BackwardLine, language: Language = "en", forms: Collection[Term] = ()) -> LineJudgement | None:
    """The judgement of a line of the user's backward: its step, or its value; None if neither is known.

    A line that takes several steps is told as a formula where that is one of the `forms` of a whole gradient.
    """
    reason = said_reason(line.reason, language) if line.reason else ()
    step = () if line.step is None else said("line.step", language, step=line.step)
    if line.wrong:
        why = reason or step or said("line.wrong", language)
        if line.instead and not (line.reason is not None and line.reason.key in _SAYS_INSTEAD):
            why = said("line.instead", language, reason=why, instead=line.instead)
        return LineJudgement("~" if _is_convention(line.reason) else "✗", why)
    if reason or step:
        return LineJudgement("~" if _is_conditional(line.reason) else "✓", reason or step)
    if len(line.steps) > 1 and line.matches not in forms:  # steps say more than a line that is told once more
        return LineJudgement("✓", said("line.steps", language, steps=_ranges(line.steps)))
    return LineJudgement("✓", said("line.is", language, term=line.matches)) if line.matches is not None else None


def _ranges(numbers: tuple[int, ...]) -> str:
    """Numbers in their order, as few as can be: 1–3, 5."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(f"{run[0]}–{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


def keeping_sentence(explanation: Explanation, language: Language) -> Sentence:
    """What forward has to keep for backward: the best choice, and for which gradient each value is."""
    if not explanation.keeping:
        return ()
    reason = explanation.keeping[0].reason
    if "names" not in reason.fields:
        return said_reason(reason, language)
    names = _kept_names(explanation, reason.fields["names"], language)
    return said(reason.key, language, **{**reason.fields, "names": names})


def _kept_names(explanation: Explanation, names: Iterable[str], language: Language) -> Sentence:
    """Values that are kept, and the gradients that each is kept for, where the forms of these tell."""
    forms = final_forms(explanation)
    uses = {
        name: [(gradient_name(explanation, of),) for of, term in forms.items() if name in names_in(term)]
        for name in names
    }
    if len({tuple(found) for found in uses.values()}) == 1 or not all(uses.values()):
        return listed([(Symbol(name),) for name in uses], language)
    kept = [
        said("kept for", language, kept=Symbol(name), gradients=listed(found, language)) for name, found in uses.items()
    ]
    return listed(kept, language)


# --- what an explanation speaks of ------------------------------------------------------------------------------------


def formula_of(explanation: Explanation) -> Equation | None:
    """The output as a formula of the inputs, if that is short."""
    if explanation.formula is None or len(explanation.outputs) != 1:
        return None
    return Equation(Symbol(explanation.outputs[0]), (explanation.formula,), explanation.outputs[0])


def final_forms(explanation: Explanation) -> dict[str, Term]:
    """The gradient of each input in its last form."""
    forms = {simplified.of: simplified.forms[-1][0] for simplified in explanation.simplified if simplified.forms}
    inputs = {q.name for q in explanation.forward if q.term is None}
    for step in explanation.steps:
        for part in step.parts:
            if part.of in inputs:
                forms.setdefault(part.of, part.gradient)
    return forms


def speaks_of_dout(explanation: Explanation) -> bool:
    """Whether the steps call the gradient of the output `dout`, and others dx, dW; else these are ∂L/∂y, ∂L/∂x."""
    known = {quantity.name for quantity in explanation.forward}
    named = names_in([*_terms_behind(explanation)]) - known
    return any(name.startswith("d") for name in named)


def gradient_name(explanation: Explanation, of: str, share: int = 0) -> Term:
    """The name of a gradient, as the steps write it; with a number where it is one of several parts."""
    name = numbered(of, share)
    return Symbol(f"d{name}") if speaks_of_dout(explanation) else Partial(name)


def _terms_behind(explanation: Explanation) -> Iterator[Term]:
    """Every term of the backward."""
    for step in explanation.steps:
        for part in step.parts:
            yield from (part.gradient, *part.local, *(part.index or ()))
    for simplified in explanation.simplified:
        yield from (term for term, _ in simplified.forms)


def _locals(step: DerivationStep) -> set[str]:
    """The values that the local derivatives of a step name."""
    return {name for part in step.parts if part.local for name in (step.name, part.of)}


def _named(explanation: Explanation) -> list[Quantity]:
    """The inputs and parameters, then the outputs."""
    given = [q for q in explanation.forward if q.term is None]
    return given + [q for q in explanation.forward if q.term is not None and q.name in explanation.outputs]


def is_scalar(explanation: Explanation) -> bool:
    """Whether every value is a single number."""
    values = [q.value for q in explanation.forward]
    values += [part.value for step in explanation.steps for part in step.parts]
    return all(value is None or np.size(value) == 1 for value in values)
