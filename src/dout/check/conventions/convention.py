"""Conventions are not bugs: a gradient that is right up to a constant that people choose, or passed on to its loss.

Each rule looks at one refuted gradient and returns the convention that it keeps, or None. Another convention is another
rule in `RULES`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Literal

import numpy as np

from dout.adapt.argument_names import stands_for
from dout.check.conventions.clipping import (
    is_cut_at_a_limit,
    is_limited,
    is_right_for_less,
    right_by_differences,
    right_where_small,
)
from dout.check.conventions.counted_constants import (
    averages,
    compounds,
    is_no_share_of_both,
    of_a_loss,
    of_both,
    of_parameters,
)
from dout.check.conventions.optimizer_steps import decay_of, is_an_optimizers, is_limited_after_its_step
from dout.check.conventions.refuted_gradient import RefutedGradient, is_loss
from dout.check.conventions.sample_scaling import Samples
from dout.check.conventions.setting_penalty import BY_DIFFERENCES, penalties_in, strength_of_what_is_added
from dout.check.conventions.softmax import (
    gives_diagonal,
    is_last_sigmoid,
    is_softmax,
    names_last,
    passes_a_sigmoid,
)
from dout.check.conventions.stop_gradient import (
    freezes_rows,
    goes_straight_through,
    scaling_setting,
    stops_the_gradient,
)
from dout.check.exact.exact_route import Examination
from dout.check.exact.judge import Convention, Judgement
from dout.check.exact.subject import Subject
from dout.check.report.verdicts import Verdict
from dout.graph import Node, topological
from dout.judge.judging_points import generic, spread_out
from dout.judge.outcomes import CLOSE, RIGHT, Outcome, Word

Role = Literal["input", "parameter", "loss", "losses"]

BY_BACKWARD_ALONE = ", and forward no such penalty"
STEP = "step"  # the constant of a step that the layer takes by itself
_PARAMETERS = ("W", "Wh", "W2", "b", "b2", "gamma")
ConventionRule = Callable[[RefutedGradient], Convention | None]


def by_convention(subject: Subject, judgement: Judgement) -> Judgement:
    """Return the judgement without the refutations that are conventions: those have a word of their own.

    A gradient that stays refuted may get a remark, if it would be a convention in another place.
    """
    samples = Samples(subject, numerically=judgement.examination is None)
    if subject.interface is not None:  # functions are handed their parameters: `affine_forward(x, w)`, `loss(W, x)`
        handed = (n for n in subject.names[not subject.interface.gives :] if stands_for(n) in _PARAMETERS)
        judgement = replace(judgement, parameters=judgement.parameters | {*handed})
    found: dict[str, Convention] = {}
    remarks: dict[str, str] = {}
    loss = is_loss(subject, judgement, samples)
    uses_dout = not judgement.ignores_dout or loss
    for outcome in judgement.refuted.values():
        gradient = RefutedGradient(subject, judgement, outcome, samples, loss)
        convention = next(filter(None, (rule(gradient) for rule in (RULES if uses_dout else (_stops,)))), None)
        if convention is not None and convention.is_of_all and judgement.elsewhere:
            remarks[gradient.name] = f"it is {convention.because} there alone"  # as given it is the derivative itself
        elif convention is not None:
            found[gradient.name] = convention
        elif uses_dout and (remark := next(filter(None, (rule(gradient) for rule in REMARKS)), None)):
            remarks[gradient.name] = remark
    one = all(math.prod(shape) == 1 for shape in judgement.outputs)
    role: Role = ("loss" if one else "losses") if loss else "input"
    for name, remark in _disagreeing(found, judgement, role).items():
        del found[name]
        remarks[name] = remark
    return replace(
        judgement,
        verdicts=tuple(_said(v, found.get(v.argument), judgement, role) for v in judgement.verdicts),
        refuted={node: o for node, o in judgement.refuted.items() if o.judged.name not in found},
        conventions=found,
        excused={node: o for node, o in judgement.refuted.items() if o.judged.name in found},
        remarks=remarks,
    )


def _said(verdict: Verdict, convention: Convention | None, judgement: Judgement, role: Role) -> Verdict:
    """The verdict in the convention's words, with what compares it with those on other layers."""
    mine: Role = "parameter" if role == "input" and verdict.argument in judgement.parameters else role
    if convention is None:
        return replace(verdict, role=mine, constant="1" if verdict.word in RIGHT | CLOSE else "")
    word, because = convention.word, convention.because
    return replace(verdict, word=word, because=because, role=mine, constant=convention.constant)


def _disagreeing(found: Mapping[str, Convention], judgement: Judgement, role: Role) -> dict[str, str]:
    """Those up to a constant that not all gradients of the layer have: of its parameters, or of all that a loss gives.

    An average is a convention of a whole layer: `dW` averaged and `db` summed is a mistake.
    """
    scaled = {name: kept for name, kept in found.items() if kept.word == Word.SCALED and kept.constant != STEP}
    ratios = {name: one.ratio for name, one in judgement.likeness.items()}
    compared = judgement.parameters if role != "losses" and judgement.parameters else ratios.keys()
    left = [(n, ratio) for n, ratio in ratios.items() if ratio and n in compared and n not in found]
    right = [name for name, ratio in left if abs(ratio - 1) < BY_DIFFERENCES]
    constants = dict.fromkeys(kept.because for kept in scaled.values())
    passed = {name: kept.constant for name, kept in found.items() if kept.word == Word.PASSED and kept.constant}
    whole = [name for name, constant in passed.items() if constant == "1" and name in judgement.parameters]
    if whole and {*passed.values()} > {"1"}:
        others = f"it averages over the samples, and the gradient of {whole[0]} does not"
        return {name: others for name, constant in passed.items() if constant != "1"}
    if len(constants) < 2 and not (scaled and right):
        return {}
    others = f"the gradient of {right[0]} is the derivative itself" if right else "others are another constant of it"
    return {name: f"it is {kept.because}, and {others}" for name, kept in scaled.items()}


# --- the rules --------------------------------------------------------------------------------------------------------


def _lacks_the_rest(gradient: RefutedGradient) -> str | None:
    """Of a softmax that is given dout: it could say more than its diagonal."""
    if not gives_diagonal(gradient.subject):
        return None
    return "the whole gradient of a softmax is y * (dout - sum(y * dout))"


def _passes_on(gradient: RefutedGradient) -> Convention | None:
    """A softmax that hands dout on, alone or at the end of a layer: its loss gives the gradient of both together.

    So does a sigmoid in a layer that says it is the last.
    """
    subject = gradient.subject
    alone = not gradient.judgement.parameters and len(subject.inputs) == 1
    if alone and gradient.likeness.passed and (is_softmax(subject) or is_last_sigmoid(subject)):
        return Convention(Word.PASSED, "backward passes dout on")
    parameters = gradient.judgement.parameters
    if parameters and names_last(subject) and passes_a_sigmoid(subject, parameters):
        return Convention(Word.PASSED, "the sigmoid at the end passes dout on")
    constants = {"1": 1.0}
    if gradient.is_of_a_parameter and gradient.samples.shape:
        constants["1/N"] = 1 / gradient.samples.shape[0]
    for symbol, value in constants.items():
        if math.isclose(gradient.times_if_handed_on, value, rel_tol=1e-4):
            averaged = "" if symbol == "1" else ", and averages over the samples"
            because = f"the softmax at the end passes dout on{averaged}"
            return Convention(Word.PASSED, because, symbol)
    return None


def _is_diagonal(gradient: RefutedGradient) -> Convention | None:
    """A softmax as one of many activations, each with a derivative number by number: it can give no more."""
    interface = gradient.subject.interface
    if interface is None or not interface.local or not gives_diagonal(gradient.subject):
        return None
    return Convention(Word.DIAGONAL, "y (1 − y), the diagonal of its derivative")


def _of_steps(gradient: RefutedGradient) -> Convention | None:
    """A step that a layer takes by itself, with a momentum of its own: a constant times rate and gradient."""
    interface, ratio = gradient.subject.interface, gradient.likeness.ratio
    if not gradient.is_of_a_parameter or ratio is None or not 0 < ratio < math.inf:
        return None
    steps, rate = (interface.steps, interface.rate) if interface is not None else (False, None)
    decay = decay_of(gradient.subject, gradient.name) if rate is None or not steps else None
    if decay is not None and math.isclose(ratio, 1 - decay):
        because = f"a running mean of gradients, at first {ratio:.4g} × this one"
        return Convention(Word.SCALED, because, STEP)
    if not steps or (rate is None and decay is None):
        return None
    others = [one.ratio for name, one in gradient.judgement.likeness.items() if name in gradient.judgement.parameters]
    mean = gradient.constant(averages(gradient.samples.lengths))
    lengths = {*gradient.samples.lengths.input, *gradient.samples.lengths.output}
    if 1 in others and (mean or any(math.isclose(ratio * n, 1) for n in lengths)):
        return None  # no momentum averages one gradient alone
    constant = mean.symbol if mean else STEP
    return Convention(Word.SCALED, f"{ratio:.4g} × rate × gradient in its first step", constant)


def _penalised(gradient: RefutedGradient) -> Convention | None:
    """A penalty on a parameter, λ·W, λ·sign(W) or both, that backward alone adds, maybe to an average over samples."""
    outcome = _where_it_varies(gradient)
    value = outcome.point.get(outcome.judged.node)
    if not gradient.is_of_a_parameter or value is None or outcome.index is None or np.size(value) < 2:
        return None
    if gradient.judgement.examination is not None and _has_a_penalty(
        gradient.judgement.examination, outcome.judged.node
    ):
        return None  # it is of another strength there
    value, expected = np.asarray(value, dtype=float), np.asarray(outcome.expected, dtype=float)
    lengths = gradient.samples.lengths
    shares = dict.fromkeys((1.0, *(one.at(lengths) for one in averages(lengths))))
    exact = gradient.judgement.examination is not None
    penalty = next(penalties_in(gradient.name, value, np.asarray(outcome.got), expected, shares, exact=exact), None)
    if penalty is None:
        return None
    averaged = "" if penalty.share == 1 else "averages over the samples, "
    return Convention(Word.PENALISED, f"backward {averaged}adds {penalty.said}{BY_BACKWARD_ALONE}")


def _penalised_by_a_setting(gradient: RefutedGradient) -> Convention | None:
    """A penalty on what forward gives, say: backward adds it, and a number of the layer is its strength."""
    setting = "" if gradient.is_of_a_parameter else strength_of_what_is_added(gradient.subject, gradient.name)
    because = f"backward adds a penalty, whose strength is self.{setting}{BY_BACKWARD_ALONE}"
    return Convention(Word.PENALISED, because) if setting else None


def _clipped(gradient: RefutedGradient) -> Convention | None:
    """A gradient that backward limits, by value or by norm."""
    examination, outcome = gradient.judgement.examination, gradient.outcome
    if outcome.index is None or not is_limited(outcome.got, outcome.expected):
        return None
    subject = gradient.subject
    right = right_by_differences(subject) if examination is None else right_where_small(subject, examination)
    is_clipped = (
        gradient.name in right
        or (subject.ends and is_cut_at_a_limit(subject, outcome.got, outcome.expected))
        or (examination is not None and is_right_for_less(examination, outcome))
    )
    if not is_clipped:
        return None
    return Convention(Word.CLIPPED, "backward clips it: it is the derivative where dout is small")


def _limited_after_its_step(gradient: RefutedGradient) -> Convention | None:
    """The gradient of a parameter that backward itself steps, and limits after that: weights that are clipped."""
    lengths = gradient.samples.lengths
    shares = dict.fromkeys((1.0, *(one.at(lengths) for one in averages(lengths))))
    if not gradient.is_of_a_parameter or not is_limited_after_its_step(gradient.subject, gradient.name, shares):
        return None
    because = "backward makes the step of the derivative, and then limits or shrinks the parameter"
    return Convention(Word.CLIPPED, because, of_a_step=True)


def _of_an_optimizer(gradient: RefutedGradient) -> Convention | None:
    """A step that a layer takes by itself, of a size that an optimizer chooses."""
    outcome = gradient.outcome
    if not gradient.is_of_a_parameter or not is_an_optimizers(
        gradient.subject, gradient.name, outcome.got, outcome.expected
    ):
        return None
    return Convention(Word.SCALED, "an optimizer's, with its sign and a size that is not linear in dout", STEP)


def _has_a_penalty(examination: Examination, parameter: Node) -> bool:
    """Whether forward makes a number of a parameter alone, and of other numbers."""
    alone = {parameter}
    for node in topological([*examination.seeds]):
        if not alone.isdisjoint(node.inputs) and all(i in alone or not i.shape for i in node.inputs):
            if not node.shape:
                return True
            alone.add(node)
    return False


def _where_it_varies(gradient: RefutedGradient) -> Outcome:
    """The outcome at a point where the parameter has both signs: a bias of zeros has none."""
    node, known = gradient.outcome.judged.node, gradient.judgement.examination
    found = [gradient.outcome]
    for make, seed in ((generic, 0), (spread_out, 0), (spread_out, 1), (spread_out, 2)):
        if known is None or gradient.judgement.only_here or len({*np.sign(found[-1].point.get(node, ())).flat}) > 1:
            break
        found += [outcome for outcome in known.outcomes(make(known, seed))[0] if outcome.judged.node is node]
    else:
        return gradient.outcome
    return found[-1]


def _stops(gradient: RefutedGradient) -> Convention | None:
    """What goes in comes out, and 0 goes back: it has no other use than to stop the gradient."""
    return Convention(Word.STOPPED, "backward gives 0") if stops_the_gradient(gradient.subject) else None


def _frozen(gradient: RefutedGradient) -> Convention | None:
    frozen = gradient.is_of_a_parameter and freezes_rows(gradient.subject, gradient.outcome)
    return Convention(Word.STOPPED, "backward sets some of its rows to 0, and they do not learn") if frozen else None


def _straight_through(gradient: RefutedGradient) -> Convention | None:
    """A step, whose derivative is 0: nothing before it would learn."""
    through = goes_straight_through(gradient.subject)
    return Convention(Word.THROUGH, "forward has steps, whose derivative is 0") if through else None


def _by_a_setting(gradient: RefutedGradient) -> Convention | None:
    """What goes in comes out, and a number of the layer scales what goes back: for that it is there."""
    factor = scaling_setting(gradient.subject)
    because = f"{factor} times the derivative of forward, which hands its input on"
    return Convention(Word.SCALED, because, factor) if factor else None


RULES: tuple[ConventionRule, ...] = (
    _passes_on,
    _by_a_setting,
    _straight_through,
    _is_diagonal,
    of_a_loss,
    of_parameters,
    of_both,
    _of_steps,
    _penalised,
    _penalised_by_a_setting,
    _clipped,
    _limited_after_its_step,
    _frozen,
    _of_an_optimizer,
)
REMARKS = (_lacks_the_rest, compounds, is_no_share_of_both)
